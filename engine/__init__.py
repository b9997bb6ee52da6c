"""fewframes indexes long video once and hands any multimodal model the few frames that matter.

>>> import fewframes as ff
>>> ff.sample("film.mp4", budget=8).seconds.shape
(8,)
"""

from fewframes.boundaries import shots
from fewframes.corpus import index
from fewframes.frames import FrameBatch
from fewframes.probing import probe
from fewframes.reading import read
from fewframes.sampling import sample
from fewframes.selection import Selection, select
from fewframes.store import Store
from fewframes.store import open_store as open
from fewframes.table import FrameTable
from fewframes.timeline import Timeline

__all__ = [
    "FrameBatch",
    "FrameTable",
    "Selection",
    "Store",
    "Timeline",
    "index",
    "open",
    "probe",
    "read",
    "sample",
    "select",
    "shots",
]
__version__ = "0.1.0"
