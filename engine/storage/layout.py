"""Layout: where does what lie in a store?

::

    STORE/fewframes-store.json            says that this folder is a store, and its version
    STORE/videos/<quoted id>/<key>/       one immutable group for a video, its recipe and its source
    STORE/videos/<quoted id>/<key>.<model>/   vectors of its pictures, one sidecar a model
    STORE/.attempts/<uuid>/               unfinished work, and what is about to be removed
    STORE/.parts/<quoted id>/             what is done of long films that are not published yet
    STORE/quarantine/                     which films crashed or hung twice, and are passed over
    STORE/catalogue/                      a cache of the list of videos, and notes of changes to it

A group appears under ``videos`` complete, by one rename, and never changes.
"""

import json
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from fewframes.errors import CorruptStoreError
from fewframes.storage.attempts import Attempt, flush_one
from fewframes.storage.recipes import FORMAT_VERSION

MARK = "fewframes-store.json"
FORMAT = "fewframes store"
OWN_NAMES = {MARK, "videos", ".attempts", ".parts", "catalogue", "quarantine"}
LONGEST_NAME = 255
"""Bytes that file systems take for the name of a folder."""


def create_store(store: Path) -> None:
    """Makes a folder a store; one that is a store already is left as it is.

    Raises:
        ValueError: The folder holds other things, or a store of a newer version.
    """
    if (store / MARK).exists():
        check_store(store)
        return
    store.mkdir(parents=True, exist_ok=True)
    others = sorted({entry.name for entry in store.iterdir()} - OWN_NAMES)
    if others:
        raise ValueError(
            f"{store.name!r} is no store and holds other files ({others[0]!r}); pass a new folder"
        )
    (store / "videos").mkdir(exist_ok=True)
    (store / ".attempts").mkdir(exist_ok=True)
    with Attempt(store) as attempt:
        draft = attempt.folder / MARK
        draft.write_bytes(mark_bytes(FORMAT_VERSION))
        flush_one(draft)
        draft.replace(store / MARK)
    flush_one(store)
    flush_one(store.parent)


def check_store(store: Path) -> None:
    """Refuses what is no store, or one of a newer version.

    Raises:
        FileNotFoundError: The folder is not there, or is no store.
        ValueError: A newer version of fewframes has written the store.
        CorruptStoreError: The file that marks it as a store is damaged.
    """
    try:
        data = (store / MARK).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"{store.name!r} is not a store (it has no {MARK}); make one with 'fewframes index'"
        ) from None
    check_mark(store.name, data)


def check_mark(name: str, data: bytes) -> None:
    """Refuses a mark that is damaged or of a newer version; ``name`` is the store's."""
    try:
        mark = json.loads(data)
        version = int(mark["version"]) if mark["format"] == FORMAT else 0
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptStoreError(f"{name}/{MARK} is damaged") from error
    check_version(f"store {name!r}", version)
    if version < 1 or data != mark_bytes(version):
        raise CorruptStoreError(f"{name}/{MARK} does not say '{FORMAT}'")


def check_version(what: str, version: int) -> None:
    """Refuses with a ValueError what a newer version of fewframes has written.

    >>> check_version("store 'corpus.zarr'", 99)
    Traceback (most recent call last):
    ValueError: store 'corpus.zarr' has format version 99, but this fewframes reads up to 1; ...
    """
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{what} has format version {version}, but this fewframes reads up to "
            f"{FORMAT_VERSION}; pip install -U fewframes"
        )


def mark_bytes(version: int) -> bytes:
    """Gives what the file says that marks a store."""
    return json.dumps({"format": FORMAT, "version": version}).encode("ascii") + b"\n"


def folder_name(video_id: str) -> str:
    """Gives the name of a video's folder: its id, percent-quoted.

    >>> folder_name("day 1/case_07"), folder_name("..")
    ('day%201%2Fcase_07', '%2E.')
    >>> folder_name("")
    Traceback (most recent call last):
    ValueError: a video id must not be empty
    """
    if not video_id:
        raise ValueError("a video id must not be empty")
    name = quote(video_id.encode("utf-8", "surrogateescape"), safe="")
    name = f"%2E{name[1:]}" if name.startswith(".") else name
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"video id {video_id!r} takes {len(name)} bytes as a quoted folder name, but "
            f"{LONGEST_NAME} is the most; give it a shorter id"
        )
    return name


def video_id_of(name: str) -> str:
    """Gives the id of a video from the name of its folder.

    >>> video_id_of("day%201%2Fcase_07")
    'day 1/case_07'
    """
    return unquote_to_bytes(name).decode("utf-8", "surrogateescape")


def groups_of(store: Path, video_id: str) -> list[Path]:
    """Lists the groups of a video, one a recipe and source; empty where there is none."""
    try:
        folder = store / "videos" / folder_name(video_id)
        return sorted(p for p in folder.iterdir() if p.is_dir() and "." not in p.name)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []


def orphans_beside(group: Path) -> list[Path]:
    """Lists the sidecars in a group's folder whose own group is gone: a killed process's."""
    try:
        names = {path.name: path for path in group.parent.iterdir() if path.is_dir()}
    except FileNotFoundError:
        return []
    return [p for name, p in names.items() if "." in name and name.split(".")[0] not in names]


def sidecar_folders(group: Path) -> list[Path]:
    """Lists the sidecars beside a group: folders named like it, a dot and the key of a model."""
    try:
        beside = list(group.parent.iterdir())
    except FileNotFoundError:
        return []
    return sorted(path for path in beside if path.name.startswith(f"{group.name}."))
