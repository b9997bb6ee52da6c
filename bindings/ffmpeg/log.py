"""FFmpeg's log: kept quiet, and read for what it says of damage."""

import logging
import threading

import av.logging


class _Complaints(logging.Handler):
    """Keeps what FFmpeg logs of damage, by thread, so that it is neither lost nor printed.

    That is every error, and the note that it has made up a part of a picture ("concealing …").
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.local = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Files a message under the thread that decodes."""
        message = f"{record.name.removeprefix('libav.')}: {record.getMessage().strip()}"
        if record.levelno >= logging.ERROR or "concealing" in message:
            self.mine().append(message)
            logger.info(message)
        elif EXTERNAL in message:
            self.mine("external").append(message)

    def mine(self, kind: str = "damage") -> list[str]:
        """The messages of this thread since they were last cleared."""
        mine: list[str] = self.local.__dict__.setdefault(kind, [])
        return mine


EXTERNAL = "Skipped opening external track: stream "
"""What FFmpeg notes of a track of MP4 whose samples are in another file."""


logger = logging.getLogger("fewframes.ffmpeg")
_complaints = _Complaints()
_libav = logging.getLogger("libav")
_libav.addHandler(_complaints)
_libav.setLevel(logging.INFO)
_libav.propagate = False


def drain_log() -> list[str]:
    """Gives the list that FFmpeg's errors on this thread are appended to; clear it when read."""
    if av.logging.get_level() != av.logging.INFO:
        av.logging.set_level(av.logging.INFO)
        av.logging.set_skip_repeated(False)
    return _complaints.mine()


def external_tracks() -> list[str]:
    """Gives the list that notes of tracks in other files are appended to, as `drain_log` does."""
    drain_log()
    return _complaints.mine("external")


def is_harmless(message: str) -> bool:
    """Whether a complaint is only about letting go of a picture from before an open-GOP start."""
    return message.endswith("mmco: unref short failure")
