"""ObjectStore: what a store needs of a library that reaches objects.

`fewframes.bindings.obstore` keeps this for S3, Google, Azure and HTTP.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol


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
