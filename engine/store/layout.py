"""Layout: names the files and folders of a store, on a disk or at a URL.

::

    STORE/fewframes-store.json                    says that this is a store, and its version
    STORE/videos/<quoted id>/<key>/commit.json    the record of a group; without it none is there
    STORE/videos/<quoted id>/<key>/<attempt>/…    the files that the record names
    STORE/videos/<quoted id>/<key>.<key>/…        what was made of its pictures, in the same way
    STORE/videos/<quoted id>/current.json         which group is current, if not the newest
    STORE/catalogue/snapshot-<n>.arrows           a cache of the list of videos
    STORE/catalogue/<attempt>                     names a video that may have changed since
    STORE/failures/<quoted id>                    why a film was not indexed
    STORE/duplicates.json                         which films show the same pictures, if saved
    STORE/.attempts/<attempt>                     unfinished work
    STORE/.parts/<quoted id>/                     what is done of long films (on a disk)

A group is one video under one recipe, of one source; its key names recipe and source. The quoted id
of a name in another script can be longer than a file system takes; it is cut, and a hash of the id
added. The id of such a folder is in the records of its groups, and is believed if it leads there.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

from fewframes.store.staging import ATTEMPTS
from fewframes.store.untrusted import load_json

LAYOUT_VERSION = 2
"""Version of what this page says. That of a recipe says what its rows and pictures mean."""
MARKER = "fewframes-store.json"
VIDEOS = "videos"
COMMIT = "commit.json"
CURRENT = "current.json"
CATALOGUE = "catalogue"
FAILURES = "failures"
DUPLICATES = "duplicates.json"
PARTS = ".parts"
OWN_NAMES = {MARKER, VIDEOS, ATTEMPTS, PARTS, CATALOGUE, FAILURES, DUPLICATES}
"""What a store has of its own, which is nowhere a link."""
STRAYS = (
    *(".nfs*", ".DS_Store", "._*", ".Trash-*", "Thumbs.db", "desktop.ini", "lost+found"),
    *("*~", "#*#", ".*.sw?"),
)
"""Names that file systems, desktops and editors put anywhere: a folder with no others is new."""
GROUP = re.compile("[0-9a-f]{16}")
SIDECAR = re.compile("[0-9a-f]{16}[.][0-9a-f]{16}")
ATTEMPT = re.compile("[0-9a-f]{32}")
FORMER_FILES = {"frames", "signatures", "vectors", "zarr.json", "frames.parquet"}
"""What lay beside a group's record in the former layout."""
LONGEST_NAME = 255
"""Bytes that file systems take for the name of a folder."""


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
    >>> video_id_of(folder_name(long), [b"", f'{{"id": "{long}"}}'.encode()]) == long
    True
    """
    if not is_cut(name):
        return unquoted(name)
    found = (_id_in(data, name) for data in records)
    return next((video_id for video_id in found if video_id), name)


def _id_in(data: bytes | None, name: str) -> str:
    """The id in a record, or in the facts of a Zarr group, if it leads to a folder of this name."""
    try:
        record = load_json(data or b"")
        facts = record.get("attributes", {}).get("fewframes", record)
        return str(facts["id"]) if folder_name(facts["id"]) == name else ""
    except (ValueError, TypeError, KeyError, AttributeError):  # it is damaged
        return ""


def is_place(name: str) -> bool:
    """Whether files that a record names may lie below this name beside it.

    >>> is_place("0123456789abcdef" * 2), is_place("frames"), is_place(".DS_Store")
    (True, True, False)
    """
    return name in FORMER_FILES or ATTEMPT.fullmatch(name) is not None
