"""Indexing: what a corpus engineer is promised."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main
from fewframes.errors import UnreadableMediaError
from fewframes.indexing.discovery import find_films

SHORT = Film(frames=75, size=(144, 256), options={"g": "25"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two good films, one below the other's folder."""
    root = tmp_path_factory.mktemp("corpus")
    (root / "ward").mkdir()
    write_film(root / "a.mp4", SHORT)
    write_film(root / "ward" / "b.mkv", Film(frames=50, suffix=".mkv"))
    return root


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.slow
def test_a_folder_becomes_a_store_with_ids_below_it(folder, tmp_path):
    report = ff.index(folder, tmp_path / "s.zarr", size=128)
    assert report.exit_status == 0
    store = ff.open(tmp_path / "s.zarr")
    assert list(store) == ["a.mp4", "ward/b.mkv"]
    assert len(store["a"].table) == 6
    assert store["a"].frame_size == (72, 128)


@pytest.mark.slow
def test_rows_are_the_frames_on_screen_and_pictures_are_those_of_the_film(folder, tmp_path):
    ff.index(folder / "a.mp4", tmp_path / "s.zarr", fps=5, size=None, quality=100, dedup=0)
    video = ff.open(tmp_path / "s.zarr")["a"]
    assert video.table.frame_numbers.tolist() == list(range(0, 75, 5))
    stored = video.read(frames=video.table.frame_numbers)
    direct = ff.read(folder / "a.mp4", frames=video.table.frame_numbers)
    difference = np.abs(stored.frames.astype(int) - direct.frames.astype(int))
    assert difference.mean() < 3
    np.testing.assert_array_equal(stored.pts, direct.pts)
    np.testing.assert_array_equal(stored.seconds, direct.seconds)


@pytest.mark.slow
def test_stock_zarr_and_parquet_read_a_store(folder, tmp_path):
    import pyarrow.parquet as pq
    import zarr

    ff.index(folder / "a.mp4", tmp_path / "s.zarr")
    (group,) = (tmp_path / "s.zarr" / "videos").glob("*/*/*/")
    frames = zarr.open(group, mode="r")["frames"]
    video = ff.open(tmp_path / "s.zarr")["a"]
    np.testing.assert_array_equal(frames[:], video.read(frames=video.table.frame_numbers).frames)
    assert pq.read_table(group / "frames.parquet").num_rows == len(video.table)


@pytest.mark.slow
def test_a_second_run_decodes_nothing(folder, tmp_path):
    ff.index(folder, tmp_path / "s.zarr")
    again = ff.index(folder, tmp_path / "s.zarr")
    assert [outcome.status for outcome in again.outcomes] == ["done", "done"]
    assert sum(outcome.pictures for outcome in again.outcomes) == 0


@pytest.mark.slow
def test_a_changed_film_is_indexed_anew_if_it_is_to_replace_the_former(tmp_path):
    write_film(tmp_path / "a.mp4", SHORT)
    ff.index(tmp_path / "a.mp4", tmp_path / "s.zarr")
    write_film(tmp_path / "a.mp4", Film(frames=100, size=(144, 256)))
    report = ff.index(tmp_path / "a.mp4", tmp_path / "s.zarr", replace=True)
    assert report.outcomes[0].status == "ok"
    store = ff.open(tmp_path / "s.zarr")
    assert list(store) == ["a.mp4"]
    assert len(store["a"].table) == 8


@pytest.mark.slow
def test_still_footage_is_stored_once_and_keeps_every_time(tmp_path):
    import av

    with av.open(str(tmp_path / "still.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), 90, np.uint8))
        for number in range(60):
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    report = ff.index(tmp_path / "still.mp4", tmp_path / "s.zarr")
    assert (report.outcomes[0].rows, report.outcomes[0].stored) == (12, 1)
    video = ff.open(tmp_path / "s.zarr")["still"]
    assert len(np.unique(video.sample(budget=8).pts)) == 8


def test_ids_keep_their_suffixes_and_can_be_set(tmp_path):
    for name in ("x.mp4", "x.mkv", "y.mp4", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).touch()
    assert list(find_films([tmp_path])) == ["x.mkv", "x.mp4", "y.mp4"]
    set_ids = find_films([tmp_path / "y.mp4"], {tmp_path / "y.mp4": "case 7/left"})
    assert list(set_ids) == ["case 7/left"]


@pytest.mark.slow
def test_a_bad_film_among_good_ones_is_listed_and_stops_nothing(folder, tmp_path):
    (folder / "bad.mp4").write_text("this is not a video\n" * 50)
    result = run("index", folder, "-o", tmp_path / "s.zarr")
    (folder / "bad.mp4").unlink()
    assert result.exit_code == 3
    assert "failed: bad.mp4: 'bad.mp4' is not a video that FFmpeg can read" in result.output
    assert "Traceback" not in result.output
    assert list(ff.open(tmp_path / "s.zarr")) == ["a.mp4", "ward/b.mkv"]


@pytest.fixture
def truncated(folder, tmp_path):
    """The first half of a Matroska film."""
    whole = (folder / "ward" / "b.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "cut.mkv"


@pytest.mark.slow
def test_a_truncated_film_is_indexed_as_far_as_it_decodes(truncated, tmp_path):
    result = run("index", truncated, "-o", tmp_path / "s.zarr", "--fps", "all")
    assert result.exit_code == 3
    video = ff.open(tmp_path / "s.zarr")["cut"]
    assert video.status == "damaged"
    assert 5 < len(video.table) < 45


@pytest.mark.slow
def test_strict_refuses_a_truncated_film(truncated, tmp_path):
    result = run("index", truncated, "-o", tmp_path / "s.zarr", "--strict")
    assert result.exit_code == 1
    assert "damaged" in result.output
    assert len(ff.open(tmp_path / "s.zarr")) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.mp4", None, "does not exist"),
        ("text.mp4", b"not a video", "not a video that FFmpeg can read"),
        ("empty.mp4", b"", "is empty (0 bytes)"),
    ],
)
@pytest.mark.parametrize("command", ["probe", "index", "sample"])
def test_bad_input_is_one_sentence_and_exit_status_1(tmp_path, name, content, words, command):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    more = ["-o", tmp_path / "s.zarr"] if command == "index" else []
    result = run(command, tmp_path / name, *more)
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.slow
def test_wrong_usage_is_exit_status_2(folder, tmp_path):
    assert run("index", folder).exit_code == 2
    assert run("sample", folder / "a.mp4", "--size", "huge").exit_code == 2
    assert run("nonsense").exit_code == 2


@pytest.mark.slow
def test_sample_json_is_one_object_with_times_in_order(folder, tmp_path):
    run("index", folder, "-o", tmp_path / "s.zarr")
    result = run("sample", tmp_path / "s.zarr", "a", "-k", 3, "--json")
    said = json.loads(result.output)
    assert list(said) == ["video", "policy", "budget", "repaired_frames", "frames"]
    assert (said["video"], said["policy"], said["budget"]) == ("a.mp4", "adaptive", 3)
    assert [list(row) for row in said["frames"]] == [["frame", "pts", "seconds", "score"]] * 3
    times = [row["seconds"] for row in said["frames"]]
    assert times == sorted(times)


@pytest.mark.slow
def test_file_and_store_choose_the_same_frames(folder, tmp_path):
    ff.index(folder / "a.mp4", tmp_path / "s.zarr")
    stored = ff.open(tmp_path / "s.zarr")["a"].sample(budget=4)
    direct = ff.sample(folder / "a.mp4", budget=4)
    np.testing.assert_array_equal(stored.frame_numbers, direct.frame_numbers)


@pytest.mark.slow
def test_a_killed_run_leaves_whole_films_only_and_goes_on(folder, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    for number in range(6):
        write_film(films / f"{number}.mp4", Film(frames=70 + number))
    command = [sys.executable, "-m", "fewframes", "index", films, "-o", tmp_path / "s.zarr"]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().startswith("[1/6]")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for video in ff.open(tmp_path / "s.zarr").values():
        assert len(video.sample(budget=2)) == 2
    report = ff.index(films, tmp_path / "s.zarr")
    assert report.exit_status == 0
    assert {outcome.status for outcome in report.outcomes} <= {"ok", "done"}
    assert len(ff.open(tmp_path / "s.zarr")) == 6


def test_a_missing_path_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(UnreadableMediaError, match="does not exist; check the path"):
        ff.index([tmp_path / "nowhere"], tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.slow
def test_progress_is_told_frames_and_outcomes(folder, tmp_path):
    seen = []
    ff.index(folder, tmp_path / "s.zarr", progress=seen.append)
    assert [p.outcome.status for p in seen if p.outcome] == ["ok", "ok"]
    assert seen[-1].films_done == seen[-1].films_total == 2
    assert max(p.frames_done for p in seen if p.video_id == "a.mp4") == 6


@pytest.mark.slow
def test_a_film_that_gives_no_sign_fails_alone(folder, tmp_path):
    how = {"workers": 1, "allow_all_failed": True}
    report = ff.index(folder, tmp_path / "s.zarr", limit_seconds=0.01, **how)
    assert report.exit_status == 1
    assert all("no sign for 0.01" in outcome.reason for outcome in report.outcomes)
    assert ff.index(folder, tmp_path / "s.zarr", workers=2).exit_status == 0
