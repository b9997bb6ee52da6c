"""Writer: publishes one film as a video of a store, whole or not at all.

1. Pictures and rows are written into an attempt that nobody sees.
2. `VideoWriter.commit` makes the record with every file's digest, and publishes both (`publish`).
   Where another process was first, its group stands.
3. Where it replaces other content of its id, the groups of that are removed (`standing`).
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from fractions import Fraction
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fewframes.errors import StaleIndexError
from fewframes.features.scan_result import ScanResult
from fewframes.features.table import FrameTable
from fewframes.media.source import Source
from fewframes.media.timeline import Timeline
from fewframes.store.backend import StoreBackend
from fewframes.store.codecs import picture_codec
from fewframes.store.compaction import compact_if_long
from fewframes.store.current import next_time
from fewframes.store.digests import digest_file
from fewframes.store.frame_table_io import StoredRows, write_rows
from fewframes.store.gc import sweep
from fewframes.store.groups import home_of, intact_commits
from fewframes.store.manifest import Manifest, commit_bytes
from fewframes.store.marker import create_store
from fewframes.store.publish import publish, remove_orphans
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import AnyStore, resolve_store
from fewframes.store.results import stored_status
from fewframes.store.shard_writer import ShardWriter
from fewframes.store.staging import Staging
from fewframes.store.standing import remove_replaced


class VideoWriter:
    """Writes one video into a store; leaving the ``with`` without a commit leaves no trace.

    The store is made if it is not there; what killed processes have left in it is removed.
    """

    def __init__(
        self,
        store: AnyStore,
        *,
        video_id: str,
        recipe: Recipe,
        height: int,
        width: int,
        is_repair: bool = False,
        replaces_content: bool | None = None,
    ) -> None:
        """Takes where to and what.

        ``is_repair`` puts it in place of the same group, which is broken; ``replaces_content`` in
        place of all groups of the id that are of another source; False refuses where there are
        any, and None does not ask.
        """
        self._store, self._id, self._recipe = resolve_store(store), video_id, recipe
        self._home, self._is_repair = home_of(video_id), is_repair
        self._replaces_content = replaces_content
        self._size = (height, width)
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        """Starts the attempt."""
        self._attempt = self._closing.enter_context(Staging(ensure_store(self._store).workspace))
        codec = picture_codec(self._recipe.codec, self._recipe.quality)
        self._shards = ShardWriter(self._attempt.folder / "frames", *self._size, codec)
        self._closing.callback(self._shards.abandon)
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 (as Python passes it)
        """Removes the attempt, if it was not published."""
        self._closing.__exit__(*error)

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
    ) -> Manifest:
        """Publishes the video; gives the record that stands.

        That is another one's, where another process published the same first.

        Args:
            scanned: The frames of the film; its slots are what `append` gave.
            source_digest: xxh3-128 of the whole file; None reads the file for it.
            report_progress: Called as files are put in an object store; a sign of life.

        Raises:
            ValueError: The columns do not fit each other, or a slot was never written.
            StaleIndexError: The film has changed since its timeline was read, or the id is that of
                another one.
            UnreachableStoreError: The object store does not answer, or refuses.
        """
        rows = _rows_of(scanned, self._shards.slots)
        digest = source_digest or _digest_of(scanned.timeline.source)
        facts = self._facts(scanned.timeline, rows, digest) | _outcome_facts(scanned)
        is_replacing = self._is_replacing(digest)
        facts |= {"replaces_content": True} if is_replacing else {}
        files = self._finish(rows, facts)
        standing = publish(
            self._store,
            self._attempt,
            f"{self._home}/{self._recipe.key(digest)}",
            commit_bytes(self._attempt.folder, facts, files),
            video_id=self._id,
            paths=list(files),
            replaces=self._is_repair or is_replacing,
            report_progress=report_progress,
        )
        remove_replaced(self._store, self._id, list(intact_commits(self._store, self._id)))
        remove_orphans(self._store, self._id)
        compact_if_long(self._store)
        return standing

    def _is_replacing(self, digest: str) -> bool:
        """Whether groups of another source are to go; StaleIndexError if they are not."""
        if self._replaces_content is None or self._is_repair:
            return False
        there = intact_commits(self._store, self._id)
        is_other = any(commit.facts["source"]["digest"] != digest for commit in there)
        if is_other and not self._replaces_content:
            raise StaleIndexError(
                f"id {self._id!r} is that of another film, whose size, time and edges are the same "
                "but not its bytes; replace=True puts this one in its place"
            )
        return is_other

    def _facts(self, timeline: Timeline, rows: StoredRows, digest: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "created": next_time(self._store, self._id),
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

    def _finish(self, rows: StoredRows, facts: dict[str, Any]) -> dict[str, tuple[int, str] | None]:
        """Writes everything beside the pictures; gives all files, with what is known of each."""
        folder = self._attempt.folder
        self._shards.close()
        tables = write_rows(folder, rows)
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"fewframes": facts}}
        (folder / "zarr.json").write_text(json.dumps(group, indent=1) + "\n", encoding="ascii")
        shards = {f"frames/{path}": fact for path, fact in self._shards.digests.items()}
        return {**dict.fromkeys(["zarr.json", "frames/zarr.json", *tables]), **shards}


def ensure_store(where: AnyStore) -> StoreBackend:
    """Makes a store where there is none, and sweeps it; raises as `create_store` does."""
    store = create_store(where)
    sweep(store)
    return store


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
