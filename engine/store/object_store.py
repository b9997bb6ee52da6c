"""ObjectStore: the protocol of an object store, and the files of a group in one.

`ObjectStore` is the seam: `fewframes.bindings.obstore` keeps it for S3, Google, Azure and HTTP.
"""

import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from fewframes.arrays import U8
from fewframes.plugins import plugin
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
class ObjectPlace:
    """The objects of a group, as files below it; see `GroupBackend`."""

    objects: ObjectStore
    prefix: str
    """Where the files are, below the store's prefix."""
    path: PurePosixPath
    """Where the group is, for messages; its name is the group's key."""
    concurrency: int = CONCURRENCY

    def __truediv__(self, path: str) -> "ObjectPlace":
        return ObjectPlace(self.objects, f"{self.prefix}/{path}", self.path / path)

    def read(self, path: str, *, most_bytes: int = MOST_RECORD_BYTES) -> bytes:
        """Reads a whole object; OSError for a larger one than that."""
        data = self.objects.get(f"{self.prefix}/{path}")
        if len(data) > most_bytes:
            raise OSError(errno.EFBIG, f"it has {len(data)} bytes, more than {most_bytes}", path)
        return data

    def size(self, path: str) -> int:
        """Bytes of an object."""
        return self.objects.size(f"{self.prefix}/{path}")

    def tail(self, path: str, count: int) -> tuple[bytes, int]:
        """The last bytes of an object, and its size."""
        return self.objects.tail(f"{self.prefix}/{path}", count)

    def digest(self, path: str) -> str:
        """The xxh3-128 of an object, read in blocks."""
        import xxhash

        digest, key = xxhash.xxh3_128(), f"{self.prefix}/{path}"
        for start in range(0, self.objects.size(key), BLOCK_BYTES):
            (block,) = self.objects.ranges(key, [(start, BLOCK_BYTES)])
            digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def open(self, path: str, spans: Iterable[tuple[int, int]]) -> Iterator[OpenFile]:
        """Opens an object; its spans are fetched some together when the first is read."""
        yield _Fetched(self.objects, f"{self.prefix}/{path}", spans)


def resolve_store(where: "str | Path | ObjectStore") -> "Path | ObjectStore":
    """Gives the folder of a store, or for a URL its objects.

    Raises:
        ValueError: The URL is of no kind that is known, or was made a Path, which spoils it.
        MissingBackendError: obstore is not installed.

    >>> resolve_store("corpus.zarr").name
    'corpus.zarr'
    >>> resolve_store(Path("s3://bucket/corpus"))
    Traceback (most recent call last):
    ValueError: 's3:/bucket/corpus' was a URL before it was made a Path; pass it as text
    """
    if isinstance(where, Path):
        if re.fullmatch("[a-z][a-z0-9+.-]+:", where.parts[0] if where.parts else ""):
            raise ValueError(f"{str(where)!r} was a URL before it was made a Path; pass it as text")
        return where
    if not isinstance(where, str):
        return where
    if not is_url(where):
        return Path(where)
    found: ObjectStore = plugin("object_store")(where)
    return found


def is_url(where: str) -> bool:
    """Says whether a text is a URL.

    >>> is_url("s3://bucket/corpus"), is_url("./corpus.zarr")
    (True, False)
    """
    return re.match("[a-z][a-z0-9+.-]+://", where) is not None


def shown(store: Path | ObjectStore) -> str:
    """Says which store it is: the name of a folder, or a URL."""
    return store.name if isinstance(store, Path) else store.url
