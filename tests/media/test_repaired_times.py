"""What is promised of frames whose stamps do not fit: whoever gets their times is told so."""

import json
import tarfile
from dataclasses import replace

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from stored import film, put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.formatting import video_facts
from fewframes.cli.main import main
from fewframes.indexing.reporting import Reporter
from fewframes.media.timeline import NO_PTS
from fewframes.models.neighbours import with_neighbours

HALF = Film(frames=20, size=(96, 128), suffix=".ts", ticks=1, options={"g": "10"})
NOTE = "the clock starts again at frame 20 (0.800 s)"


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """Two recordings end to end: the second one's clock starts again."""
    path = tmp_path_factory.mktemp("joined") / "film.ts"
    write_film(path, HALF)
    path.write_bytes(path.read_bytes() * 2)
    return path


@pytest.fixture(scope="module")
def report(joined):
    return ff.index(joined, joined.parent / "s", fps=None, size=96)


@pytest.fixture(scope="module")
def video(joined, report):
    return ff.open(joined.parent / "s")["film"]


def stamps_of(path):
    """The times that a plain decode gives."""
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0)]


def run(*words):
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_a_batch_marks_them(joined):
    batch = ff.read(joined, frames=[25, 3, 20])
    assert batch.is_repaired.tolist() == [True, False, True]
    assert batch.report["repaired_times"] == 2
    clean = ff.read(joined, frames=[3, 19])
    assert (clean.is_repaired, clean.report["repaired_times"]) == (None, 0)


@pytest.mark.slow
def test_probe_says_it(joined):
    facts = json.loads(run("probe", joined, "--json"))
    assert (facts["timing"], facts["repaired_frames"], facts["damage"]) == ("repaired", 20, [])
    assert facts["notes"][0].startswith(NOTE)
    lines = [line.split() for line in run("probe", joined).splitlines()]
    assert ["timing", "repaired"] in lines
    assert ["repaired", "frames", "20"] in lines
    assert any(line[0] == "notes" and "clock" in line for line in lines)


@pytest.mark.slow
def test_a_run_says_it_and_all_is_well(report, capsys):
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.reason, report.exit_status) == ("ok", "", 0)
    assert outcome.notes.startswith(NOTE)
    Reporter().finish(report)
    assert f"note: film.ts: {NOTE}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_store_keeps_the_stamps(joined, video):
    assert video.container_pts.tolist() == stamps_of(joined)
    assert video.is_repaired.tolist() == [False] * 20 + [True] * 20
    assert video.facts["notes"][0].startswith(NOTE)
    facts = video_facts(video)
    assert (facts["timing"], facts["repaired_frames"]) == ("repaired", 20)
    rows = pq.read_table(video.commit.folder / "frames.parquet").to_pydict()
    assert rows["container_pts"] == stamps_of(joined)
    assert rows["is_repaired"] == video.is_repaired.tolist()


@pytest.mark.slow
def test_batches_of_a_store_mark_them(joined, video):
    assert video.read(rows=[25, 3]).is_repaired.tolist() == [True, False]
    assert video.read(rows=[25, 3]).report["repaired_times"] == 1
    assert video.read(rows=[3]).is_repaired is None
    looked = ff.Session(video).look(0.7, 0.9, 6)
    assert looked.is_repaired.tolist() == (looked.frame_numbers >= 20).tolist()
    assert len(set(looked.is_repaired.tolist())) == 2
    crop = ff.Session(video, film=joined).zoom(1.0, (0.0, 0.0, 0.5, 0.5))
    assert crop.is_repaired.tolist() == [True]
    both = with_neighbours(video.read(rows=[2, 19]), video, near_seconds=0.05)
    assert both.frame_numbers.tolist() == [2, 3, 19, 20]
    assert both.is_repaired.tolist() == [False, False, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["openai", "qwen3-vl"])
def test_who_tells_a_model_times_says_it(video, runtime):
    handed = video.read(rows=[3, 25, 30]).to(runtime)
    assert handed.report["repaired_frames"] == [25, 30]
    assert video.read(rows=[3]).to(runtime).report["repaired_frames"] == []


@pytest.mark.slow
def test_chosen_frames_are_said(video, joined):
    chosen = json.loads(run("sample", joined, "-k", "4", "--policy", "uniform", "--json"))
    assert chosen["repaired_frames"] == [r["frame"] for r in chosen["frames"] if r["frame"] >= 20]
    assert len(chosen["repaired_frames"]) == 2


def check_rows(rows, joined):
    assert [row["container_pts"] for row in rows] == stamps_of(joined)
    assert [row["is_repaired"] for row in rows] == [False] * 20 + [True] * 20


@pytest.mark.slow
def test_every_export_says_it(joined, video, tmp_path):
    store = joined.parent / "s"
    for form in ("jpeg", "webdataset", "mp4", "lerobot"):
        run("export", store, "film", "--to", tmp_path / form, "--format", form)
    for path in (tmp_path / "jpeg/film.ts/frames.json", tmp_path / "mp4/film.ts.json"):
        facts = json.loads(path.read_text())
        check_rows(facts["frames"], joined)
        assert (facts["timing"], facts["container_time_base"]) == ("repaired", "1/90000")
        assert facts["notes"][0].startswith(NOTE)
    with tarfile.open(tmp_path / "webdataset/film.ts.tar") as tar:
        names = [name for name in tar.getnames() if name.endswith("json")]
        check_rows([json.loads(tar.extractfile(name).read()) for name in names], joined)
    (path,) = (tmp_path / "lerobot").glob("data/*/*.parquet")
    assert pq.read_table(path)["is_repaired"].to_pylist() == [False] * 20 + [True] * 20
    (episode,) = (tmp_path / "lerobot/meta/episodes.jsonl").read_text().splitlines()
    assert json.loads(episode)["fewframes"]["notes"][0].startswith(NOTE)


@pytest.mark.slow
def test_a_stamp_that_is_not_there_is_null(tmp_path, monkeypatch):
    timeline = film(40)
    pts = timeline.packets.pts.copy()
    pts[2] = NO_PTS
    packets = replace(timeline.packets, pts=pts)
    timeline = replace(timeline, packets=packets, repaired=np.array([2]), timing="repaired")
    monkeypatch.setattr("stored.film", lambda _frames: timeline)
    group = put(tmp_path, "film")
    assert pq.read_table(group.folder / "frames.parquet")["container_pts"].to_pylist()[:3] == [
        100,
        None,
        104,
    ]
    video = ff.open(tmp_path)["film"]
    assert video.container_pts[:3].tolist() == [100, NO_PTS, 104]
    run("export", tmp_path, "film", "--to", tmp_path / "out", "--format", "jpeg")
    rows = json.loads((tmp_path / "out/film/frames.json").read_text())["frames"]
    assert [row["container_pts"] for row in rows[:3]] == [100, None, 104]


@pytest.mark.slow
def test_a_store_without_these_columns_still_opens(tmp_path, monkeypatch):
    write = pq.write_table

    def as_before(table, *rest, **options):
        write(table.drop_columns(["container_pts", "is_repaired"]), *rest, **options)

    monkeypatch.setattr(pq, "write_table", as_before)
    put(tmp_path, "film")
    video = ff.open(tmp_path)["film"]
    assert not video.is_repaired.any()
    assert video.container_pts.tolist() == video.table.pts.tolist()
    assert video.read(rows=[0]).is_repaired is None
