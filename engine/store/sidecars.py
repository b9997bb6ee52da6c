"""Sidecars: the vectors that a model made of a video's pictures, kept beside its group.

::

    STORE/videos/<quoted id>/<key>/               the group, which never changes
    STORE/videos/<quoted id>/<key>.<model key>/   one sidecar a model
        commit.json                               its own record, with size and digest of each file
        <attempt>/zarr.json, …/vectors/           a Zarr v3 group with one array, [pictures, dim]

1. Row i of ``vectors`` is of the picture in slot i of the group's ``frames``.
2. A sidecar is written as an attempt and published like a group; where another process was first,
   its sidecar stands.
3. It belongs to one group as it was published: beside another one it counts as not there.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import F32
from fewframes.errors import CorruptStoreError, FewframesError, StaleIndexError
from fewframes.store.embedding import Embedder, Identity, embed_pictures, identity_of
from fewframes.store.frame_table_io import plain_array
from fewframes.store.gc import sweep
from fewframes.store.layout import SIDECAR
from fewframes.store.manifest import Manifest, commit_at, commit_bytes
from fewframes.store.publish import publish, remove_home, remove_orphans
from fewframes.store.shard_reader import ShardReader
from fewframes.store.staging import Staging

CHUNK_ROWS = 4096
"""Vectors a file: with 768 values each, 12 MB are held while they are made."""
VECTORS = "vectors"


@dataclass(frozen=True, slots=True, repr=False)
class Sidecar:
    """The published vectors of one video by one model."""

    commit: Manifest
    """The record of what was published."""

    def __repr__(self) -> str:
        return f"Sidecar({self.commit.facts['id']!r}, {self.identity}, {self.rows} vectors)"

    @property
    def identity(self) -> Identity:
        """Which model made them."""
        facts = self.commit.facts["model"]
        return Identity(facts["name"], facts["revision"], facts["dim"])

    @property
    def rows(self) -> int:
        """How many vectors there are."""
        return int(self.commit.facts["rows"])

    def read(self) -> F32:
        """Reads all vectors, ``[rows, dim] f32``, each of length 1; every byte is checked.

        Raises:
            CorruptStoreError: A file is missing, or is not what was published.
        """
        rows, dim = self.rows, self.identity.dim
        each = 4 * min(rows, CHUNK_ROWS) * dim
        paths = [_chunk_path(chunk) for chunk in range(-(-rows // CHUNK_ROWS))]
        if any(self.commit.files.get(path, (0, ""))[0] != each for path in paths):
            raise CorruptStoreError(
                f"vectors of video {self.commit.facts['id']!r} are not {rows} of {dim} values"
            )
        vectors = np.empty((rows, dim), np.float32)
        for chunk, first in enumerate(range(0, self.rows, CHUNK_ROWS)):
            part = vectors[first : first + CHUNK_ROWS]
            values = np.frombuffer(self.commit.bytes_of(_chunk_path(chunk)), "<f4")
            part[:] = values.reshape(-1, vectors.shape[1])[: len(part)]
        return vectors

    def belongs_to(self, group: Manifest) -> bool:
        """Whether it was made of this very group."""
        return bool(
            self.commit.facts["group"] == _mark_of(group)
            and self.rows == group.facts["counts"]["stored"]
        )


def sidecar_homes(group: Manifest) -> list[str]:
    """Lists where the sidecars of a group lie: beside it, named like it, and by a model's key."""
    base = group.home.rpartition("/")[0]
    names = filter(SIDECAR.fullmatch, group.store.names(base))
    return [f"{base}/{name}" for name in names if name.startswith(group.key)]


def sidecar_at(group: Manifest, home: str) -> Sidecar | None:
    """Gives the sidecar at a place, or None; CorruptStoreError where its record is damaged."""
    commit = commit_at(group.store, home)
    return None if commit is None else Sidecar(commit)


def sidecars_of(group: Manifest) -> list[Sidecar]:
    """Gives the sidecars of a group, by name and revision; those of an earlier group are left out.

    Raises:
        CorruptStoreError: A commit record is damaged.
    """
    found = (sidecar_at(group, home) for home in sidecar_homes(group))
    there = (sidecar for sidecar in found if sidecar is not None and sidecar.belongs_to(group))
    return sorted(there, key=lambda sidecar: sidecar.identity)


def find_sidecar(group: Manifest, model: Embedder | str) -> Sidecar:
    """Gives the sidecar of a model, or the only one of a name.

    Raises:
        ValueError: There is none, or there are several of that name.
        CorruptStoreError: A commit record is damaged.
    """
    there = sidecars_of(group)
    if isinstance(model, str):
        found = [sidecar for sidecar in there if sidecar.identity.name == model]
    else:
        found = [sidecar for sidecar in there if sidecar.identity == identity_of(model)]
    if len(found) == 1:
        return found[0]
    requested = repr(model) if isinstance(model, str) else str(identity_of(model))
    known = ", ".join(str(sidecar.identity) for sidecar in there) or "none"
    cure = "pass the embedder itself" if found else "make them with video.embed(embedder)"
    raise ValueError(
        f"video {group.facts['id']!r} has {len(found) or 'no'} sets of vectors of {requested} "
        f"(there: {known}); {cure}"
    )


def write_sidecar(
    group: Manifest,
    pictures: ShardReader,
    embedder: Embedder,
    *,
    batch: int,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Embeds the pictures of a group and publishes the vectors; gives how many were made.

    That is 0 where they are there already, every byte as it was published; damaged ones are made
    again. Memory is bounded by ``batch`` pictures and one chunk of vectors. ``progress`` is told
    pictures done and pictures in all.

    Raises:
        ValueError: ``batch`` is below 1, or the embedder gives something else than it says.
        StaleIndexError: The group was replaced meanwhile.
    """
    if batch < 1:
        raise ValueError(f"batch={batch} embeds nothing; pass batch >= 1")
    identity, store = identity_of(embedder), group.store
    if _stands(group, identity):
        return 0
    sweep(store)
    with Staging(store.workspace) as staging:
        made, files = _vectors(pictures, embedder, batch=batch, progress=progress), []
        for home in (VECTORS, f"{VECTORS}/c"):
            (staging.folder / home).mkdir()
        for chunk, values in enumerate(made):
            files.append(_chunk_path(chunk))
            (staging.folder / files[-1]).parent.mkdir()
            (staging.folder / files[-1]).write_bytes(values.data)
        facts = _facts_of(group, identity, len(pictures))
        files += _write_metadata(staging.folder, facts)
        record = commit_bytes(staging.folder, facts, dict.fromkeys(files))
        _publish(staging, group, identity, record, files)
    remove_orphans(store, group.facts["id"])
    return len(pictures)


def _vectors(
    pictures: ShardReader,
    embedder: Embedder,
    *,
    batch: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[F32]:
    """The vectors of all pictures, a chunk at a time, the last one filled up with zeros."""
    count = len(pictures)
    for first in range(0, count, CHUNK_ROWS):
        values = np.zeros((min(count, CHUNK_ROWS), embedder.dim), "<f4")
        last = min(first + CHUNK_ROWS, count)
        for at in range(first, last, batch):
            end = min(at + batch, last)
            values[at - first : end - first] = embed_pictures(
                embedder, pictures.read(np.arange(at, end))
            )
            if progress:
                progress(end, count)
        yield values


def problems_of(group: Manifest) -> Iterator[str]:
    """Says what is wrong with the sidecars of a group: each file is compared with its digest."""
    for home in sidecar_homes(group):
        try:
            sidecar = sidecar_at(group, home)
            if sidecar is None:
                continue
            for path in sidecar.commit.files:
                sidecar.commit.check(path)
            if not sidecar.belongs_to(group):
                yield (
                    f"vectors of {sidecar.identity} are of an earlier group of video "
                    f"{group.facts['id']!r}; embed it again"
                )
        except FewframesError as error:
            yield str(error)


def _stands(group: Manifest, identity: Identity) -> bool:
    """Whether the vectors of a model are there, of this very group and every byte of them."""
    try:
        sidecar = sidecar_at(group, _home(group, identity))
        if sidecar is None or not sidecar.belongs_to(group):
            return False
        for path in sidecar.commit.files:
            sidecar.commit.check(path)
    except CorruptStoreError:
        return False
    return True


def _publish(
    staging: Staging, group: Manifest, identity: Identity, record: bytes, files: list[str]
) -> None:
    """Puts a finished sidecar in its place, unless a whole one is there."""
    home, video_id = _home(group, identity), group.facts["id"]
    publish(
        group.store,
        staging,
        home,
        record,
        video_id=video_id,
        paths=files,
        replaces=not _stands(group, identity),
    )
    check_current(group, home)


def check_current(group: Manifest, home: str) -> None:
    """Takes a sidecar away whose group was replaced meanwhile, and says so by StaleIndexError."""
    now, video_id = commit_at(group.store, group.home), group.facts["id"]
    if now is None or _mark_of(now) != _mark_of(group):
        there = commit_at(group.store, home)
        if there is not None and there.facts["group"] == _mark_of(group):
            remove_home(group.store, video_id, home)
        raise StaleIndexError(
            f"video {video_id!r} was replaced while it was embedded; embed it again"
        )


def _home(group: Manifest, identity: Identity) -> str:
    return f"{group.home}.{identity.key}"


def _mark_of(group: Manifest) -> dict[str, str]:
    return {"key": group.key, "created": group.facts["created"]}


def _chunk_path(chunk: int) -> str:
    return f"{VECTORS}/c/{chunk}/0"


def _facts_of(group: Manifest, identity: Identity, count: int) -> dict[str, Any]:
    return {
        "id": group.facts["id"],
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "group": _mark_of(group),
        "model": identity._asdict(),
        "rows": count,
    }


def _write_metadata(folder: Path, facts: dict[str, Any]) -> list[str]:
    """Writes the metadata of the Zarr group and its array; gives the files."""
    count, dim = facts["rows"], facts["model"]["dim"]
    about = {"zarr_format": 3, "node_type": "group", "attributes": {"fewframes": facts}}
    array = plain_array((count, dim), chunk_rows=min(count, CHUNK_ROWS), rows="slot")
    described = {"zarr.json": about, f"{VECTORS}/zarr.json": array}
    for path, value in described.items():
        (folder / path).write_text(json.dumps(value, indent=1) + "\n", encoding="ascii")
    return list(described)
