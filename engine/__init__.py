"""fewframes indexes long video once and hands any multimodal model the few frames that matter.

>>> import fewframes as ff
>>> ff.sample("film.mp4", budget=8).seconds.shape
(8,)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewframes.boundaries import shots
    from fewframes.corpus import index
    from fewframes.frames import FrameBatch
    from fewframes.isolation import isolated
    from fewframes.probing import probe
    from fewframes.reading import read
    from fewframes.sampling import sample
    from fewframes.selection import Selection, select
    from fewframes.session import Session
    from fewframes.store import open_store as open
    from fewframes.table import FrameTable
    from fewframes.timeline import Timeline

__all__ = [
    "FrameBatch",
    "FrameTable",
    "Selection",
    "Session",
    "Timeline",
    "index",
    "isolated",
    "open",
    "probe",
    "read",
    "sample",
    "select",
    "shots",
]
__version__ = "0.1.0"

_HOMES = {
    "FrameBatch": "frames",
    "FrameTable": "table",
    "Selection": "selection",
    "Session": "session",
    "Timeline": "timeline",
    "index": "corpus",
    "isolated": "isolation",
    "open": "store",
    "probe": "probing",
    "read": "reading",
    "sample": "sampling",
    "select": "selection",
    "shots": "boundaries",
}
"""The module of each public name, loaded when the name is first used."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 (whatever the name stands for)
    if name not in _HOMES:
        raise AttributeError(f"module 'fewframes' has no attribute {name!r}")
    module = import_module(f"fewframes.{_HOMES[name]}")
    value = getattr(module, "open_store" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
