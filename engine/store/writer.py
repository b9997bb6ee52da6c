"""Writer: publishes one film as a video of a store, whole or not at all.

1. Pictures and rows are written into an attempt that nobody sees.
2. `VideoWriter.commit` adds the record with every file's digest and flushes all to the disk.
3. A note for the catalogue says that the video may change. Then one rename puts the group in its
   place. Where another process was first, its group stands.
4. Older groups of the same id and recipe, made of another source, are removed.

For a store by URL the attempt is on disk all the same, and `object_writer` publishes it.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fewframes.errors import StaleIndexError
from fewframes.features.scan_result import ScanResult
from fewframes.features.table import FrameTable
from fewframes.media.source import Source
from fewframes.media.timeline import Timeline
from fewframes.store.backend import digest_file
from fewframes.store.codecs import picture_codec
from fewframes.store.compaction import compact_if_long
from fewframes.store.frame_table_io import StoredRows, write_rows
from fewframes.store.journal import announce, remove
from fewframes.store.layout import VIDEOS, folder_name
from fewframes.store.manifest import Manifest, read_commit, write_commit
from fewframes.store.object_store import ObjectStore
from fewframes.store.object_writer import ensure_store, upload
from fewframes.store.recipes import Recipe
from fewframes.store.results import stored_status
from fewframes.store.shard_writer import ShardWriter
from fewframes.store.sidecars import remove_orphans, remove_sidecars
from fewframes.store.staging import Staging
from fewframes.store.standing import find_published, intact


class VideoWriter:
    """Writes one video into a store; leaving the ``with`` without a commit leaves no trace.

    The store is made if it is not there; what killed processes have left in it is removed.
    """

    def __init__(
        self,
        store: Path | ObjectStore,
        *,
        video_id: str,
        recipe: Recipe,
        height: int,
        width: int,
    ) -> None:
        self._name = folder_name(video_id)
        self._store, self._id, self._recipe = store, video_id, recipe
        self._size = (height, width)
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        """Starts the attempt."""
        self._attempt = self._closing.enter_context(Staging(ensure_store(self._store)))
        codec = picture_codec(self._recipe.codec, self._recipe.quality)
        self._shards = ShardWriter(self._attempt.folder / "frames", *self._size, codec)
        self._closing.callback(self._shards.abandon)
        return self

    def __exit__(self, *_: object) -> None:
        """Removes the attempt, if it was not published."""
        self._closing.close()

    def append(self, data: bytes) -> int:
        """Stores one picture of the writer's size, encoded by the recipe's codec; gives its slot.

        Raises:
            ValueError: It is of another codec, or of another size.
        """
        return self._shards.append(data)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the pictures that were written."""
        return sum(size for size, _ in self._shards.digests.values())

    def commit(
        self,
        scanned: ScanResult,
        *,
        source_digest: str | None = None,
        report_progress: Callable[[], None] = lambda: None,
    ) -> Path | None:
        """Publishes the video; gives the folder of the group that stands, None for a URL.

        That is another one's group, where another process published the same first.

        Args:
            scanned: The frames of the film; its slots are what `append` gave.
            source_digest: xxh3-128 of the whole file; None reads the file for it.
            report_progress: Called as files are put in an object store; a sign of life.

        Raises:
            ValueError: The columns do not fit each other, or a slot was never written.
            StaleIndexError: The film has changed since its timeline was read.
            UnreachableStoreError: The object store does not answer, or refuses.
        """
        rows = _rows_of(scanned, self._shards.slots)
        digest = source_digest or _digest_of(scanned.timeline.source)
        facts = self._facts(scanned.timeline, rows, digest)
        self._finish(rows, {**facts, **_outcome_facts(scanned)})
        key = self._recipe.key(digest)
        if isinstance(self._store, Path):
            return self._publish(self._store, key)
        upload(self._store, self._attempt.folder, self._id, key, report_progress)
        return None

    def _facts(self, timeline: Timeline, rows: StoredRows, digest: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "created": datetime.now(UTC).isoformat(timespec="microseconds"),
            "recipe": self._recipe.to_dict(),
            "frame_size": list(self._size),
            "counts": {
                "frames": len(timeline),
                "rows": len(rows.table),
                "stored": self._shards.slots,
            },
            "source": _source_facts(timeline.source, digest),
            **_timeline_facts(timeline, rows.table),
        }

    def _finish(self, rows: StoredRows, facts: dict[str, Any]) -> None:
        """Writes everything beside the pictures; the commit record last."""
        folder = self._attempt.folder
        self._shards.close()
        tables = write_rows(folder, rows)
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"fewframes": facts}}
        (folder / "zarr.json").write_text(json.dumps(group, indent=1) + "\n", encoding="ascii")
        shards = {f"frames/{path}": fact for path, fact in self._shards.digests.items()}
        others = dict.fromkeys(["zarr.json", "frames/zarr.json", *tables])
        if not isinstance(self._store, Path):
            facts = {**facts, "attempt": folder.name}
        write_commit(folder, facts, {**others, **shards})

    def _publish(self, store: Path, key: str) -> Path:
        final = store / VIDEOS / self._name / key
        announce(store, self._attempt, self._id)
        while not self._attempt.publish(final):
            if find_published(store, self._id, key) is not None:
                return final
            remove_group(store, final, self._id)  # a damaged group is worth less than a whole one
        _remove_superseded(store, read_commit(final))
        remove_orphans(store, final, self._id)
        compact_if_long(store)
        return final


def _remove_superseded(store: Path, newest: Manifest) -> None:
    """Removes older groups of the recipe; of two writers, only the newer one removes the other."""
    for other in intact(store, newest.facts["id"]):
        is_same = other.facts["recipe"] == newest.facts["recipe"]
        if is_same and other.age_order < newest.age_order:
            remove_group(store, other.folder, newest.facts["id"])


def remove_group(store: Path, group: Path, video_id: str) -> None:
    """Takes a group away, and the vectors made of it first."""
    remove_sidecars(store, group, video_id)
    remove(store, group, video_id)


def _rows_of(scanned: ScanResult, stored: int) -> StoredRows:
    """The rows of a scan as they are stored, beside so many pictures."""
    timeline, numbers = scanned.timeline, scanned.table.frame_numbers
    marks = np.zeros(len(numbers), bool) if scanned.is_damaged is None else scanned.is_damaged
    return StoredRows(
        scanned.table,
        _checked_slots(scanned.slots, stored),
        scanned.gop,
        np.asarray(marks, bool),
        timeline.container_pts[numbers],
        timeline.is_repaired[numbers],
    )


def _outcome_facts(scanned: ScanResult) -> dict[str, Any]:
    """What a record says of how the scan went."""
    damage = [*scanned.timeline.damage, *([scanned.reason] if scanned.reason else [])]
    return {
        "status": stored_status(is_whole=scanned.is_whole).value,
        "damage": list(dict.fromkeys(damage)),
        "bad_ranges": [[int(first), int(last)] for first, last in scanned.bad_ranges],
        "decoding": dict(scanned.decoding),
    }


def _checked_slots(slots: npt.ArrayLike, stored: int) -> npt.NDArray[np.int32]:
    given = np.asarray(slots, np.int64)
    outside = given[(given < 0) | (given >= stored)]
    if outside.size:
        raise ValueError(f"slot {outside[0]} was never written; {stored} pictures were appended")
    return given.astype(np.int32)


def _digest_of(source: Source) -> str:
    digest, stat = digest_file(source.path), source.path.stat()
    if (stat.st_size, stat.st_mtime_ns) != (source.size_bytes, source.mtime_ns):
        raise StaleIndexError(f"{source.name!r} changed while it was indexed; index it again")
    return digest


def _source_facts(source: Source, digest: str) -> dict[str, Any]:
    return {
        "name": source.name,
        "size_bytes": source.size_bytes,
        "mtime_ns": source.mtime_ns,
        "edges_xxh3": source.edges_xxh3,
        "digest": digest,
    }


def _timeline_facts(timeline: Timeline, table: FrameTable) -> dict[str, Any]:
    stream = {
        name: str(value) if isinstance(value, Fraction) else value
        for name, value in asdict(timeline.stream).items()
    }
    end = int(timeline.pts[-1]) + timeline.duration_pts if len(timeline) else table.start_pts
    return {
        "stream": stream,
        "time_base": f"{table.time_base.numerator}/{table.time_base.denominator}",
        "start_pts": table.start_pts,
        "duration_pts": timeline.duration_pts,
        "end_pts": end,
        **{name: getattr(timeline, name) for name in ("timing", "state", "ticks_per_stamp")},
        "repaired_frames": len(timeline.repaired),
        "notes": list(timeline.notes),
    }
