"""ObjectStore: the protocol of an object store, and the files of a group in one.

`ObjectStore` is the seam: `fewframes.bindings.obstore` keeps it for S3, Google, Azure and HTTP.
"""

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from fewframes.arrays import U8
from fewframes.store.backend import OpenFile
from fewframes.store.untrusted import MOST_RECORD_BYTES

CONCURRENCY = 8
"""Concurrent requests, or groups of them: latency exceeds transfer time."""
SPANS_TOGETHER = 8
"""Spans of one object that are fetched together; a span is at most a run of a shard."""
BLOCK_BYTES = 8 << 20
"""What is asked for at a time where an object is read from end to end."""


class Listed(NamedTuple):
    """An object in a list."""

    key: str
    size: int
    age_seconds: float
    """Since it was put, by this machine's clock."""


class ObjectFacts(NamedTuple):
    """What a server says of an object."""

    size: int
    changed_ns: int
    """When it was put, in nanoseconds since 1970; servers give whole seconds."""
    etag: str | None
    """Names this version of it, where the server has such names."""


class ObjectStore(Protocol):
    """The objects below one prefix, by their keys below it; keys are parts joined by "/".

    Every call raises `UnreachableStoreError` where the object store does not answer or refuses.
    """

    @property
    def url(self) -> str:
        """The prefix as it was given."""
        ...

    def get(self, key: str) -> bytes:
        """Gives an object; FileNotFoundError where there is none."""
        ...

    def size(self, key: str) -> int:
        """Bytes of an object; FileNotFoundError where there is none."""
        ...

    def tail(self, key: str, count: int) -> tuple[bytes, int]:
        """The last bytes of an object, and its size; FileNotFoundError where there is none."""
        ...

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Gives parts (start, length) of an object, asked for together; fewer bytes at its end."""
        ...

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Lists all objects below a prefix, in bounded memory."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Lists the next parts of the keys below a prefix, sorted."""
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Puts an object where there is none, in one step; False where there is one."""
        ...

    def put(self, key: str, data: bytes | Iterator[bytes]) -> None:
        """Puts an object whole, or of blocks in bounded memory; it appears when all are put."""
        ...

    def rename(self, key: str, to: str) -> None:
        """Copies an object on the server and deletes it; FileNotFoundError for a missing one."""
        ...

    def copies(self, other: "ObjectStore") -> bool:
        """Whether the server copies objects of another prefix, which `copy` then does."""
        ...

    def copy(self, other: "ObjectStore", key: str, to: str) -> None:
        """Copies an object of another prefix; FileNotFoundError for a missing one."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects; those that are not there are passed over."""
        ...


class _Fetched:
    """An object of which spans are fetched some together, in the order they are read."""

    def __init__(self, objects: ObjectStore, key: str, spans: Iterable[tuple[int, int]]) -> None:
        self._objects, self._key, self._spans = objects, key, iter(spans)
        self._there: dict[int, bytes] = {}

    def pread(self, length: int, start: int) -> bytes:
        """Gives a span; fetches the next ones where it is not there yet."""
        if start not in self._there:
            spans = list(islice(self._spans, SPANS_TOGETHER))
            if not spans:
                raise OSError(errno.EINVAL, f"bytes from {start} were not announced")
            parts = self._objects.ranges(self._key, spans)
            self._there = {at: part for (at, _), part in zip(spans, parts, strict=True)}
        return self._there.pop(start)[:length]

    def preadv(self, out: U8, tail: bytearray, start: int) -> int:
        """Copies a span into ``out`` and ``tail``."""
        view = out.data.cast("B")
        data = self.pread(len(view) + len(tail), start)
        if len(data) == len(view) + len(tail):
            view[:], tail[:] = data[: len(view)], data[len(view) :]
        return len(data)


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects below a prefix, as `GroupFiles`."""

    objects: ObjectStore
    prefix: str
    concurrency: int = CONCURRENCY

    @property
    def path(self) -> PurePosixPath:
        """Where they are, for messages."""
        return PurePosixPath(self.prefix)

    def __truediv__(self, path: str) -> "Objects":
        return Objects(self.objects, f"{self.prefix}/{path}")

    def read(self, path: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads a whole object; OSError for a larger one than that."""
        return whole_object(self.objects, f"{self.prefix}/{path}", most_bytes)

    def size(self, path: str) -> int:
        """Bytes of an object."""
        return self.objects.size(f"{self.prefix}/{path}")

    def tail(self, path: str, count: int) -> tuple[bytes, int]:
        """The last bytes of an object, and its size."""
        return self.objects.tail(f"{self.prefix}/{path}", count)

    def digest(self, path: str) -> str:
        """The xxh3-128 of an object, read in blocks."""
        import xxhash

        digest = xxhash.xxh3_128()
        for block in self._blocks(path):
            digest.update(block)
        return digest.hexdigest()

    def fetch(self, path: str, to: Path) -> bool:
        """Writes an object to a new file, read in blocks."""
        with to.open("xb") as out:
            out.writelines(self._blocks(path))
        return False

    @contextmanager
    def open(self, path: str, spans: Iterable[tuple[int, int]]) -> Iterator[OpenFile]:
        """Opens an object; its spans are fetched some together when the first is read."""
        yield _Fetched(self.objects, f"{self.prefix}/{path}", spans)

    def _blocks(self, path: str) -> Iterator[bytes]:
        key = f"{self.prefix}/{path}"
        for start in range(0, self.objects.size(key), BLOCK_BYTES):
            yield from self.objects.ranges(key, [(start, BLOCK_BYTES)])


def whole_object(objects: ObjectStore, key: str, most_bytes: int) -> bytes:
    """Gives an object; OSError for a larger one than that."""
    data = objects.get(key)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has {len(data)} bytes, more than {most_bytes}", key)
    return data
