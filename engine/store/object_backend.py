"""ObjectStoreBackend: the files of a store at a URL, as objects.

An object appears whole, by one put. Unfinished work lies in the user's cache folder; an empty
object below ``.attempts`` makes it known to other machines. What has given no sign for a day, by
the server's clock, is dead; a writer that was asleep for hours gives up before that.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewframes.errors import StaleIndexError
from fewframes.media.timeline_cache import cache_home
from fewframes.naming import shown
from fewframes.store.backend import GroupFiles
from fewframes.store.object_store import Objects, ObjectStore, whole_object
from fewframes.store.staging import ATTEMPTS, Staging
from fewframes.store.untrusted import MOST_RECORD_BYTES

WHOLE_BYTES = 8 << 20
"""A larger file is read while it is put."""
READ_BYTES = 1 << 20
UPLOADS = "uploads"
"""Below the cache folder: where groups are written before they are put."""
OLD_SECONDS = 24 * 3600.0
"""An attempt is taken for dead so long after its last sign."""
SIGN_SECONDS = OLD_SECONDS / 48
"""A writer that is still at work says so this often."""
ASLEEP_SECONDS = OLD_SECONDS / 4
"""A writer that has waited for one put so long gives up: its files may be swept."""


@dataclass(frozen=True, slots=True)
class ObjectStoreBackend:
    """The files of a store at a URL; see `StoreBackend`."""

    objects: ObjectStore

    @property
    def name(self) -> str:
        """The URL, without what is secret in it."""
        return shown(self.objects.url)

    @property
    def is_remote(self) -> bool:
        """Files are made on this machine, and put when they are whole."""
        return True

    @property
    def workspace(self) -> Path:
        """A folder below the user's cache, which is made here."""
        home = cache_home() / UPLOADS
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return home

    def files(self, prefix: str) -> Objects:
        """The objects of a group."""
        return Objects(self.objects, prefix)

    def read(self, key: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads an object."""
        return whole_object(self.objects, key, most_bytes)

    def buffer(self, key: str, *, most_bytes: int) -> Any:  # noqa: ANN401 (a pyarrow.Buffer)
        """Reads an object."""
        import pyarrow as pa

        return pa.py_buffer(whole_object(self.objects, key, most_bytes))

    def names(self, prefix: str) -> list[str]:
        """Lists the next parts of keys, in one request a thousand."""
        return self.objects.names(prefix)

    def named(self, prefix: str, name: str) -> Iterator[str]:
        """Lists all below a prefix for those of this name, two parts below."""
        depth = prefix.count("/") + 3
        for entry in self.objects.listed(prefix):
            if entry.key.count("/") == depth and entry.key.endswith(f"/{name}"):
                yield entry.key

    def create(self, key: str, data: bytes) -> bool:
        """Puts an object if there is none: a conditional put."""
        return self.objects.create(key, data)

    def put(self, key: str, data: bytes) -> None:
        """Puts an object."""
        self.objects.put(key, data)

    def rename(self, key: str, to: str) -> None:
        """Copies an object on its server, and deletes it."""
        self.objects.rename(key, to)

    def adopt(
        self,
        folder: Path,
        prefix: str,
        paths: Sequence[str],
        report_progress: Callable[[], None],
    ) -> None:
        """Puts files, for every MiB of a large one with a sign of life.

        Raises:
            StaleIndexError: This process was asleep for hours, and gives up.
        """
        last_sign = time.time()
        for path in paths:
            self.objects.put(f"{prefix}/{path}", _content(folder / path, report_progress))
            if (idle_seconds := time.time() - last_sign) > ASLEEP_SECONDS:
                raise StaleIndexError(f"{path} was not put into {self.name!r} for hours; try again")
            if idle_seconds > SIGN_SECONDS:
                self.objects.put(f"{ATTEMPTS}/{folder.name}", b"")
                last_sign = time.time()

    def copier(self, source: GroupFiles) -> Callable[[str, str], None] | None:
        """Copies on the server what lies in the same bucket."""
        if not isinstance(source, Objects) or not self.objects.copies(source.objects):
            return None
        return lambda path, key: self.objects.copy(source.objects, f"{source.prefix}/{path}", key)

    def delete(self, *keys: str) -> None:
        """Deletes objects."""
        self.objects.delete(keys)

    def delete_below(self, prefix: str) -> None:
        """Lists objects and deletes them, and one that is called so itself."""
        self.objects.delete([prefix, *(entry.key for entry in self.objects.listed(prefix))])

    def begin(self, staging: Staging) -> None:
        """Puts an empty object named as the attempt."""
        self.objects.put(f"{ATTEMPTS}/{staging.name}", b"")

    def end(self, attempt: str) -> None:
        """Deletes it."""
        self.objects.delete([f"{ATTEMPTS}/{attempt}"])

    def dead_attempts(self) -> Iterator[str]:
        """Names those that were begun long ago, by the server's clock."""
        there = list(self.objects.listed(ATTEMPTS))
        if all(entry.age_seconds <= OLD_SECONDS for entry in there):
            return
        now = self._server_delay()
        for entry in there:
            if entry.age_seconds - now > OLD_SECONDS:
                yield entry.key.rsplit("/", 1)[-1]

    def is_over(self, attempt: str) -> bool:
        """Whether there is no object of this name."""
        try:
            self.objects.size(f"{ATTEMPTS}/{attempt}")
        except FileNotFoundError:
            return True
        return False

    def check_unlinked(self, names: Iterable[str]) -> None:
        """Objects are no links."""

    def check_writable(self) -> None:
        """The mark of an attempt has been put: that is enough."""

    def _server_delay(self) -> float:
        """How old an object seems that is put now: what this machine's clock is ahead."""
        clock = f"{ATTEMPTS}/{uuid.uuid4().hex}"
        self.objects.put(clock, b"")
        there = self.objects.listed(ATTEMPTS)
        ages = [entry.age_seconds for entry in there if entry.key == clock]
        self.objects.delete([clock])
        return min(ages, default=0.0)


def _content(file: Path, report_progress: Callable[[], None]) -> bytes | Iterator[bytes]:
    """A small file whole, a large one in blocks."""
    report_progress()
    if file.stat().st_size <= WHOLE_BYTES:
        return file.read_bytes()
    return _blocks(file, report_progress)


def _blocks(file: Path, report_progress: Callable[[], None]) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(READ_BYTES):
            yield block
            report_progress()
