"""Annotations, and files of published benchmarks: what is read is what was meant, or an error."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fewframes.bench.converters import CONVERTERS, convert
from fewframes.metrics.annotations import Annotation, Event, read_annotations, write_annotations

CG_BENCH = [
    {
        "qid": 7,
        "video_uid": "abc",
        "question": "Who opens the door?",
        "choices": ["A", "B"],
        "right_answer": "A",
        "clue_intervals": [[10, 14], [100, 101.5]],
        "duration": 600.0,
    },
    {"qid": 8, "video_uid": "abc", "question": "?", "clue_intervals": [[5, 6]], "duration": 600.0},
    {"qid": 9, "video_uid": "abc", "question": "?", "clue_intervals": [], "duration": 600.0},
]
LV_HAYSTACK = [
    {
        "video_id": "ego",
        "question": "Where is the knife?",
        "frame_indexes_video": [300, 330],
        "video_metadata": {"frame_rate": 30.0, "video_duration": 480.0},
    }
]
MOMENT_SEEKER = [
    {
        "src_video_path": "./videos/ego_79.mp4",
        "qry_text": "a dog jumps",
        "answering_time_interval": [[3.5, 9.0]],
    }
]
MED_HORIZON = [
    {
        "key": "002-010",
        "video_path": "real_colon/002-010.mp4",
        "fps": 25.0,
        "num_frames": 25000,
        "duration_seconds": 1000.0,
        "qa": [
            {"uid": "q0", "question": "How many polyps?", "evidence_intervals": [[60.0, 62.0]]},
            {"uid": "q1", "question": "Where?", "evidence_frames": [250, 251, 252, 500]},
            {"uid": "q2", "question": "Why?"},
        ],
    }
]
FILES = {
    "cg-bench": ("cgbench.json", CG_BENCH),
    "lv-haystack": ("haystack.json", LV_HAYSTACK),
    "momentseeker": ("t2v.json", MOMENT_SEEKER),
    "medhorizon": ("mlvbench_test.jsonl", MED_HORIZON),
}


def written(folder, name, rows):
    path = folder / name
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text(json.dumps(rows))
    return path


def spans(annotation):
    return [(event.query, event.start, event.end) for event in annotation.events]


def test_a_written_file_is_read_as_it_was(tmp_path):
    films = [
        Annotation("a/b", 90.0, (Event(1.5, 3.0, 2, "clip", "q"), Event(4, 4)), {"q": "Où?"}),
        Annotation("c", None, (Event(0.0, 1.0),)),
    ]
    write_annotations(films, tmp_path / "a.jsonl")
    assert read_annotations(tmp_path / "a.jsonl") == films


def test_cg_bench_keeps_every_clue_of_every_question(tmp_path):
    (film,), left_out = convert(written(tmp_path, *FILES["cg-bench"]), "cg-bench")
    assert (film.video, film.duration_seconds, left_out) == ("abc", 600.0, 1)
    assert spans(film) == [("7", 10.0, 14.0), ("7", 100.0, 101.5), ("8", 5.0, 6.0)]
    assert film.questions == {"7": "Who opens the door?", "8": "?"}


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_lv_haystack_keyframes_are_moments(tmp_path, suffix):
    path = tmp_path / f"lvh{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(LV_HAYSTACK), path)
    else:
        written(tmp_path, path.name, LV_HAYSTACK)
    (film,), _ = convert(path, "lv-haystack")
    assert spans(film) == [("0", 10.0, 10.0), ("0", 11.0, 11.0)]
    assert film.duration_seconds == 480.0


def test_moment_seeker_leaves_the_length_to_the_store(tmp_path):
    (film,), _ = convert(written(tmp_path, *FILES["momentseeker"]), "momentseeker")
    assert (film.video, film.duration_seconds) == ("ego_79", None)
    assert spans(film) == [("0", 3.5, 9.0)]


def test_med_horizon_takes_seconds_or_frames(tmp_path):
    (film,), left_out = convert(written(tmp_path, *FILES["medhorizon"]), "medhorizon")
    assert (film.video, left_out) == ("real_colon/002-010", 1)
    expected = [("q0", 60.0, 62.0), ("q1", 10.0, 10.12), ("q1", 20.0, 20.04)]
    assert spans(film) == expected


def test_a_release_without_evidence_is_an_error_not_an_empty_file(tmp_path):
    bare = [{**MED_HORIZON[0], "qa": [{"uid": "q2", "question": "Why?"}]}]
    with pytest.raises(ValueError, match=r"mlv\.jsonl has no evidence for any of 1 questions"):
        convert(written(tmp_path, "mlv.jsonl", bare), "medhorizon")


def test_every_converter_reads_its_file_back_through_the_form(tmp_path):
    for name in CONVERTERS:
        films, _ = convert(written(tmp_path, *FILES[name]), name)
        write_annotations(films, tmp_path / "out.jsonl")
        assert read_annotations(tmp_path / "out.jsonl") == films


GOOD = {"video": "a", "duration_seconds": 9, "events": [{"start": 1, "end": 2}]}
BAD_LINES = {
    "not json {": r"a\.jsonl, line 2: this is not JSON \(.*, column 1\)",
    "[1]": "line 2: here is list, not a JSON object",
    json.dumps({**GOOD, "video": ""}): "line 2: video is ''; pass the id",
    json.dumps({**GOOD, "video": "b", "events": []}): "line 2: events of 'b' is",
    json.dumps({**GOOD, "video": "b", "duration_seconds": -1}): "duration_seconds is -1.0",
    json.dumps({**GOOD, "video": "b", "duration_seconds": "9"}): "is '9', not a finite number",
    json.dumps({**GOOD, "video": "b", "event": []}): "field 'event' is unknown; pass some of",
    json.dumps(GOOD): "line 2: video 'a' is on line 1 already; join the two",
    **{
        json.dumps({**GOOD, "video": "b", "events": [event]}): words
        for event, words in (
            ({"start": 3, "end": 2}, r"line 2: events\[0\] ends at 2.0 s, before it starts"),
            ({"start": 9, "end": 9.5}, "starts at 9.0 s, but the video has 0 to 9.0 s"),
            ({"start": -1, "end": 2}, "starts at -1.0 s"),
            ({"start": 1}, r"events\[0\]\.end is None"),
            ({"start": float("nan"), "end": 2}, r"events\[0\]\.start is nan"),
            ({"start": 1, "end": 2, "grade": 1.5}, r"events\[0\]\.grade is 1\.5; pass a whole"),
            ({"start": 1, "end": 2, "query": 4}, r"events\[0\]\.query is 4; pass a text"),
            ({"start": 1, "stop": 2}, "field 'stop' is unknown"),
        )
    },
}


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_named_with_its_file_and_number(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(ValueError, match=BAD_LINES[line]):
        read_annotations(path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n\n")
    with pytest.raises(ValueError, match="has no annotations"):
        read_annotations(tmp_path / "a.jsonl")


BAD_RECORDS = [
    ("cg-bench", {"clue_intervals": [[1]]}, r"item 0: clue_intervals\[0\] is \[1\]"),
    ("cg-bench", {"clue_intervals": [[4, 3]]}, "ends at 3.0 s, before it starts"),
    ("cg-bench", {"video_uid": None}, "item 0: video_uid is None"),
    ("cg-bench", {"duration": None}, "duration is None, not a finite number"),
    ("lv-haystack", {"video_metadata": None}, "video_metadata is None"),
    ("lv-haystack", {"frame_indexes_video": [1.5]}, r"frame_indexes_video is \[1\.5\]"),
    ("momentseeker", {"answering_time_interval": "3-9"}, "answering_time_interval is '3-9'"),
    ("medhorizon", {"qa": None}, "line 1: qa is None"),
    ("medhorizon", {"fps": 0}, "line 1: fps is 0.0, but evidence_frames need a rate"),
]


@pytest.mark.parametrize(("name", "change", "words"), BAD_RECORDS)
def test_a_bad_record_is_named_with_its_file_and_place(tmp_path, name, change, words):
    file, rows = FILES[name]
    with pytest.raises(ValueError, match=words):
        convert(written(tmp_path, file, [{**rows[0], **change}]), name)


def test_two_lengths_of_one_video_are_an_error(tmp_path):
    rows = [CG_BENCH[0], {**CG_BENCH[1], "duration": 500.0}]
    with pytest.raises(ValueError, match=r"item 1: video 'abc' is 500\.0 s, but 600\.0 s before"):
        convert(written(tmp_path, "cgbench.json", rows), "cg-bench")
