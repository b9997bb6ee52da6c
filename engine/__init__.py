"""fewframes indexes long video once and hands any multimodal model the few frames that matter.

>>> import fewframes as ff
>>> ff.sample("film.mp4", budget=8).seconds.shape
(8,)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewframes.agents.session import Session
    from fewframes.decode.batch import FrameBatch
    from fewframes.features.patches import changed_patches
    from fewframes.features.shots import shots
    from fewframes.features.spans import black_spans, frozen_spans
    from fewframes.features.table import FrameTable
    from fewframes.files.probing import probe
    from fewframes.files.reading import read
    from fewframes.indexing.index import index
    from fewframes.indexing.isolation import isolated
    from fewframes.indexing.options import IndexOptions
    from fewframes.media.timeline import Timeline
    from fewframes.sampling import sample
    from fewframes.selection.policies import policies
    from fewframes.selection.selection import Selection, select
    from fewframes.store.store import Store
    from fewframes.store.store import open_store as open
    from fewframes.store.video import Video

__all__ = [
    "FrameBatch",
    "FrameTable",
    "IndexOptions",
    "Selection",
    "Session",
    "Store",
    "Timeline",
    "Video",
    "black_spans",
    "changed_patches",
    "frozen_spans",
    "index",
    "isolated",
    "open",
    "policies",
    "probe",
    "read",
    "sample",
    "select",
    "shots",
]
__version__ = "0.1.0"

_HOMES = {
    "FrameBatch": "decode.batch",
    "FrameTable": "features.table",
    "IndexOptions": "indexing.options",
    "Selection": "selection.selection",
    "Session": "agents.session",
    "Store": "store.store",
    "Timeline": "media.timeline",
    "Video": "store.video",
    "black_spans": "features.spans",
    "changed_patches": "features.patches",
    "frozen_spans": "features.spans",
    "index": "indexing.index",
    "isolated": "indexing.isolation",
    "open": "store.store",
    "policies": "selection.policies",
    "probe": "files.probing",
    "read": "files.reading",
    "sample": "sampling",
    "select": "selection.selection",
    "shots": "features.shots",
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
