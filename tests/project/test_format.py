"""A reader written from FORMAT.md alone, and the package's own beside it."""

import io
import json
import re
import struct
import urllib.parse
from fractions import Fraction
from pathlib import Path

import format_page
import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg
import xxhash

import fewframes as ff
from fewframes.features.signals import SIGNALS
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.recipes import Recipe

PAGE = Path(__file__).parents[2] / "FORMAT.md"


def newest(store: Path, video_id: str) -> tuple[Path, dict]:
    """The files of a video's group and its record; every file is checked."""
    mark = json.loads((store / "fewframes-store.json").read_text("utf-8"))
    assert mark == {"format": "fewframes store", "version": 2}
    name = urllib.parse.quote(video_id, safe="")
    name = "%2E" + name[1:] if name.startswith(".") else name
    if len(name) > 255:
        digest = xxhash.xxh3_128_hexdigest(video_id.encode())
        name = re.sub("%.?$", "", name[:222]).ljust(223, "!") + digest
    groups = [(read_record(group), group) for group in (store / "videos" / name).iterdir()]
    record, group = max(groups, key=lambda pair: pair[0]["created"])
    assert (record["recipe"]["format_version"], record["layout"]) == (1, 2)
    group = group / record["attempt"]
    for file in record["files"]:
        data = (group / file["path"]).read_bytes()
        assert (len(data), xxhash.xxh3_128_hexdigest(data)) == (file["size"], file["xxh3"])
    return group, record


def read_record(group: Path) -> dict:
    record = json.loads((group / "commit.json").read_text("utf-8"))
    digest = record.pop("xxh3")
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert xxhash.xxh3_128_hexdigest(text.encode()) == digest
    return record


def read_picture(group: Path, slot: int, height: int, width: int, codec: str) -> np.ndarray:
    shard = (group / f"frames/c/{slot // 256}/0/0/0").read_bytes()
    index, check = shard[-(256 * 16 + 4) : -4], shard[-4:]
    assert google_crc32c.value(index) == struct.unpack("<I", check)[0]
    offset, length = struct.unpack_from("<QQ", index, slot % 256 * 16)
    assert offset != 2**64 - 1
    data, check = shard[offset : offset + length - 4], shard[offset + length - 4 : offset + length]
    assert google_crc32c.value(data) == struct.unpack("<I", check)[0]
    if codec == "jpeg":
        return simplejpeg.decode_jpeg(data)
    if codec == "zstd":
        data = pa.decompress(data, height * width * 3, "zstd", asbytes=True)
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["jpeg", "zstd", "raw"])
@pytest.mark.parametrize("video_id", ["day 1/ä_07", ".hidden~x", f"{'手術室' * 9}-{'録画' * 20}"])
def test_a_reader_from_the_page_reads_the_same(films, tmp_path, codec, video_id):
    recipe = Recipe(fps=None, size="64", codec=codec, dedup=0.01)
    index_film(FilmTask(films("x264_uneven"), tmp_path, video_id, recipe))
    group, record = newest(tmp_path, video_id)
    video = ff.open(tmp_path)[video_id]
    table = pq.read_table(io.BytesIO((group / "frames.parquet").read_bytes())).to_pydict()
    assert record["counts"]["rows"] == len(table["slot"]) == len(video.table)
    ticks = [pts - record["start_pts"] for pts in table["pts"]]
    seconds = [float(tick * Fraction(record["time_base"])) for tick in ticks]
    np.testing.assert_allclose(seconds, video.table.seconds, rtol=1e-12)
    height, width = record["frame_size"]
    pictures = [read_picture(group, slot, height, width, codec) for slot in table["slot"]]
    batch = video.read(frames=table["frame_number"])
    np.testing.assert_array_equal(batch.frames, pictures)
    check_signatures(group, video.table.signatures)


def check_signatures(group: Path, right: np.ndarray) -> None:
    shape = json.loads((group / "signatures/zarr.json").read_text())["shape"]
    data = (group / "signatures/c/0/0").read_bytes()
    values = np.array(struct.unpack(f"<{shape[0] * shape[1]}f", data), np.float32)
    np.testing.assert_array_equal(values.reshape(shape), right)
    assert np.linalg.norm(right, axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_the_page_names_every_column_fact_and_codec(films, tmp_path):
    page = PAGE.read_text()
    index_film(FilmTask(films("x264_uneven"), tmp_path, "a", Recipe(size="64")))
    group, record = newest(tmp_path, "a")
    columns = pq.read_schema(group / "frames.parquet")
    assert set(SIGNALS) < set(columns.names)
    for name in columns.names:
        assert f"`{name}`" in page, name
    for name in [*record, *record["recipe"], *record["counts"], *record["source"]]:
        assert f"`{name}`" in page, name
    for name in SIGNALS:
        kind = str(columns.field(name).type).replace("float", "float32")
        assert f"| `{name}` | {kind} |" in page, name


def test_the_page_has_the_rows_of_the_table_of_signals():
    """Else run ``python tests/helpers/format_page.py``."""
    page = PAGE.read_text("utf-8")
    assert page.count(format_page.BEGIN) == page.count(format_page.END) == 1
    assert format_page.written(page) == page
