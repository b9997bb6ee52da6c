"""What an export promises: the stored pictures and exact times, as other readers see them."""

import json
import tarfile
from fractions import Fraction

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
from click.testing import CliRunner
from stored import put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main
from fewframes.store.recipes import Recipe

UNEVEN = Film(frames=60, size=(144, 256), times="uneven", start_seconds=3, suffix=".mkv")
ID = "ward 1/ünéven.2"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A film with uneven times from 3 s on, every frame of it, and an even one of the same size."""
    folder = tmp_path_factory.mktemp("corpus")
    write_film(folder / "uneven.mkv", UNEVEN)
    write_film(folder / "even.mp4", Film(frames=50))
    ids = {folder / "uneven.mkv": ID}
    ff.index([folder / "uneven.mkv", folder / "even.mp4"], folder / "s", ids=ids, fps=None, size=96)
    return folder / "s"


def export(store, target, form, *names):
    words = ["export", store, *(names or (ID, "even")), "--to", target, "--format", form]
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def times(table):
    """Frame number, pts and seconds of each row of the store."""
    columns = (table.frame_numbers, table.pts, table.seconds)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.slow
def test_jpeg_files_are_those_of_the_store(store, tmp_path):
    export(store, tmp_path / "out", "jpeg")
    video = ff.open(store)[ID]
    folder = tmp_path / "out" / "ward%201%2F%C3%BCn%C3%A9ven.2"
    facts = json.loads((folder / "frames.json").read_text())
    assert (facts["video"], Fraction(facts["time_base"])) == (ID, video.table.time_base)
    rows = facts["frames"]
    assert [(r["frame"], r["pts"], r["seconds"]) for r in rows] == times(video.table)
    assert [(folder / r["file"]).read_bytes() for r in rows] == video.encoded(range(len(rows)))
    assert len(list(folder.glob("*.jpg"))) == video.facts["counts"]["stored"]
    table = pq.read_table(folder / "frames.parquet")
    assert table.to_pylist() == rows


@pytest.mark.slow
def test_repeats_name_one_file(tmp_path):
    put(tmp_path / "s", "film")
    export(tmp_path / "s", tmp_path / "out", "jpeg", "film")
    rows = json.loads((tmp_path / "out/film/frames.json").read_text())["frames"]
    assert [rows[1]["file"], rows[2]["file"]] == ["00000002_0.080s.jpg"] * 2
    assert len(list((tmp_path / "out/film").glob("*.jpg"))) == 14


@pytest.mark.slow
def test_a_tar_has_a_sample_a_frame(store, tmp_path):
    export(store, tmp_path / "out", "webdataset")
    video = ff.open(store)[ID]
    (path,) = (tmp_path / "out").glob("ward*.tar")
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, suffix = member.name.rsplit("/", 1)[1].split(".", 1)
            samples.setdefault(key, {})[suffix] = tar.extractfile(member).read()
    assert len(samples) == 60
    assert [sample["jpg"] for sample in samples.values()] == video.encoded(range(60))
    facts = [json.loads(sample["json"]) for sample in samples.values()]
    assert [(f["frame"], f["pts"], f["seconds"]) for f in facts] == times(video.table)
    assert {f["video"] for f in facts} == {ID}


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        base = stream.time_base
    return base, [f.pts for f in frames], np.stack([f.to_ndarray(format="rgb24") for f in frames])


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", [ID, "even"])
def test_an_mp4_keeps_every_tick(store, tmp_path, name):
    export(store, tmp_path / "out", "mp4", name)
    video = ff.open(store)[name]
    (path,) = (tmp_path / "out").glob("*.mp4")
    base, pts, pixels = decoded(path)
    assert base == video.table.time_base
    assert pts == video.table.pts.tolist()
    assert psnr(pixels, video.read(rows=range(len(pts))).frames) > 30
    with av.open(str(path)) as container:
        (*_, last) = (p for p in container.demux(video=0) if p.pts is not None)
    assert last.pts + last.duration == video.facts["end_pts"]
    facts = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    assert [row["pts"] for row in facts["frames"]] == pts


@pytest.mark.slow
def test_a_start_between_milliseconds_is_kept(tmp_path):
    with av.open(str(tmp_path / "late.ts"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 90000)
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 9 * number, np.uint8))
            frame.pts = 48_001 + 3003 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    ff.index(tmp_path / "late.ts", tmp_path / "s", fps=None, size=96)
    export(tmp_path / "s", tmp_path / "out", "mp4", "late")
    video = ff.open(tmp_path / "s")["late"]
    assert video.facts["start_pts"] * 1000 % 90000
    base, pts, _ = decoded(tmp_path / "out" / "late.ts.mp4")
    assert (base, pts) == (Fraction(1, 90000), video.table.pts.tolist())


@pytest.mark.slow
def test_odd_pictures_and_odd_time_bases_become_an_mp4(tmp_path):
    write_film(tmp_path / "a.avi", Film(frames=20, fps=30, codec="mpeg4", suffix=".avi", ticks=1))
    ff.index(tmp_path / "a.avi", tmp_path / "s", fps=None, size=(49, 65))
    export(tmp_path / "s", tmp_path / "out", "mp4", "a")
    video = ff.open(tmp_path / "s")["a"]
    base, pts, pixels = decoded(tmp_path / "out" / "a.avi.mp4")
    exact = [tick * video.table.time_base for tick in video.table.pts.tolist()]
    assert [tick * base for tick in pts] == exact
    assert psnr(pixels, video.read(rows=range(20)).frames) > 30


@pytest.mark.slow
def test_a_lerobot_dataset_is_laid_out_as_its_info_says(store, tmp_path):
    export(store, tmp_path / "out", "lerobot", "even", ID)
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    assert (info["codebase_version"], info["total_frames"]) == ("v2.1", 110)
    lines = (tmp_path / "out/meta/episodes.jsonl").read_text().splitlines()
    episodes = [json.loads(line) for line in lines]
    assert [episode["length"] for episode in episodes] == [50, 60]
    index = []
    for number, name in enumerate(["even", ID]):
        place = {"episode_chunk": 0, "episode_index": number}
        table = pq.read_table(tmp_path / "out" / info["data_path"].format(**place)).to_pydict()
        video = ff.open(store)[name]
        assert list(zip(table["source_frame"], table["pts"], table["seconds"], strict=True)) == (
            times(video.table)
        )
        assert set(table) == set(info["features"]) - {"observation.images.video"}
        path = info["video_path"].format(**place, video_key="observation.images.video")
        base, pts, pixels = decoded(tmp_path / "out" / path)
        assert [float(tick * base) for tick in pts] == pytest.approx(table["timestamp"], abs=1e-6)
        assert psnr(pixels, video.read(rows=range(len(pts))).frames) > 30
        index += table["index"]
    assert index == list(range(110))


@pytest.mark.slow
def test_wrong_exports_are_refused(store, tmp_path):
    def said(*words):
        done = CliRunner().invoke(main, ["export", *map(str, words)])
        assert done.exit_code == 1
        return done.output

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert "'full' is not empty" in said(
        store, "even", "--to", tmp_path / "full", "--format", "mp4"
    )
    new = ["--to", tmp_path / "new", "--format", "jpeg"]
    assert "named twice" in said(store, "even", "even", *new)
    assert "no video 'odd'" in said(store, "odd", *new)
    put(tmp_path / "s", "film")
    put(tmp_path / "s", "other", recipe=Recipe(fps=5, size="64"))
    words = said(tmp_path / "s", "film", "other", "--to", tmp_path / "new", "--format", "lerobot")
    assert "one picture size and rate" in words


@pytest.mark.slow
def test_stored_pictures_are_read_by_any_jpeg_reader(store, tmp_path):
    export(store, tmp_path / "out", "jpeg", "even")
    video = ff.open(store)["even"]
    rows = json.loads((tmp_path / "out/even.mp4/frames.json").read_text())["frames"]
    pixels = simplejpeg.decode_jpeg((tmp_path / "out/even.mp4" / rows[7]["file"]).read_bytes())
    np.testing.assert_array_equal(pixels, video.read(rows=[7]).frames[0])


DAMAGED = [3, 4, 11]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jpeg", "webdataset", "mp4", "lerobot"])
def test_rows_that_may_be_damaged_are_marked_in_every_format(tmp_path, form):
    marks = np.isin(np.arange(20), DAMAGED)
    put(tmp_path / "s", "film", is_damaged=marks, bad_ranges=[[6, 8]])
    export(tmp_path / "s", tmp_path / "out", form, "film")
    assert list(marks_of(tmp_path / "out", form)) == [marks.tolist()] * (2 - (form in LONE))


LONE = ("webdataset", "lerobot")
"""Formats that say it once; the others say it in JSON and in Parquet."""


def marks_of(folder, form):
    """The column of each file that says it."""
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".json" and form in ("jpeg", "mp4"):
            yield [row["is_damaged"] for row in json.loads(file.read_text())["frames"]]
        elif file.suffix == ".parquet":
            yield pq.read_table(file)["is_damaged"].to_pylist()
        elif file.suffix == ".tar":
            with tarfile.open(file) as tar:
                texts = [tar.extractfile(m).read() for m in tar if m.name.endswith(".json")]
            yield [json.loads(text)["is_damaged"] for text in texts]


@pytest.mark.slow
def test_jpeg_quality_is_the_one_asked_for(films):
    batch = ff.read(films("x264_uneven"), frames=[0, 40])
    coarse, usual, fine = (batch.jpeg(quality=quality) for quality in (20, 90, 98))
    for small, middle, large, frame in zip(coarse, usual, fine, batch, strict=True):
        assert len(small) < len(middle) < len(large)
        errors = [psnr(simplejpeg.decode_jpeg(data), frame) for data in (small, middle, large)]
        assert errors == sorted(errors)
    assert batch.jpeg() == usual
