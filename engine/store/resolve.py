"""Resolve: a path or a URL to the files of the store there."""

import re
from pathlib import Path
from typing import TypeAlias

from fewframes.plugins import plugin
from fewframes.store.backend import StoreBackend
from fewframes.store.folder import FolderStore
from fewframes.store.object_backend import ObjectStoreBackend

AnyStore: TypeAlias = str | Path | StoreBackend
"""How functions take a store: its folder, its URL as text, or its files."""


def resolve_store(where: AnyStore) -> StoreBackend:
    """Gives the files of a store, by the path of its folder or by its URL.

    Raises:
        ValueError: The URL is of no kind that is known, or was made a Path, which spoils it.
        MissingBackendError: obstore is not installed.

    >>> resolve_store("corpus.zarr").name
    'corpus.zarr'
    >>> resolve_store(Path("s3://bucket/corpus"))
    Traceback (most recent call last):
    ValueError: 's3:/bucket/corpus' was a URL before it was made a Path; pass it as text
    """
    if isinstance(where, str):
        if not is_url(where):
            return resolve_store(Path(where))
        return ObjectStoreBackend(plugin("object_store")(where))
    if not isinstance(where, Path):
        return where
    if re.fullmatch("[a-z][a-z0-9+.-]+:", where.parts[0] if where.parts else ""):
        raise ValueError(f"{str(where)!r} was a URL before it was made a Path; pass it as text")
    return FolderStore(where.absolute())


def is_url(where: str) -> bool:
    """Says whether a text is a URL.

    >>> is_url("s3://bucket/corpus"), is_url("./corpus.zarr")
    (True, False)
    """
    return re.match("[a-z][a-z0-9+.-]+://", where) is not None
