"""Marker: the file that says that a folder or prefix is a store, and of which version."""

import json
from fnmatch import fnmatchcase

from fewframes.errors import CorruptStoreError
from fewframes.store.backend import StoreBackend
from fewframes.store.layout import LAYOUT_VERSION, MARKER, OWN_NAMES, STRAYS
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.untrusted import load_json

FORMAT = "fewframes store"


def create_store(where: AnyStore) -> StoreBackend:
    """Makes a folder or a prefix a store; one that is a store already is left as it is.

    Raises:
        ValueError: There are other things, or a store of another version, or the server does not
            honour conditional puts.
        CorruptStoreError: One of the folders that a store has is a link.
    """
    store = resolve_store(where)
    try:
        check_store(store)
    except FileNotFoundError:
        _check_empty(store)
        store.create(MARKER, mark_bytes(LAYOUT_VERSION))
        check_store(store)
        if store.create(MARKER, mark_bytes(LAYOUT_VERSION)):
            raise ValueError(
                f"{store.name!r} overwrites what is there in spite of 'If-None-Match: *', so that "
                "two writers could harm each other; use a server that honours conditional puts"
            ) from None
    return store


def check_store(store: StoreBackend) -> None:
    """Refuses what is no store, or one of another version.

    Raises:
        FileNotFoundError: There is nothing, or no store.
        ValueError: Another version of fewframes has written the store.
        CorruptStoreError: The file that marks it as a store is damaged, or one of its folders is a
            link.
    """
    version = layout_version(store)
    if version < LAYOUT_VERSION:
        raise ValueError(
            f"store {store.name!r} has format version {version}, and this fewframes reads "
            f"{LAYOUT_VERSION}; bring it up to date with 'fewframes migrate', which decodes nothing"
        )


def layout_version(store: StoreBackend) -> int:
    """Gives the version of a store's layout; raises as `check_store` does, but for an older one."""
    store.check_unlinked(OWN_NAMES)
    try:
        data = store.read(MARKER)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{store.name!r} is not a store (it has no {MARKER}); make one with 'fewframes index'"
        ) from None
    try:
        mark = load_json(data)
        version = int(mark["version"]) if mark["format"] == FORMAT else 0
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptStoreError(f"{store.name}/{MARKER} is damaged") from error
    if version < 1 or data != mark_bytes(version):
        raise CorruptStoreError(f"{store.name}/{MARKER} does not say '{FORMAT}'")
    check_version(f"store {store.name!r}", version, LAYOUT_VERSION)
    return version


def check_version(what: str, version: int, newest: int) -> None:
    """Refuses with a ValueError what a newer version of fewframes has written.

    >>> check_version("store 'corpus.zarr'", 99, 2)
    Traceback (most recent call last):
    ValueError: store 'corpus.zarr' has format version 99, but this fewframes reads up to 2; ...
    """
    if version > newest:
        raise ValueError(
            f"{what} has format version {version}, but this fewframes reads up to {newest}; "
            "pip install -U fewframes"
        )


def mark_bytes(version: int) -> bytes:
    """Gives what the file says that marks a store."""
    return json.dumps({"format": FORMAT, "version": version}).encode("ascii") + b"\n"


def _check_empty(store: StoreBackend) -> None:
    """Refuses a place that holds other things than what a store or a desktop leaves there."""
    names = [name for name in store.names("") if name not in OWN_NAMES]
    others = [name for name in names if not any(fnmatchcase(name, stray) for stray in STRAYS)]
    if others:
        raise ValueError(
            f"{store.name!r} is no store and holds other files ({others[0]!r}); pass a new place"
        )
