"""OpenSessions: one session a video, a bounded number of them, and one log of all their steps.

1. A video's session begins with the first look at it. Threads share it; other videos never wait
   for its film to be probed.
2. A session that nobody uses is let go after ``idle_seconds``, at the next look at any video, or
   where one more than ``most`` is asked for, the least recently used one first. Its pictures are
   forgotten. Frames that it gave count on, so that a limit of frames is one of the video.
3. The first look at the video after that is given a notice that says so.
4. A step is a line of the log, written by one call while its session's lock is held: lines of a
   session are in the order of its steps, and there is one a step.
"""

import errno
import json
import os
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from fewframes.agents.session import Session, Step
from fewframes.errors import FewframesError
from fewframes.store.ids import stem_of
from fewframes.store.store import id_in
from fewframes.store.video import Video

MOST_SESSIONS = 32
IDLE_SECONDS = 1800.0
PICTURE_BYTES = 64 << 20
"""Bytes of stored pictures that a session remembers, and as many of its film's: 4 GiB in all."""


class OpenSession:
    """A session in use, which begins when it is asked for first."""

    def __init__(self, number: int, notice: str, begin: Callable[[], Session]) -> None:
        self.number = number
        """How many sessions this video has had, with this one."""
        self.users, self.used_at = 0, 0.0
        self._notice, self._begin = notice, begin
        self._session: Session | None = None
        self._lock = Lock()

    @property
    def has_begun(self) -> bool:
        """Whether there is a session: its video, and its film, could be opened."""
        return self._session is not None

    @property
    def session(self) -> Session:
        """The session; raises as `Session` does where it cannot begin."""
        with self._lock:
            if self._session is None:
                self._session = self._begin()
            return self._session

    def take_notice(self) -> str:
        """Gives the first who asks what the client is told once: that an earlier one is gone."""
        with self._lock:
            notice, self._notice = self._notice, ""
        return notice


class _Gone(NamedTuple):
    """What is kept of a session that was let go."""

    number: int = 0
    why: str = ""
    given: Sequence[int] = ()


class OpenSessions:
    """The sessions of a store's videos by id; many threads may share it.

    >>> import fewframes as ff
    >>> sessions = OpenSessions(ff.open("corpus.zarr"), max_frames=8)
    >>> with sessions.use("film") as opened:
    ...     len(opened.session.glance(4)), len(sessions)
    (4, 1)
    """

    def __init__(
        self,
        store: Mapping[str, Video],
        *,
        max_frames: int | None = None,
        films: Mapping[str, Path] | None = None,
        log: Path | None = None,
        most: int = MOST_SESSIONS,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins without a session.

        Args:
            store: The videos.
            max_frames: Frames that may be given of each video, by all its sessions.
            films: For some videos the file that `Session.zoom` reads.
            log: File that gets a line of JSON for each step.
            most: Sessions at a time, at least 1.
            idle_seconds: A session that was not used for longer is let go.
            clock: Gives the time in seconds.

        Raises ValueError for ``most`` below 1, or ``idle_seconds`` not above 0.
        """
        if most < 1 or not idle_seconds > 0:
            raise ValueError(
                f"most={most} and idle_seconds={idle_seconds} must be at least 1 and above 0"
            )
        self.store, self.max_frames, self.films = store, max_frames, films or {}
        self.log, self.most, self.idle_seconds, self.clock = log, most, idle_seconds, clock
        self._open: OrderedDict[str, OpenSession] = OrderedDict()
        self._gone: dict[str, _Gone] = {}
        self._lock, self._log_lock = Lock(), Lock()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def use(self, video: str) -> Iterator[OpenSession]:
        """Gives the session of a video, which is not let go meanwhile.

        An id and its stem mean one session. Raises FewframesError where all sessions that there may
        be are in use, and for a video that there is not, KeyError.
        """
        video = video if video in self._open else id_in(self.store, video)
        opened = self._enter(video)
        try:
            yield opened
        finally:
            with self._lock:
                opened.users -= 1
                opened.used_at = self.clock()
                if not opened.has_begun and not opened.users:
                    del self._open[video]

    def _enter(self, video: str) -> OpenSession:
        with self._lock:
            self._let_idle_go()
            if video not in self._open:
                self._make_room()
                gone = self._gone.get(video, _Gone())
                begin = partial(self._begun, video, gone)
                self._open[video] = OpenSession(gone.number + 1, gone.why, begin)
            opened = self._open[video]
            opened.users += 1
            opened.used_at = self.clock()
            self._open.move_to_end(video)
            return opened

    def _let_idle_go(self) -> None:
        now = self.clock()
        for name, opened in list(self._open.items()):
            if not opened.users and now - opened.used_at > self.idle_seconds:
                self._close(name, f"nobody used it for {self.idle_seconds:g} s")

    def _make_room(self) -> None:
        """Lets the least recently used sessions go until one more may begin."""
        free = [name for name, opened in self._open.items() if not opened.users]
        while len(self._open) >= self.most:
            if not free:
                raise FewframesError(
                    f"{self.most} videos are being looked at, no more are at a time; ask again"
                )
            self._close(free.pop(0), f"{self.most} other videos were looked at since")

    def _close(self, video: str, why: str) -> None:
        opened = self._open.pop(video)
        limited = self.max_frames is not None
        given = array("q", sorted(opened.session.given) if limited else ())
        words = f"The earlier session of {video!r} is gone: {why}."
        if limited:
            words += f" The {len(given)} frames that it gave count on."
        self._gone[video] = _Gone(opened.number, words, given)

    def _begun(self, video: str, gone: _Gone) -> Session:
        on_step = partial(self._note, self.log, video, gone.number + 1) if self.log else None
        return Session(
            self.store[video],
            max_frames=self.max_frames,
            film=self._film_of(video),
            cache_bytes=PICTURE_BYTES,
            film_bytes=PICTURE_BYTES,
            given=gone.given,
            on_step=on_step,
        )

    def _film_of(self, video: str) -> Path | None:
        """The film of a video, by its id or by its stem, if that means it."""
        stem = stem_of(video)
        is_by_stem = video not in self.films and stem in self.films
        return self.films.get(stem if is_by_stem and id_in(self.store, stem) == video else video)

    def _note(
        self, log: Path, video: str, session: int, number: int, step: Step, decoded: int
    ) -> None:
        """Appends a step to the log, whole or not at all."""
        line = {"video": video, "session": session, "step": number, **asdict(step)}
        data = json.dumps({**line, "decoded": decoded}).encode("ascii") + b"\n"
        with self._log_lock:
            try:
                append(log, data)
            except OSError as error:
                raise FewframesError(
                    f"the log of looks cannot be written ({error.strerror}), and no look is made "
                    "without it; its owner has to see to that"
                ) from error


def append(file: Path, data: bytes) -> None:
    """Appends bytes by one call; a part of them that was written is taken back, and is OSError."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        before = os.fstat(handle).st_size
        if os.write(handle, data) != len(data):
            os.ftruncate(handle, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(handle)
