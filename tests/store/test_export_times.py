"""What is promised of exported films: each frame is there, in order, at its time, or it is said."""

import json
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from stored import HEIGHT, RECIPE, WIDTH, film, jpeg

import fewframes as ff
from fewframes.features.scan_result import ScanResult
from fewframes.features.table import FrameTable
from fewframes.store.dataset_export import export_videos
from fewframes.store.writer import VideoWriter

YEARS = 47 * 365 * 86400
TIMES = {
    "a tick apart": ([0, 1, 2, 3, 4, 3600], Fraction(1, 90000), 1),
    "stamps that repeat": ([0, 1, 2, 120, 240, 241], Fraction(1, 1000), 3),
    "ticks of more than one": ([7, 8, 9, 11], Fraction(1001, 30000), 1),
    "a late start": ([10**9 + 3600 * k for k in range(6)], Fraction(1, 90000), 1),
    "the time of day": ([YEARS * 1000 + 40 * k for k in range(6)], Fraction(1, 1000), 1),
    "nanoseconds of the day": (
        [YEARS * 10**9 + 10**7 * k for k in range(6)],
        Fraction(1, 10**9),
        1,
    ),
    "a hole in nanoseconds": ([0, 4 * 10**7, 10**10], Fraction(1, 10**9), 1),
    "a start before 0": ([-3, -2, 0, 1], Fraction(1, 25), 1),
    "one frame": ([12], Fraction(1, 25), 1),
}
TOO_LONG = {
    "a hole of years": ([0, 40, YEARS * 1000], Fraction(1, 1000), "frame 1 .* lasts 14821919"),
    "no common tick": ([0, 1, 10**10], Fraction(1, 10**9), "frame 1 .* lasts 10.000 s"),
}


def video_at(folder, pts, time_base, ticks_per_stamp=1):
    """A stored video of which every frame is a row, at these times."""
    timeline = film(len(pts))
    timeline = replace(
        timeline,
        stream=replace(timeline.stream, time_base=time_base),
        pts=np.array(pts),
        ticks_per_stamp=ticks_per_stamp,
    )
    times = (timeline.pts, timeline.time_base, timeline.start_pts, timeline.is_keyframe)
    table = FrameTable(np.arange(len(pts)), *times)
    with VideoWriter(folder, video_id="film", recipe=RECIPE, height=HEIGHT, width=WIDTH) as out:
        slots = [out.append(jpeg(row)) for row in range(len(pts))]
        scanned = ScanResult(timeline=timeline, table=table, slots=np.array(slots))
        out.commit(scanned, source_digest="d1")
    return ff.open(folder)["film"]


def shown_times(folder):
    """The time of every frame that a plain decode of the one film there gives."""
    (path,) = folder.rglob("*.mp4")
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


@pytest.mark.parametrize("form", ["mp4", "lerobot"])
@pytest.mark.parametrize("case", TIMES)
def test_every_frame_is_shown_at_its_time(tmp_path, case, form):
    video = video_at(tmp_path / "s", *TIMES[case])
    export_videos([video], tmp_path / "out", form=form)
    exact = [pts * video.table.time_base for pts in video.table.pts.tolist()]
    zero = exact[0] if form == "lerobot" else min(0, exact[0])
    assert shown_times(tmp_path / "out") == [time - zero for time in exact]
    if form == "mp4":
        facts = json.loads((tmp_path / "out/film.json").read_text())
        assert facts["zero_pts"] * video.table.time_base == zero


@pytest.mark.parametrize("form", ["mp4", "lerobot"])
@pytest.mark.parametrize("case", TOO_LONG)
def test_a_film_that_no_mp4_holds_is_refused_in_words(tmp_path, case, form):
    pts, time_base, words = TOO_LONG[case]
    video = video_at(tmp_path / "s", pts, time_base)
    with pytest.raises(ValueError, match=words + ".*export it as jpeg or webdataset"):
        export_videos([video], tmp_path / "out", form=form)
    export_videos([video], tmp_path / "jpeg", form="jpeg")
    rows = json.loads((tmp_path / "jpeg/film/frames.json").read_text())["frames"]
    assert [row["pts"] for row in rows] == pts
