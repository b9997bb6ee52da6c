"""StoredRows: the table of one video on disk, one row per scanned frame.

``frames.parquet`` holds every column but the signatures, which are a Zarr v3 array of one plain
chunk beside it, ``signatures``. Both are written whole and read whole.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.arrays import F32, I32, I64, Mask, Samples
from fewframes.errors import CorruptStoreError
from fewframes.features.signals import SIGNALS, typed
from fewframes.features.table import FilmFacts, FrameTable
from fewframes.media.timeline import NO_PTS
from fewframes.store.manifest import Manifest
from fewframes.store.tables import read_table
from fewframes.store.untrusted import load_json
from fewframes.times import seconds_of

PARQUET = "frames.parquet"
SIGNATURES = "signatures"
CHUNK = "c/0/0"
"""The only chunk of the signatures."""
OWN_COLUMNS = {
    "frame_number": "int64",
    "pts": "int64",
    "is_keyframe": "bool",
    "gop": "int64",
    "slot": "int32",
    "is_damaged": "bool",
    "container_pts": "int64?",
    "is_repaired": "bool?",
}
"""Columns that are no signals, and their types; older stores lack those with a ``?``."""
ARROW_TYPES = {"float32": "float"}
"""Names that Arrow gives the types of signals, where they are not NumPy's."""
FREE_BYTES, MOST_ROW_BYTES = 1 << 20, 16 * (len(OWN_COLUMNS) + len(SIGNALS)) + 16
"""Bytes of a table, at most, and of each row of it: twice 8 a column, and what Parquet adds."""
LONGEST_SIGNATURE = 1 << 12


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class StoredRows:
    """The scanned frames of a stored video."""

    table: FrameTable
    slots: I32
    """Where the picture of each row is, ``[n] i32``; repeats share one."""
    gop: I64
    """Number of the GOP that each frame is coded in, ``[n] i64``."""
    is_damaged: Mask
    """Frames that a decode anomaly may have touched, ``[n] bool``."""
    container_pts: I64
    """The film's own stamp of each frame in ticks of its stream, ``[n] i64``; or `NO_PTS`."""
    is_repaired: Mask
    """Frames whose ``pts`` is not the film's own stamp, ``[n] bool``."""

    def __post_init__(self) -> None:
        """Checks that every column has one value a row, and that names do not clash."""
        for name in ("slots", "gop", "is_damaged", "container_pts", "is_repaired"):
            if len(getattr(self, name)) != len(self.table):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} rows, but the table {len(self.table)}"
                )
        clash = set(OWN_COLUMNS) & set(self.table.signals)
        if clash:
            raise ValueError(f"a signal must not be called {min(clash)!r}; rename it")

    def __repr__(self) -> str:
        return f"StoredRows({len(self.table)} rows, {len(np.unique(self.slots))} pictures)"


def write_rows(folder: Path, rows: StoredRows) -> list[str]:
    """Writes the table, and the signatures where there are any; gives the files it has written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = rows.table
    columns: dict[str, Samples] = {
        "frame_number": table.frame_numbers.astype(np.int64),
        "pts": table.pts.astype(np.int64),
        "is_keyframe": table.is_keyframe.astype(np.bool_),
        "gop": rows.gop.astype(np.int64),
        "slot": rows.slots.astype(np.int32),
        **{name: typed(name, values) for name, values in table.signals.items()},
        "is_damaged": rows.is_damaged.astype(np.bool_),
        "is_repaired": rows.is_repaired.astype(np.bool_),
    }
    stamps = rows.container_pts.astype(np.int64)
    made = pa.table({**columns, "container_pts": pa.array(stamps, mask=stamps == NO_PTS)})
    with (folder / PARQUET).open("wb") as file:  # by its name, Arrow would take "a:b/…" for a URL
        pq.write_table(made, file, compression="zstd", write_page_checksum=True)
    if table.signatures is None or not table.signatures.size:
        return [PARQUET]
    _write_signatures(folder / SIGNATURES, table.signatures)
    return [PARQUET, f"{SIGNATURES}/zarr.json", f"{SIGNATURES}/{CHUNK}"]


def read_rows(commit: Manifest, *, with_signals: bool = True) -> StoredRows:
    """Reads the rows of a published video, but for signatures; every byte is checked.

    Reading frames needs no signals, which take two thirds of the time.

    Raises:
        CorruptStoreError: A file is missing, or is not what was published.
    """
    facts, columns = commit.facts, _read(commit, is_whole=with_signals)
    table = FrameTable(
        columns["frame_number"],
        columns["pts"],
        Fraction(facts["time_base"]),
        facts["start_pts"],
        columns["is_keyframe"],
        {name: values for name, values in columns.items() if name not in OWN_COLUMNS},
        slots=columns["slot"],
        film=_film(facts),
    )
    return StoredRows(
        table,
        columns["slot"],
        columns["gop"],
        columns["is_damaged"],
        columns["container_pts"],
        columns["is_repaired"],
    )


def _read(commit: Manifest, *, is_whole: bool) -> dict[str, Samples]:
    """The columns, checked; every row has a picture."""
    facts, counts = commit.facts, commit.facts["counts"]
    about: dict[str, Any] = {"rows": counts["rows"], "name": f"{PARQUET} of video {facts['id']!r}"}
    about |= {"kinds": {**_signal_kinds(), **OWN_COLUMNS}, "gappy": "container_pts"}
    about |= {"columns": None if is_whole else OWN_COLUMNS}
    if commit.files.get(PARQUET, (0, ""))[0] > FREE_BYTES + counts["rows"] * MOST_ROW_BYTES:
        raise CorruptStoreError(f"{about['name']} has more bytes than its rows have")
    columns = _columns(read_table(commit.bytes_of(PARQUET), **about))
    slots = columns["slot"]
    if len(slots) and not 0 <= slots.min() <= slots.max() < counts["stored"]:
        raise CorruptStoreError(f"video {facts['id']!r} has rows without a picture")
    return columns


def _columns(stored: Any) -> dict[str, Samples]:  # noqa: ANN401 (a pyarrow.Table)
    """The columns as arrays; older stores have no stamps beside the times."""
    columns = {
        name: stored[name].fill_null(NO_PTS).to_numpy()
        if name == "container_pts"
        else stored[name].to_numpy()
        for name in stored.column_names
    }
    columns.setdefault("container_pts", columns["pts"])
    columns.setdefault("is_repaired", np.zeros(len(columns["pts"]), bool))
    return columns


def _film(facts: dict[str, Any]) -> FilmFacts:
    """The length and mean rate of the whole film, of which the rows are a part."""
    frames = int(facts["counts"]["frames"])
    seconds = seconds_of(facts["end_pts"] - facts["start_pts"], facts["time_base"])
    return FilmFacts(frames, frames / seconds if seconds else 0.0)


def _signal_kinds() -> dict[str, str]:
    """Arrow's types of the signals; a store may lack any of them."""
    types = {name: ARROW_TYPES.get(row.dtype, row.dtype) for name, row in SIGNALS.items()}
    return {name: f"{kind}?" for name, kind in types.items()}


def plain_array(shape: tuple[int, ...], *, chunk_rows: int, rows: str) -> dict[str, Any]:
    """Describes an f32 array ``[n, d]`` of plain chunks, as Zarr v3 wants it in ``zarr.json``.

    >>> plain_array((9, 4), chunk_rows=5, rows="slot")["chunk_grid"]["configuration"]
    {'chunk_shape': [5, 4]}
    """
    chunk = [chunk_rows, *shape[1:]]
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0.0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "dimension_names": [rows, "dimension"],
        "attributes": {},
    }


def _write_signatures(folder: Path, signatures: F32) -> None:
    for home in (folder, folder / "c", folder / "c" / "0"):
        home.mkdir()
    (folder / CHUNK).write_bytes(np.ascontiguousarray(signatures, "<f4").data)
    metadata = plain_array(signatures.shape, chunk_rows=len(signatures), rows="row")
    (folder / "zarr.json").write_text(json.dumps(metadata, indent=1) + "\n", encoding="ascii")


def read_signatures(commit: Manifest, count: int) -> F32 | None:
    """Reads the signatures of a video of ``count`` rows, ``[n, d] f32``; None where there are none.

    Raises:
        CorruptStoreError: A file is missing, or is not what was published.
    """
    if f"{SIGNATURES}/zarr.json" not in commit.files:
        return None
    name, path = f"signatures of video {commit.facts['id']!r}", f"{SIGNATURES}/{CHUNK}"
    try:
        rows, length = load_json(commit.bytes_of(f"{SIGNATURES}/zarr.json"))["shape"]
        is_shape = {type(rows), type(length)} == {int} and 0 < length <= LONGEST_SIGNATURE
    except CorruptStoreError:
        raise
    except (ValueError, TypeError, KeyError):
        is_shape = False
    if not is_shape:
        raise CorruptStoreError(f"{name} are no array of vectors")
    if rows != count:
        raise CorruptStoreError(
            f"video {commit.facts['id']!r} has {count} rows, but {rows} signatures"
        )
    if commit.files.get(path, (0, ""))[0] != 4 * count * length:
        raise CorruptStoreError(f"{name} are not {count} vectors of {length} values")
    values = np.frombuffer(commit.bytes_of(path), "<f4")
    return values.astype(np.float32, copy=False).reshape(rows, length)
