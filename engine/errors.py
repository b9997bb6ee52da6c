"""What a caller may want to catch; misuse is a plain ValueError, TypeError or IndexError.

Each class is also a builtin, so that code which knows nothing of this package can catch it too.
"""

from typing import Any


class FewframesError(Exception):
    """Base of every error of this package."""


class UnreadableMediaError(FewframesError, OSError):
    """The file is missing, is not a video, or holds no video stream that can be decoded."""


class DamagedFrameError(FewframesError, ValueError):
    """A wanted frame cannot be decoded, or a decode anomaly may have touched it."""


class StaleIndexError(FewframesError, ValueError):
    """A stored timeline or index was built from another file than the one at hand."""


class CorruptStoreError(FewframesError, ValueError):
    """A store's files do not agree with what was committed."""


class NoSpaceError(FewframesError, OSError):
    """The disk has too little space for what is to be written; nothing has been."""


class UnwritableStoreError(FewframesError, PermissionError):
    """A store cannot be written: a read-only folder or disk, or one without any space."""


class UnreachableStoreError(FewframesError, ConnectionError):
    """An object store does not answer, or refuses; what was published there is as it was."""


class StoreAwayError(UnreachableStoreError):
    """An object store does not answer now; it may later."""


class MissingBackendError(FewframesError, ImportError):
    """An optional library is needed and is not installed."""


class UnsupportedStreamError(FewframesError, ValueError):
    """This stream cannot be taken as was asked for; by another decoder or format it can."""


class TimedOutError(FewframesError, TimeoutError):
    """A file gave no sign of progress within its time limit, and its process was stopped."""


class CrashedError(FewframesError, RuntimeError):
    """Native code crashed on a file; it cost one process, not the program."""


class MemoryLimitError(FewframesError, MemoryError):
    """A file needs more memory than it may use."""


class NothingIndexedError(FewframesError, RuntimeError):
    """Every film of a run failed; ``report`` is the run's `IndexReport`."""

    report: Any = None


class BudgetSpentError(FewframesError, ValueError):
    """A session has given all the frames or tokens that it may give."""
