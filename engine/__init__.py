"""fewframes indexes long video once and hands any multimodal model the frames that matter."""

from fewframes.frames import FrameBatch
from fewframes.probing import probe
from fewframes.reading import read
from fewframes.timeline import Timeline

__all__ = ["FrameBatch", "Timeline", "probe", "read"]
__version__ = "0.1.0"
