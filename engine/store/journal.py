"""Journal: names the videos that may have changed since the catalogue was last written.

1. Whoever publishes or removes a group first leaves a note that names the video, on the disk.
   Then comes the one rename that changes the store.
2. A note says only where to look: the video's own folder says what is there.
3. A note may go when the change it announces is in the catalogue and its attempt is over. So a
   process that dies between the note and the rename, or after it, leaves nothing unseen.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fewframes.atomic import flush, write_atomic
from fewframes.errors import CorruptStoreError
from fewframes.store.layout import NOTES, VIDEOS, folder_name, quoted, unquoted
from fewframes.store.staging import Staging
from fewframes.store.untrusted import is_link, read_regular

LONGEST_ENTRY = 1 << 20
_NAME = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One announced change; `name` is that of the attempt that makes it."""

    file: Path

    @property
    def name(self) -> str:
        """The attempt that makes the change."""
        return self.file.name

    def video_id(self) -> str:
        """Gives the video that may have changed.

        Raises:
            FileNotFoundError: The note has been taken into the catalogue.
            CorruptStoreError: It is damaged.
        """
        import xxhash

        damage = f"note {self.name} of the catalogue is damaged; run 'fewframes compact'"
        try:
            words = read_regular(self.file, most_bytes=LONGEST_ENTRY).split(b"\n")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CorruptStoreError(damage) from error
        if len(words) != 3 or xxhash.xxh3_64_hexdigest(words[0]).encode() != words[1] or words[2]:
            raise CorruptStoreError(damage)
        return unquoted(words[0].decode("ascii", "replace"))


def announce(store: Path, staging: Staging, video_id: str) -> None:
    """Announces a change of one video, and waits until that is on the disk."""
    import xxhash

    name = quoted(video_id).encode("ascii")
    home, draft = store / NOTES, staging.folder.with_suffix(".note")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise CorruptStoreError(f"{NOTES} of {store.name!r} is no folder; remove it") from error
    note = name + b"\n" + xxhash.xxh3_64_hexdigest(name).encode() + b"\n"
    write_atomic(home / staging.folder.name, note, draft=draft, is_durable=True)


def journal_entries(store: Path) -> list[JournalEntry]:
    """Lists the notes that are there now; files of other names are not ours."""
    try:
        files = [file for file in (store / NOTES).iterdir() if _NAME.fullmatch(file.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(map(JournalEntry, files), key=lambda note: note.name)


def journaled_ids(notes: list[JournalEntry]) -> Iterator[str]:
    """Gives the videos that notes name; a note that is gone by now is in the catalogue.

    Raises CorruptStoreError for a damaged one.
    """
    for note in notes:
        try:
            yield note.video_id()
        except FileNotFoundError:
            continue


def remove(store: Path, group: Path, video_id: str) -> None:
    """Takes a published group away: in one step out of sight, then from the disk."""
    with trash(store, group, video_id):
        pass


def remove_video(store: Path, video_id: str) -> bool:
    """Takes all that a store has of a video away, at once; False where it has nothing."""
    with trash(store, store / VIDEOS / folder_name(video_id), video_id) as aside:
        return aside is not None


@contextmanager
def trash(store: Path, folder: Path, video_id: str) -> Iterator[Path | None]:
    """Moves a group, or all groups of a video, out of sight; what is not moved back is deleted.

    Gives where it is, or None where another process was first. What a killed process has set aside
    is deleted, too. Of a video whose folder is a link, the link is moved, not what it leads to.
    """
    folder = folder.parent if is_link(folder.parent) else folder
    with Staging(store) as staging:
        announce(store, staging, video_id)
        try:
            aside = folder.rename(staging.folder / folder.name)
        except FileNotFoundError:
            yield None
            return
        flush(folder.parent)
        yield aside
