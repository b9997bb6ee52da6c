"""Vectors that a model made of a video's pictures, kept beside its group as a sidecar.

``<attempt>/zarr.json`` and ``<attempt>/vectors/`` are a Zarr v3 group with one array,
[pictures, dim]. Row i is of the picture in slot i of the group's ``frames``.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import F32
from fewframes.errors import CorruptStoreError
from fewframes.store.embedding import Embedder, Identity, embed_pictures, identity_of
from fewframes.store.frame_table_io import plain_array
from fewframes.store.gc import sweep
from fewframes.store.manifest import Manifest
from fewframes.store.publish import remove_orphans
from fewframes.store.shard_reader import ShardReader
from fewframes.store.sidecar_kinds import VECTORS
from fewframes.store.sidecars import Sidecar, facts_of, publish_sidecar, sidecars_of, stands
from fewframes.store.staging import Staging

CHUNK_ROWS = 4096
"""Vectors a file: with 768 values each, 12 MB are held while they are made."""


def identity_in(sidecar: Sidecar) -> Identity:
    """Which model made the vectors of a sidecar."""
    return Identity(**sidecar.commit.facts["model"])


def embeddings_of(group: Manifest) -> tuple[Identity, ...]:
    """The models whose vectors are stored, by name; raises as `sidecars_of` does."""
    return tuple(identity_in(sidecar) for sidecar in sidecars_of(group, VECTORS))


def read_vectors(sidecar: Sidecar) -> F32:
    """Reads all vectors of a sidecar, ``[rows, dim] f32``, each of length 1; checks every byte.

    Raises:
        CorruptStoreError: A file is missing, or is not what was published.
    """
    rows, dim = sidecar.commit.facts["rows"], identity_in(sidecar).dim
    each = 4 * min(rows, CHUNK_ROWS) * dim
    paths = [_chunk_path(chunk) for chunk in range(-(-rows // CHUNK_ROWS))]
    if any(sidecar.commit.files.get(path, (0, ""))[0] != each for path in paths):
        raise CorruptStoreError(
            f"vectors of video {sidecar.commit.facts['id']!r} are not {rows} of {dim} values"
        )
    vectors = np.empty((rows, dim), np.float32)
    for chunk, first in enumerate(range(0, rows, CHUNK_ROWS)):
        part = vectors[first : first + CHUNK_ROWS]
        values = np.frombuffer(sidecar.commit.bytes_of(_chunk_path(chunk)), "<f4")
        part[:] = values.reshape(-1, vectors.shape[1])[: len(part)]
    return vectors


def find_vectors(group: Manifest, model: Embedder | str) -> Sidecar:
    """Gives the sidecar of a model, or the only one of a name.

    Raises:
        ValueError: There is none, or there are several of that name.
        CorruptStoreError: A commit record is damaged.
    """
    there = sidecars_of(group, VECTORS)
    if isinstance(model, str):
        found = [sidecar for sidecar in there if identity_in(sidecar).name == model]
    else:
        found = [sidecar for sidecar in there if identity_in(sidecar) == identity_of(model)]
    if len(found) == 1:
        return found[0]
    requested = repr(model) if isinstance(model, str) else str(identity_of(model))
    known = ", ".join(str(identity_in(sidecar)) for sidecar in there) or "none"
    cure = "pass the embedder itself" if found else "make them with video.embed(embedder)"
    raise ValueError(
        f"video {group.facts['id']!r} has {len(found) or 'no'} sets of vectors of {requested} "
        f"(there: {known}); {cure}"
    )


def write_vectors(
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
    home = f"{group.home}.{identity.key}"
    if stands(group, home):
        return 0
    sweep(store)
    with Staging(store.workspace) as staging:
        made, files = _vectors(pictures, embedder, batch=batch, progress=progress), []
        for folder in (VECTORS, f"{VECTORS}/c"):
            (staging.folder / folder).mkdir()
        for chunk, values in enumerate(made):
            files.append(_chunk_path(chunk))
            (staging.folder / files[-1]).parent.mkdir()
            (staging.folder / files[-1]).write_bytes(values.data)
        about = {"model": identity._asdict(), "rows": len(pictures)}
        facts = {**facts_of(group, VECTORS), **about}
        files += _write_metadata(staging.folder, facts)
        publish_sidecar(staging, group, home, facts, files)
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


def _chunk_path(chunk: int) -> str:
    return f"{VECTORS}/c/{chunk}/0"


def _write_metadata(folder: Path, facts: dict[str, Any]) -> list[str]:
    """Writes the metadata of the Zarr group and its array; gives the files."""
    count, dim = facts["rows"], facts["model"]["dim"]
    about = {"zarr_format": 3, "node_type": "group", "attributes": {"fewframes": facts}}
    array = plain_array((count, dim), chunk_rows=min(count, CHUNK_ROWS), rows="slot")
    described = {"zarr.json": about, f"{VECTORS}/zarr.json": array}
    for path, value in described.items():
        (folder / path).write_text(json.dumps(value, indent=1) + "\n", encoding="ascii")
    return list(described)
