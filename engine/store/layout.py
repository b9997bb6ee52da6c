"""Layout: names the folders and files of a store.

::

    STORE/fewframes-store.json            says that this folder is a store, and its version
    STORE/videos/<quoted id>/<key>/       one immutable group for a video, its recipe and its source
    STORE/videos/<quoted id>/<key>.<model>/   vectors of its pictures, one sidecar a model
    STORE/videos/<quoted id>/current.json     which group is current, if not the newest
    STORE/.attempts/<uuid>/               unfinished work, and what is about to be removed
    STORE/.parts/<quoted id>/             what is done of long films that are not published yet
    STORE/quarantine/                     which films crashed or hung twice, and are passed over
    STORE/catalogue/                      a cache of the list of videos, and notes of changes to it

A group appears under ``videos`` complete, by one rename, and never changes. The quoted id of a name
in another script can be longer than a file system takes; it is cut, and a hash of the id added. The
id of such a folder is in the records of its groups, and is believed if it leads to that folder.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from fewframes.atomic import flush, write_atomic
from fewframes.errors import CorruptStoreError
from fewframes.store.gc import PARTS, QUARANTINE
from fewframes.store.recipes import FORMAT_VERSION
from fewframes.store.staging import ATTEMPTS, Staging
from fewframes.store.untrusted import check_not_linked, is_link, load_json, read_regular

MARKER = "fewframes-store.json"
VIDEOS = "videos"
FORMAT = "fewframes store"
CATALOGUE = "catalogue"
NOTES, LOCK = f"{CATALOGUE}/notes", f"{CATALOGUE}/lock"
"""Where notes of changes lie, and what those who compact the catalogue lock."""
OWN_NAMES = {MARKER, VIDEOS, ATTEMPTS, PARTS, CATALOGUE, QUARANTINE}
OWN_PATHS = (*sorted(OWN_NAMES), NOTES, LOCK)
"""What a store has of its own, which is nowhere a link."""
STRAYS = (
    *(".nfs*", ".DS_Store", "._*", ".Trash-*", "Thumbs.db", "desktop.ini", "lost+found"),
    *("*~", "#*#", ".*.sw?"),
)
"""Names that file systems, desktops and editors put anywhere: a folder with no others is new."""
GROUP = re.compile("[0-9a-f]{16}")
SIDECAR = re.compile("[0-9a-f]{16}[.][0-9a-f]{16}")
LINKED = "0" * 16
"""Stands for the groups of a video whose folder is a link, which is not looked into."""
LONGEST_NAME = 255
"""Bytes that file systems take for the name of a folder."""


def create_store(store: Path) -> None:
    """Makes a folder a store; one that is a store already is left as it is.

    Raises:
        ValueError: The folder holds other things, or a store of a newer version.
        CorruptStoreError: One of the folders that a store has is a link.
    """
    check_own_paths(store)
    if (store / MARKER).exists():
        check_store(store)
        return
    store.mkdir(parents=True, exist_ok=True)
    names = sorted({entry.name for entry in store.iterdir()} - OWN_NAMES)
    others = [name for name in names if not any(fnmatchcase(name, stray) for stray in STRAYS)]
    if others:
        raise ValueError(
            f"{store.name!r} is no store and holds other files ({others[0]!r}); pass a new folder"
        )
    (store / VIDEOS).mkdir(exist_ok=True)
    (store / ATTEMPTS).mkdir(exist_ok=True)
    with Staging(store) as staging:
        mark, draft = mark_bytes(FORMAT_VERSION), staging.folder / MARKER
        write_atomic(store / MARKER, mark, draft=draft, is_durable=True)
    flush(store.parent)


def check_store(store: Path) -> None:
    """Refuses what is no store, or one of a newer version.

    Raises:
        FileNotFoundError: The folder is not there, or is no store.
        ValueError: A newer version of fewframes has written the store.
        CorruptStoreError: The file that marks it as a store is damaged, or one of its folders is a
            link.
    """
    check_own_paths(store)
    try:
        data = read_regular(store / MARKER)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"{store.name!r} is not a store (it has no {MARKER}); make one with 'fewframes index'"
        ) from None
    check_mark(store.name, data)


def check_own_paths(store: Path) -> None:
    """Refuses with a CorruptStoreError a store of which a folder or file of its own is a link."""
    for name in OWN_PATHS:
        if is_link(f"{store}/{name}"):
            check_not_linked(store / name)


def check_mark(name: str, data: bytes) -> None:
    """Refuses a mark that is damaged or of a newer version; ``name`` is the store's."""
    try:
        mark = load_json(data)
        version = int(mark["version"]) if mark["format"] == FORMAT else 0
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptStoreError(f"{name}/{MARKER} is damaged") from error
    check_version(f"store {name!r}", version)
    if version < 1 or data != mark_bytes(version):
        raise CorruptStoreError(f"{name}/{MARKER} does not say '{FORMAT}'")


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


def quoted(video_id: str) -> str:
    """Quotes an id by percent signs, in full.

    >>> quoted("day 1/case_07"), quoted("..")
    ('day%201%2Fcase_07', '%2E.')
    >>> quoted("")
    Traceback (most recent call last):
    ValueError: a video id must not be empty
    """
    if not video_id:
        raise ValueError("a video id must not be empty")
    name = quote(video_id.encode("utf-8", "surrogateescape"), safe="")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def folder_name(video_id: str, *, spare_bytes: int = 0) -> str:
    """Names a video's folder: its quoted id, cut where a suffix of so many bytes would not fit.

    >>> folder_name("day 1/case_07"), len(folder_name("手" * 80))
    ('day%201%2Fcase_07', 255)
    >>> folder_name("手" * 80)[210:]
    '%89%8B%E6%89!2233583781d9c37655cffcc64536c67c'
    """
    import xxhash

    name, longest = quoted(video_id), LONGEST_NAME - spare_bytes
    if len(name) <= longest:
        return name
    if is_cut(video_id) and not spare_bytes:  # a folder whose records have all lost the id
        return video_id
    digest = xxhash.xxh3_128_hexdigest(video_id.encode("utf-8", "surrogateescape"))
    kept = re.sub("%.?$", "", name[: longest - len(digest) - 1])
    return kept.ljust(longest - len(digest), "!") + digest


def is_cut(name: str) -> bool:
    """Whether a folder's name is a cut one, which no quoted id is: they have no ``!``."""
    is_like_one = re.fullmatch(r"[\w.~%-]+!{1,3}[0-9a-f]{32}", name, re.ASCII) is not None
    return is_like_one and len(name) == LONGEST_NAME


def is_folder_name(name: str) -> bool:
    """Whether `folder_name` gives such a name for some id; editors and desktops give others.

    >>> is_folder_name("film"), is_folder_name(".DS_Store"), is_folder_name("#film#")
    (True, False, False)
    """
    return is_cut(name) or (name != "" and quoted(unquoted(name)) == name)


def unquoted(name: str) -> str:
    """Gives the id that was quoted.

    >>> unquoted("day%201%2Fcase_07")
    'day 1/case_07'
    """
    return unquote_to_bytes(name).decode("utf-8", "surrogateescape")


def video_id_of(name: str, records: Iterable[bytes | None]) -> str:
    """Gives the id of a video by the name of its folder, or by the records there if that is cut.

    Where no record has the id, which is damage, the cut name stands for it.

    >>> video_id_of("day%201%2Fcase_07", [])
    'day 1/case_07'
    >>> long = "手" * 80
    >>> video_id_of(folder_name(long), [b"", json.dumps({"id": long}).encode()]) == long
    True
    """
    if not is_cut(name):
        return unquoted(name)
    found = (_id_in(data, name) for data in records)
    return next((video_id for video_id in found if video_id), name)


def video_id_in(folder: Path) -> str:
    """Gives the id of the video that has this folder below ``videos``."""
    return video_id_of(folder.name, _records_in(folder))


def _records_in(folder: Path) -> Iterator[bytes]:
    """The files of a video's groups and sidecars that hold its id."""
    groups = [group for group in _folders_in(folder) if not is_link(group)]
    for name in ("commit.json", "zarr.json"):
        for group in groups:
            with suppress(OSError):  # the group is being removed, or is none
                yield read_regular(group / name)


def _id_in(data: bytes | None, name: str) -> str:
    """The id in a record, or in the facts of a Zarr group, if it leads to a folder of this name."""
    try:
        record = load_json(data or b"")
        facts = record.get("attributes", {}).get("fewframes", record)
        return str(facts["id"]) if folder_name(facts["id"]) == name else ""
    except (ValueError, TypeError, KeyError, AttributeError):  # it is damaged
        return ""


def groups_of(store: Path, video_id: str) -> list[Path]:
    """Lists the groups of a video, one a recipe and source; empty where there is none."""
    try:
        folder = os.path.join(store, VIDEOS, folder_name(video_id))  # noqa: PTH118 (a text is quick)
    except ValueError:
        return []
    if is_link(folder):
        return [Path(folder, LINKED)]
    return [Path(f"{folder}/{name}") for name in _names_of_folders(folder) if GROUP.fullmatch(name)]


def orphans_beside(group: Path) -> list[Path]:
    """Lists the sidecars in a group's folder whose own group is gone: a killed process's."""
    found = _folders_in(group.parent)
    groups = {path.name for path in found if GROUP.fullmatch(path.name)}
    return [path for path in found if _is_sidecar(path) and path.stem not in groups]


def sidecar_folders(group: Path) -> list[Path]:
    """Lists the sidecars beside a group: folders named like it, a dot and the key of a model."""
    found = _folders_in(group.parent)
    return [path for path in found if _is_sidecar(path) and path.stem == group.name]


def _is_sidecar(path: Path) -> bool:
    return SIDECAR.fullmatch(path.name) is not None


def _folders_in(folder: Path) -> list[Path]:
    """The folders in one, and the links, which are none of ours and are refused when used."""
    return [folder / name for name in _names_of_folders(folder)]


def _names_of_folders(folder: str | Path) -> list[str]:
    """The names of these, sorted."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False) or e.is_symlink()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(names)
