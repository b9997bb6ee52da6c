"""Manifest: the record of a published group, which proves every byte of it.

``commit.json`` holds the facts of a group, the size and xxh3-128 of each of its files, and the
xxh3-128 of itself. It is believed only where `record_rules` allow what it says.
"""

import errno
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store.backend import Folder, GroupBackend, digest_file
from fewframes.store.recipes import canonical_json
from fewframes.store.record_rules import check_group_facts, checked_files
from fewframes.store.untrusted import check_not_linked, load_json, read_regular
from fewframes.times import seconds_of

COMMIT = "commit.json"
_LINE = re.compile(rb"\n *")


@dataclass(frozen=True, slots=True, repr=False)
class Manifest:
    """The commit record of one group."""

    place: GroupBackend
    """Where the group's files are."""
    facts: dict[str, Any]
    """Id, recipe, source, stream, times, counts, status and damage, as plain values."""
    files: dict[str, tuple[int, str]]
    """Bytes and xxh3-128 of each file, by its path below the folder."""

    def __repr__(self) -> str:
        return f"Commit({self.facts['id']!r}, {self.facts['created']}, {len(self.files)} files)"

    @property
    def age_order(self) -> tuple[str, str]:
        """Sorts the groups of a video; the newest is last."""
        return self.facts["created"], self.place.path.name

    @property
    def duration_seconds(self) -> float:
        """From the film's first frame to the end of its last one."""
        return seconds_of(self.facts["end_pts"] - self.facts["start_pts"], self.facts["time_base"])

    @property
    def folder(self) -> Path:
        """The folder of a group on disk; ValueError for one in an object store."""
        if isinstance(self.place, Folder):
            return self.place.path
        raise ValueError(
            f"video {self.facts['id']!r} lies in an object store, and this needs a store on disk; "
            "copy the store there, or index into a folder"
        )

    def check(self, path: str) -> None:
        """Compares one file with its digest, in bounded memory.

        Raises:
            CorruptStoreError: It is missing, or is not what was published.
        """
        size, digest = self.files[path]
        try:
            is_same = self.place.size(path) == size and self.place.digest(path) == digest
        except UnreachableStoreError:
            raise
        except OSError:
            raise CorruptStoreError(f"{path} of video {self.facts['id']!r} is missing") from None
        if not is_same:
            raise CorruptStoreError(f"{path} of video {self.facts['id']!r} is damaged")

    def bytes_of(self, path: str) -> bytes:
        """Reads one file of the group, ``path`` below its folder, and checks its digest.

        Raises:
            CorruptStoreError: It is missing, or is not what was published.
        """
        import xxhash

        try:
            size, digest = self.files[path]
            data = self.place.read(path, most_bytes=size)
        except UnreachableStoreError:
            raise
        except (KeyError, OSError) as error:
            is_large = isinstance(error, OSError) and error.errno == errno.EFBIG
            words = "damaged" if is_large else "missing"
            raise CorruptStoreError(f"{path} of video {self.facts['id']!r} is {words}") from error
        if len(data) != size or xxhash.xxh3_128_hexdigest(data) != digest:
            raise CorruptStoreError(f"{path} of video {self.facts['id']!r} is damaged")
        return data


def write_commit(
    folder: Path, facts: Mapping[str, Any], written: Mapping[str, tuple[int, str] | None]
) -> None:
    """Writes the record of a finished group, which names the files ``written`` and no others.

    Those whose bytes and digest are given are not read.

    Raises:
        CorruptStoreError: A file that was written is gone, or has another size.
    """
    import xxhash

    files = []
    for name, known in sorted(written.items()):
        path = folder / name
        there = path.stat().st_size if path.is_file() else None
        if there is None or (known and there != known[0]):
            raise CorruptStoreError(
                f"{name} was written and is {'gone' if there is None else 'changed'}: another "
                "program has been in the folder of unfinished work; index the film again"
            )
        size, digest = known or (there, digest_file(path))
        files.append({"path": name, "size": size, "xxh3": digest})
    record = {**facts, "files": files}
    record["xxh3"] = xxhash.xxh3_128_hexdigest(canonical_json(record))
    (folder / COMMIT).write_bytes(_bytes_of(record))


def read_commit(
    folder: Path, check: Callable[[Mapping[str, Any], str], None] = check_group_facts
) -> Manifest:
    """Reads and checks the record of a group, or of what else has the facts that ``check`` passes.

    Raises:
        CorruptStoreError: It is missing or damaged, or it is reached by a link.
    """
    name = f"{folder.parent.name}/{folder.name}/{COMMIT}"
    for path in (folder.parent, folder):
        check_not_linked(path)
    try:
        data = read_regular(folder / COMMIT)
    except FileNotFoundError as error:
        raise CorruptStoreError(f"{name} is missing") from error
    except OSError as error:
        raise CorruptStoreError(f"{name} cannot be read: {error.strerror}") from error
    return Manifest(Folder(folder), *parse_commit(data, name, check))


def parse_commit(
    data: bytes, name: str, check: Callable[[Mapping[str, Any], str], None] = check_group_facts
) -> tuple[dict[str, Any], dict[str, tuple[int, str]]]:
    """Gives the facts and the files of a record; CorruptStoreError for one that is damaged."""
    import xxhash

    try:
        record = load_json(data)
        is_whole = _is_as_written(data, record)
        digest = record.pop("xxh3")
        is_whole = is_whole and xxhash.xxh3_128_hexdigest(canonical_json(record)) == digest
        files = record.pop("files")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptStoreError(f"{name} is damaged") from error
    if not is_whole:
        raise CorruptStoreError(f"{name} is damaged (wrong checksum)")
    found = checked_files(files, name)
    check(record, name)
    return record, found


def _bytes_of(record: Mapping[str, Any]) -> bytes:
    """A record as it is written."""
    return json.dumps(record, indent=1).encode("ascii") + b"\n"


def _is_as_written(data: bytes, record: Mapping[str, Any]) -> bool:
    """Whether a record has the bytes of `_bytes_of`, but for how far lines are set in.

    JSON that says the same in other bytes counts as damaged. With ``indent``, JSON is written in
    Python, which would take as long as all the rest.
    """
    lines = json.dumps(record, separators=(",", ": ")).encode("ascii")
    return data.endswith(b"}\n") and _LINE.sub(b"", data) == lines


def read_commit_of(group: Path, video_id: str) -> Manifest:
    """Reads and checks the record of a group, which must be that of this video.

    Raises:
        CorruptStoreError: It is missing, damaged, or of another video.
    """
    return of_video(read_commit(group), video_id)


def of_video(commit: Manifest, video_id: str) -> Manifest:
    """Refuses with a CorruptStoreError a record that is not that of this video."""
    if commit.facts["id"] != video_id:
        raise CorruptStoreError(
            f"the folder of video {video_id!r} holds video {commit.facts['id']!r}; move it back"
        )
    return commit
