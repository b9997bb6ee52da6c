"""Timeline cache: keeps timelines between runs, so that a film is read end to end once.

One Arrow file a timeline, in the user's cache folder, never beside the footage, and its xxh3-128
at the end. It is believed only if that is right, and the identity of the film and the FFmpeg
versions are the same; it holds no path. Set
FEWFRAMES_CACHE to another folder, or to ``off``.
"""

import json
import os
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fewframes.atomic import write_atomic
from fewframes.media.headers import Headers
from fewframes.media.source import Source
from fewframes.media.timeline import Packets, StreamInfo, Timeline
from fewframes.plugins import plugin

FORMAT = "fewframes timeline 7"
DIGEST_BYTES = 16
PLAIN_FACTS = ("duration_pts", "timing", "state", "damage", "ticks_per_stamp", "notes")
PACKET_COLUMNS = [column.name for column in fields(Packets)]


def folder() -> Path | None:
    """Where timelines are kept; None where keeping is switched off."""
    is_off = os.environ.get("FEWFRAMES_CACHE", "") == "off"
    return None if is_off else cache_home() / "timelines"


def cache_home() -> Path:
    """The cache folder, for what has to be on disk for a while; ``off`` has no say in it."""
    chosen = os.environ.get("FEWFRAMES_CACHE", "")
    if chosen and chosen != "off":
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("fewframes")


def load(source: Source, stream: int | None) -> Timeline | None:
    """Gives the timeline remembered for this very file, or None."""
    file = _file(source, stream)
    if file is None or not file.exists():
        return None
    import pyarrow as pa
    import xxhash

    try:
        data = memoryview(file.read_bytes())
        body, digest = data[:-DIGEST_BYTES], bytes(data[-DIGEST_BYTES:])
        if xxhash.xxh3_128_digest(body) != digest:
            return None
        return _from_table(pa.ipc.open_file(pa.py_buffer(body)).read_all(), source)
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None


def save(timeline: Timeline, stream: int | None) -> None:
    """Remembers a timeline; a cache folder that cannot be written is left alone."""
    file = _file(timeline.source, stream)
    if file is None:
        return
    import pyarrow as pa
    import xxhash

    table, made = _to_table(timeline), pa.BufferOutputStream()
    with pa.ipc.new_file(made, table.schema) as writer:
        writer.write_table(table)
    body = memoryview(made.getvalue())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = body, xxhash.xxh3_128_digest(body)
        write_atomic(file, lambda out: out.writelines(parts), mode=0o600)
    except OSError:
        return


def _file(source: Source, stream: int | None) -> Path | None:
    where = folder()
    name = f"{source.edges_xxh3}-{source.size_bytes}-{'auto' if stream is None else stream}.arrow"
    return where / name if where else None


def _key(source: Source) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "size_bytes": source.size_bytes,
        "mtime_ns": source.mtime_ns,
        "edges_xxh3": source.edges_xxh3,
        "versions": plugin("ffmpeg.versions"),
    }


def _to_table(timeline: Timeline) -> Any:  # noqa: ANN401 (pyarrow has no types of its own)
    import pyarrow as pa

    packets = timeline.packets
    number = np.full(len(packets), -1)
    number[timeline.order] = np.arange(len(timeline))
    shown = np.zeros(len(packets), np.int64)
    shown[timeline.order] = timeline.pts
    columns = {name: getattr(packets, name) for name in PACKET_COLUMNS}
    table = pa.table({**columns, "frame_number": number, "frame_pts": shown})
    return table.replace_schema_metadata({"fewframes": json.dumps(_facts(timeline))})


def _facts(timeline: Timeline) -> dict[str, Any]:
    """All but the columns."""
    stream = asdict(timeline.stream)
    return {
        "key": _key(timeline.source),
        "stream": {k: str(v) if isinstance(v, Fraction) else v for k, v in stream.items()},
        **{name: getattr(timeline, name) for name in PLAIN_FACTS},
        "undecodable": timeline.undecodable.tolist(),
        "repaired": timeline.repaired.tolist(),
        "headers": [_as_words(headers) for headers in timeline.headers],
    }


def _from_table(table: Any, source: Source) -> Timeline | None:  # noqa: ANN401
    facts = json.loads(table.schema.metadata[b"fewframes"])
    if facts["key"] != _key(source):
        return None
    columns = {name: table[name].to_numpy() for name in table.column_names}
    numbers = columns["frame_number"]
    rows = np.flatnonzero(numbers >= 0)
    order = np.empty(len(rows), np.int64)
    order[numbers[rows]] = rows
    stream = facts["stream"]
    for name in ("time_base", "pixel_aspect"):
        stream[name] = Fraction(stream[name])
    facts |= {name: tuple(facts[name]) for name in ("damage", "notes")}
    return Timeline(
        source,
        StreamInfo(**stream),
        Packets(**{name: columns[name] for name in PACKET_COLUMNS}),
        order,
        columns["frame_pts"][order],
        **{name: facts[name] for name in PLAIN_FACTS},
        undecodable=np.array(facts["undecodable"], np.int64),
        repaired=np.array(facts["repaired"], np.int64),
        headers=tuple(map(_from_words, facts["headers"])),
    )


def _as_words(headers: Headers) -> dict[str, Any]:
    side = [[kind, data.hex()] for kind, data in headers.side_data]
    return {"prefix": headers.prefix.hex(), "side_data": side}


def _from_words(words: dict[str, Any]) -> Headers:
    side = tuple((kind, bytes.fromhex(data)) for kind, data in words["side_data"])
    return Headers(bytes.fromhex(words["prefix"]), side)
