"""obstore: S3 and what else it knows (https://developmentseed.org/obstore) as `ObjectStore`.

Keys, endpoint and region come from the environment, as obstore reads it: ``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL`` and so on. An object is created with a conditional put (``If-None-Match: *``
of S3), which the server must honour: of two writers one is told that it was too late.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from fewframes.errors import (
    MissingBackendError,
    StaleIndexError,
    StoreAwayError,
    UnreachableStoreError,
)
from fewframes.naming import plain, shown
from fewframes.store.object_store import Listed, ObjectFacts
from fewframes.store.object_store import ObjectStore as AnyObjectStore

if TYPE_CHECKING:
    from obstore.store import ObjectStore

RETRIES = 5
RETRY_SECONDS = 60
PART_BYTES = 8 << 20
BLOCK_BYTES = 8 << 20
PARTS_AT_ONCE = 4
"""Parts of an object in memory while it is put of blocks."""
LIST_ENTRIES = 1000
LOCAL = ("file", "memory")


@dataclass(frozen=True, slots=True)
class ObstoreBackend:
    """The objects below a URL; it can be sent to other processes, which connect anew."""

    url: str

    def __post_init__(self) -> None:
        """Refuses what obstore does not know, before anything is asked of a server."""
        scheme = self.url.split(":")[0]
        if scheme in LOCAL:
            raise ValueError(f"{shown(self.url)!r} is no object store; pass the path of a folder")
        _client(self.url)

    def get(self, key: str) -> bytes:
        """Gives an object."""
        import obstore

        with _translate_errors(self.url):
            return bytes(obstore.get(_client(self.url), key).bytes())

    def size(self, key: str) -> int:
        """Bytes of an object."""
        import obstore

        with _translate_errors(self.url):
            return int(obstore.head(_client(self.url), key)["size"])

    def facts(self, key: str) -> ObjectFacts:
        """Says what an object is, without reading it; FileNotFoundError where there is none."""
        import obstore

        with _translate_errors(self.url):
            meta = obstore.head(_client(self.url), key)
        changed = round(meta["last_modified"].timestamp() * 1e6) * 1000
        return ObjectFacts(int(meta["size"]), changed, meta["e_tag"])

    def blocks(self, key: str, facts: ObjectFacts) -> Iterator[bytes]:
        """Gives an object in blocks; StaleIndexError where it is no longer that of ``facts``."""
        import obstore
        from obstore.exceptions import PreconditionError

        options: Any = {"if_match": facts.etag} if facts.etag else {}
        try:
            with _translate_errors(self.url):
                got = obstore.get(_client(self.url), key, options=options)
                for block in got.stream(min_chunk_size=BLOCK_BYTES):
                    yield bytes(block)
        except PreconditionError as error:
            words = f"{shown(self.url)}/{key!r} was changed while it was fetched; index it again"
            raise StaleIndexError(words) from error

    def tail(self, key: str, count: int) -> tuple[bytes, int]:
        """The last bytes of an object, and its size."""
        size = self.size(key)
        start = max(0, size - count)
        (data,) = self.ranges(key, [(start, size - start)]) if size else (b"",)
        return data, size

    def ranges(self, key: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Gives parts of an object, several requests at once."""
        import obstore

        starts, lengths = [start for start, _ in spans], [length for _, length in spans]
        with _translate_errors(self.url):
            parts = obstore.get_ranges(
                _client(self.url), key, starts=starts, lengths=lengths, coalesce=0
            )
            return [bytes(part) for part in parts]

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Lists all objects below a prefix."""
        import obstore

        now = datetime.now(UTC)
        with _translate_errors(self.url):
            pages = obstore.list(_client(self.url), prefix, chunk_size=LIST_ENTRIES)
            for page in pages:
                for meta in page:
                    age: timedelta = now - meta["last_modified"]
                    yield Listed(meta["path"], meta["size"], age.total_seconds())

    def names(self, prefix: str) -> list[str]:
        """Lists the next parts of the keys below a prefix."""
        import obstore

        with _translate_errors(self.url):
            found = obstore.list_with_delimiter(_client(self.url), prefix or None)
        paths = [*found["common_prefixes"], *(meta["path"] for meta in found["objects"])]
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in paths)

    def create(self, key: str, data: bytes) -> bool:
        """Puts an object where there is none."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            with _translate_errors(self.url, writes=True):
                obstore.put(_client(self.url), key, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def put(self, key: str, data: bytes | Iterator[bytes]) -> None:
        """Puts an object, of blocks as a multipart upload."""
        import obstore

        with _translate_errors(self.url, writes=True):
            obstore.put(
                _client(self.url),
                key,
                data,
                use_multipart=not isinstance(data, bytes),
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    def rename(self, key: str, to: str) -> None:
        """Copies an object on the server and deletes it."""
        import obstore

        with _translate_errors(self.url):
            obstore.rename(_client(self.url), key, to)

    def copies(self, other: AnyObjectStore) -> bool:
        """Whether another prefix is of the same bucket; of a web address nobody knows."""
        mine = _bucket(self.url)
        return mine != "" and isinstance(other, ObstoreBackend) and mine == _bucket(other.url)

    def copy(self, other: AnyObjectStore, key: str, to: str) -> None:
        """Copies an object of another prefix of the bucket on the server."""
        import obstore

        places = (_in_bucket(other.url, key), _in_bucket(self.url, to))
        with _translate_errors(self.url):
            obstore.copy(_client(_bucket(self.url)), *places)

    def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects, a thousand a request."""
        import obstore

        for first in range(0, len(keys), LIST_ENTRIES):
            with _translate_errors(self.url), suppress(FileNotFoundError):
                obstore.delete(_client(self.url), list(keys[first : first + LIST_ENTRIES]))


def _bucket(url: str) -> str:
    """The URL of a whole bucket; nothing for a web address, whose path may name it or not."""
    scheme, _, rest = url.partition("://")
    return "" if scheme.startswith("http") else f"{scheme}://{rest.split('/')[0]}"


def _in_bucket(url: str, key: str) -> str:
    """The key of an object in its bucket, by its key below a URL."""
    prefix = getattr(_client(url), "prefix", None)
    return f"{prefix}/{key}" if prefix else key


def _client(url: str) -> "ObjectStore":
    """The connection of this process.

    obstore's threads do not live on in a fork: a request there would wait for ever.
    """
    if _owner() != os.getpid():
        raise UnreachableStoreError(
            f"{shown(url)!r} cannot be reached from a fork of a process that has used obstore; "
            "start processes by 'spawn' (in PyTorch, multiprocessing_context='spawn')"
        )
    return _connected(url)


@cache
def _owner() -> int:
    """The process that has first used obstore."""
    return os.getpid()


@cache
def _connected(url: str) -> "ObjectStore":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise MissingBackendError(
            f"{shown(url)!r} needs obstore, which is not installed; pip install 'fewframes[s3]'"
        ) from error
    retry: Any = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    plain: Any = {"client_options": {"allow_http": True}} if url.startswith("http:") else {}
    try:
        return from_url(url, retry_config=retry, **plain)
    except BaseError as error:
        raise ValueError(f"{shown(url)!r} is no URL of an object store: {_line(error)}") from error


@contextmanager
def _translate_errors(url: str, *, writes: bool = False) -> Iterator[None]:
    """Turns what obstore raises into this package's own errors."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except (FileNotFoundError, BaseError) as error:
        if "NoSuchBucket" in str(error):
            words = f"{shown(url)!r} names a bucket that does not exist; make it first"
            raise UnreachableStoreError(words) from error
        if isinstance(error, FileNotFoundError) and not writes:
            raise FileNotFoundError(_line(error)) from error
        if " 416 " in _line(error):
            raise OSError(errno.EIO, "it ends too early") from error
        kind = UnreachableStoreError if _is_refusal(error) else StoreAwayError
        raise kind(f"{shown(url)!r} cannot be reached: {_line(error)}") from error


def _is_refusal(error: Exception) -> bool:
    """Whether the server has answered, and asking again would change nothing."""
    from obstore import exceptions

    kinds = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
    return isinstance(error, kinds)


def _line(error: Exception) -> str:
    """The first line of what obstore says; the others are for its own makers."""
    return plain(str(error).strip().split("\n")[0].strip())
