"""Manifest: the record of a published group, which proves every byte of it.

``commit.json`` holds the facts of a group, the attempt that made it, the size and xxh3-128 of each
of its files, and the xxh3-128 of itself. It is believed only where `record_rules` allow what it
says. The files lie beside it, in a folder named as the attempt.
"""

import errno
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewframes.errors import CorruptStoreError, UnreachableStoreError
from fewframes.store.backend import GroupFiles, StoreBackend
from fewframes.store.digests import digest_file
from fewframes.store.folder import Folder
from fewframes.store.layout import COMMIT, LAYOUT_VERSION, SIDECAR
from fewframes.store.recipes import canonical_json
from fewframes.store.record_rules import check_group_facts, checked_files
from fewframes.store.sidecar_kinds import check_sidecar_facts
from fewframes.store.untrusted import load_json
from fewframes.times import seconds_of

_LINE = re.compile(rb"\n *")


@dataclass(frozen=True, slots=True, repr=False)
class Manifest:
    """The commit record of one group."""

    store: StoreBackend
    home: str
    """Where it lies below the store; the last part is the group's key."""
    place: GroupFiles
    """The files that it names."""
    facts: dict[str, Any]
    """Id, recipe, source, stream, times, counts, status and damage, as plain values."""
    files: dict[str, tuple[int, str]]
    """Bytes and xxh3-128 of each file, by its path below the folder."""

    def __repr__(self) -> str:
        return f"Commit({self.facts['id']!r}, {self.facts['created']}, {len(self.files)} files)"

    @property
    def age_order(self) -> tuple[str, str]:
        """Sorts the groups of a video; the newest is last."""
        return self.facts["created"], self.key

    @property
    def key(self) -> str:
        """Names the group among those of its video."""
        return self.home.rpartition("/")[2]

    @property
    def size_bytes(self) -> int:
        """What its files take."""
        return sum(size for size, _ in self.files.values())

    @property
    def duration_seconds(self) -> float:
        """From the film's first frame to the end of its last one."""
        return seconds_of(self.facts["end_pts"] - self.facts["start_pts"], self.facts["time_base"])

    @property
    def folder(self) -> Path:
        """The folder of its files on disk; ValueError for one in an object store."""
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


Check = Callable[[Mapping[str, Any], str], None]


def commit_bytes(
    folder: Path, facts: Mapping[str, Any], written: Mapping[str, tuple[int, str] | None]
) -> bytes:
    """Makes the record of a finished group, which names the files ``written`` and no others.

    The folder is that of the attempt, and is named as it. Those whose bytes and digest are given
    are not read.

    Raises:
        CorruptStoreError: A file that was written is gone, or has another size.
    """
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
    return sealed_record(facts, folder.name, files)


def sealed_record(facts: Mapping[str, Any], attempt: str, files: list[dict[str, Any]]) -> bytes:
    """Makes a record of its facts, attempt and files, with its own digest."""
    import xxhash

    record = {**facts, "attempt": attempt, "layout": LAYOUT_VERSION, "files": files}
    record["xxh3"] = xxhash.xxh3_128_hexdigest(canonical_json(record))
    return _bytes_of(record)


def check_of(home: str) -> Check:
    """Gives what refuses the facts of anything else than what a place holds."""
    return check_sidecar_facts if SIDECAR.fullmatch(home.rpartition("/")[2]) else check_group_facts


def commit_at(store: StoreBackend, home: str) -> Manifest | None:
    """Reads and checks the record of a group or a sidecar; None where there is none.

    Raises:
        CorruptStoreError: It is damaged, or it is reached by a link.
    """
    name = f"{home.partition('/')[2]}/{COMMIT}"
    try:
        data = store.read(f"{home}/{COMMIT}")
    except FileNotFoundError:
        return None
    except UnreachableStoreError:
        raise
    except OSError as error:
        raise CorruptStoreError(f"{name} cannot be read: {error.strerror}") from error
    facts, files = parse_commit(data, name, check_of(home))
    return Manifest(store, home, store.files(f"{home}/{facts['attempt']}"), facts, files)


def parse_commit(
    data: bytes, name: str, check: Check = check_group_facts
) -> tuple[dict[str, Any], dict[str, tuple[int, str]]]:
    """Gives the facts and the files of a record; CorruptStoreError for one that is damaged."""
    record = parse_record(data, name)
    found = checked_files(record.pop("files"), name)
    check(record, name)
    return record, found


def parse_record(data: bytes, name: str) -> dict[str, Any]:
    """Gives what a record says, its files among it, if it is as it was written.

    Raises:
        CorruptStoreError: It is not.
    """
    import xxhash

    try:
        record: dict[str, Any] = load_json(data)
        is_whole = _is_as_written(data, record)
        digest = record.pop("xxh3")
        is_whole = is_whole and xxhash.xxh3_128_hexdigest(canonical_json(record)) == digest
        record["files"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptStoreError(f"{name} is damaged") from error
    if not is_whole:
        raise CorruptStoreError(f"{name} is damaged (wrong checksum)")
    return record


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


def of_video(commit: Manifest, video_id: str) -> Manifest:
    """Refuses with a CorruptStoreError a record that is not that of this video."""
    if commit.facts["id"] != video_id:
        raise CorruptStoreError(
            f"the folder of video {video_id!r} holds video {commit.facts['id']!r}; move it back"
        )
    return commit
