"""Videos that share pictures are found by their tables, and a split keeps them on one side."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from imageio_ffmpeg import get_ffmpeg_exe
from stored import HEIGHT, RECIPE, WIDTH, film, jpeg, table_of

import fewframes as ff
from fewframes.cli.main import main
from fewframes.errors import CorruptStoreError
from fewframes.features.scan_result import ScanResult
from fewframes.store.duplicates import find_duplicates
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.together import read_anchors
from fewframes.store.writer import VideoWriter
from fewframes.training.clips import ClipPlan

ROWS = 400
"""Of each film, 12.5 a second: 32 s."""


def pictures(seed, rows=ROWS):
    """Hashes and signatures of a film, other ones for each seed."""
    random = np.random.default_rng(seed)
    signatures = random.normal(size=(rows, 16)).astype(np.float32)
    signatures /= np.linalg.norm(signatures, axis=1, keepdims=True)
    return random.integers(1, 2**64, rows, dtype=np.uint64), signatures


def put(store, video_id, seen, *, digest=None, **signals):
    """Stores a video whose rows show these pictures, and which is another film."""
    hashes, signatures = seen
    timeline = film(2 * len(hashes))
    table = table_of(timeline)
    signals = {"dhash64": hashes, **signals}
    table = replace(table, signals=signals, signatures=signatures)
    with VideoWriter(store, video_id=video_id, recipe=RECIPE, height=HEIGHT, width=WIDTH) as out:
        slots = np.full(len(table), out.append(jpeg(1)))
        scanned = ScanResult(timeline=timeline, table=table, slots=slots)
        return out.commit(scanned, source_digest=digest or video_id)


def spliced(one, other, *, first, last, at=0):
    """Pictures of one, with a stretch of another in their midst."""
    mixed = tuple(part.copy() for part in one)
    for part, theirs in zip(mixed, other, strict=True):
        part[at : at + last - first] = theirs[first:last]
    return mixed


@pytest.fixture
def shared(where):
    """Two films with 10 s in common, a copy of one of them, a stranger."""
    put(where, "a", pictures(1), digest="first")
    put(where, "b", spliced(pictures(2), pictures(1), first=100, last=225, at=50))
    put(where, "copy", pictures(1), digest="first")
    put(where, "stranger", pictures(3))
    return where


def test_what_is_shared_is_told_with_its_places(shared):
    found = find_duplicates(shared)
    assert [(one.video_a, one.video_b, one.is_copy) for one in found.spans] == [
        ("a", "copy", True),
        ("a", "b", False),
    ]
    (copy, cut) = found.spans
    assert (cut.start_a, cut.end_a, cut.start_b, cut.end_b) == (8, 18, 4, 14)
    assert (cut.seconds, cut.share) == (10, 1)
    assert (copy.start_a, copy.end_b, copy.seconds) == (0, 32, 32)
    assert (found.rows, found.flat_rows, found.problems) == (3 * ROWS, 0, ())
    assert [one.is_copy for one in find_duplicates(shared, min_seconds=12).spans] == [True]


def test_the_command_prints_a_line_for_each(shared):
    done = CliRunner().invoke(main, ["duplicates", str(shared)])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "a  0.00 32.00  copy  0.00 32.00  32.00 s  copy",
        "a  8.00 18.00  b  4.00 14.00  10.00 s  100%",
    ]
    assert done.stderr == "1200 rows compared; 0 flat and 0 common ones tell nothing\n"
    told = CliRunner().invoke(main, ["duplicates", str(shared), "--json", "--min-seconds", "12"])
    (line,) = told.stdout.splitlines()
    assert json.loads(line)["video_b"] == "copy"


def test_pictures_of_other_colours_are_not_the_same(tmp_path):
    (hashes, signatures), (_, others) = pictures(1), pictures(2)
    put(tmp_path / "s", "a", (hashes, signatures))
    put(tmp_path / "s", "b", (hashes, others))
    assert find_duplicates(tmp_path / "s").spans == ()
    put(tmp_path / "s", "c", (hashes, None))
    spans = find_duplicates(tmp_path / "s").spans
    assert [(one.video_a, one.video_b) for one in spans] == [("a", "c"), ("b", "c")], "hashes alone"


def test_flat_pictures_tell_nothing(tmp_path):
    for name in "ab":
        put(tmp_path / "s", name, pictures(1), contrast=np.full(ROWS, 2.9, np.float32))
    found = find_duplicates(tmp_path / "s")
    assert (found.spans, found.flat_rows) == ((), 2 * ROWS)


def test_damage_is_told_and_the_rest_is_compared(shared, tmp_path):
    broken, bare = put(shared, "broken", pictures(1)), put(shared, "other", pictures(4))
    store = resolve_store(shared)
    for commit, path in ((broken, "frames.parquet"), (bare, "signatures/c/0/0")):
        key = f"{commit.home}/{commit.facts['attempt']}/{path}"
        store.put(key, store.read(key)[:-1] + b"x")
    put(shared, "third", pictures(4))
    done = CliRunner().invoke(main, ["duplicates", str(shared)])
    assert done.exit_code == 3
    assert "not compared: frames.parquet of video 'broken' is damaged\n" in done.stderr
    assert "signatures/c/0/0 of video 'other' is damaged" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["a", "a", "other"]


def sides(where):
    """On which sides videos are, for many shares."""
    windows = {"past_seconds": 0.2, "stride_seconds": 4}
    found = {name: [] for name in ff.open(where)}
    for share in np.linspace(0.05, 0.95, 19).tolist():
        try:
            train = {video.id for video in ClipPlan(where, videos=share, **windows).videos}
        except ValueError:  # it chooses none
            train = set()
        for name, side in found.items():
            side.append(name in train)
    return found


@pytest.mark.slow
def test_copies_are_on_one_side_and_what_shares_pictures_once_it_is_saved(shared):
    before = sides(shared)
    assert before["a"] == before["copy"]
    assert before["a"] != before["b"]
    find_duplicates(shared, save=True)
    after = sides(shared)
    assert after["b"] == after["a"] == before["a"], "the one that was there first stays"
    assert after["stranger"] == before["stranger"]
    opened = dict(ff.open(shared).items())
    assert [v.id for v in ClipPlan(opened, past_seconds=1, stride_seconds=4).videos]


@pytest.mark.slow
def test_a_split_stays_as_it_is_when_videos_come_go_and_are_renamed(shared):
    find_duplicates(shared, save=True)
    before = sides(shared)
    put(shared, "0 new", spliced(pictures(5), pictures(2), first=300, last=400))
    put(shared, "another name of b", pictures(2), digest="b")
    put(shared, "alone", pictures(6))
    assert {name: side for name, side in sides(shared).items() if name in before} == before
    assert sides(shared)["another name of b"] == before["b"], "it is known by its content"
    find_duplicates(shared, save=True)
    after = sides(shared)
    assert {name: side for name, side in after.items() if name in before} == before
    assert after["0 new"] == before["a"], "by way of b"
    remove_videos(shared, ["a", "copy", "0 new"])
    find_duplicates(shared, save=True)
    assert sides(shared)["b"] == before["b"], "though its anchor is gone"
    assert read_anchors(resolve_store(shared)) == {"b": "first"}


def test_what_was_saved_and_is_damaged_is_an_error(shared):
    find_duplicates(shared, save=True)
    store = resolve_store(shared)
    data = store.read("duplicates.json")
    for wrong in (
        data.replace(b'"b":"first"', b'"b":"b"'),
        data[:-2],
        b"[]",
        b'{"anchors": {"a": 1}}',
    ):
        store.put("duplicates.json", wrong)
        with pytest.raises(CorruptStoreError, match="'fewframes duplicates --save'"):
            ff.open(shared).contents()
    done = CliRunner().invoke(main, ["duplicates", str(shared), "--save"])
    assert done.exit_code == 3
    assert "it was made anew, and sides of a split may be others" in done.stderr
    assert len(read_anchors(store)) == 2


CUTS = {
    "bbb_480p_30s.mp4": (7.37, 14, 30, 32, 426),
    "nasa_earth_30s.mp4": (3.21, 12, 25, 30, 320),
    "nasa_apollo15_360p_vp9_frag.mp4": (20.13, 15, 25, 30, 320),
    "intel_bottle_detection.mp4": (8.6, 12, 24, 30, 320),
    "moviepy_chaplin.mp4": (1.3, 7, 30, 28, 480),
}
"""Start, length, frames a second, CRF and width of what is cut out of each."""
STRANGERS = ("imageio_cockatoo_yuv420.mp4", "moviepy_timecode_16s.mp4", "sam2_dog.mp4")


@pytest.mark.slow
def test_real_footage_that_was_cut_scaled_and_coded_again_is_found(footage, tmp_path):
    for name, (start, length, rate, crf, width) in CUTS.items():
        how = ["-r", str(rate), "-c:v", "libx264", "-crf", str(crf), "-vf", f"scale={width}:-2"]
        cut = [get_ffmpeg_exe(), "-v", "error", "-ss", str(start), "-t", str(length), "-i"]
        out = tmp_path / f"cut_{name.split('.')[0]}.mp4"
        subprocess.run([*cut, str(footage / name), "-an", *how, str(out)], check=True)
    films = [*tmp_path.glob("*.mp4"), *(footage / name for name in (*CUTS, *STRANGERS))]
    ff.index(films, tmp_path / "s", size=160, workers=1)
    found = {(one.video_a, one.video_b): one for one in find_duplicates(tmp_path / "s").spans}
    names = {name.split(".")[0] for name in CUTS}
    pairs = {tuple(sorted(id_.split(".")[0] for id_ in pair)) for pair in found}
    assert pairs == {tuple(sorted((f"cut_{name}", name))) for name in names}
    for one in found.values():
        start, length, *_ = next(CUTS[n] for n in CUTS if n.split(".")[0] in one.video_b)
        is_first = one.video_a.startswith("cut_")
        at = one.start_b - one.start_a if is_first else one.start_a - one.start_b
        assert at == pytest.approx(start, abs=0.5)
        assert one.seconds == pytest.approx(length, abs=1.5)
