"""Files of published benchmarks into annotations: ``python -m fewframes.bench.converters``.

A converter is a function from one record of the benchmark to the evidence of one or more questions,
and a row of `CONVERTERS`. Its docstring says which shape it expects and where that is published. A
question without evidence is left out and counted; a file without any evidence is an error.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import click

from fewframes.metrics.annotations import (
    Annotation,
    annotation_from,
    parsed,
    refuse,
    seconds_from,
    write_annotations,
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one video."""

    video: str
    """Id of the video: its file name without folder and suffix."""
    duration_seconds: float | None
    """Length of the video, where the benchmark gives it."""
    query: str
    """Id of the question; two of one video differ."""
    text: str
    """The question."""
    spans: list[tuple[float, float]] = field(default_factory=list)
    """Evidence as (start, end) in seconds; equal ones are moments."""


Convert = Callable[[Mapping[str, Any], str, int], Iterator[Question]]
"""``(record, where, number)``: what errors begin with, and the place of the record from 0."""


def cg_bench(record: Mapping[str, Any], where: str, number: int) -> Iterator[Question]:
    """CG-Bench: a JSON list of questions with ``clue_intervals`` in seconds.

    Fields: ``video_uid``, ``qid``, ``question``, ``duration``, ``clue_intervals`` as
    ``[[start, end], …]``. G. Chen et al., "CG-Bench: Clue-grounded question answering benchmark
    for long video understanding", ICLR 2025, arXiv 2412.12075, file ``cgbench.json``.
    """
    yield Question(
        video=_text(record, "video_uid", where),
        duration_seconds=seconds_from(record.get("duration"), "duration", where=where),
        query=str(record.get("qid", number)),
        text=_text(record, "question", where),
        spans=_spans(record.get("clue_intervals"), "clue_intervals", where),
    )


def lv_haystack(record: Mapping[str, Any], where: str, number: int) -> Iterator[Question]:
    """LV-Haystack: Parquet, JSON or JSON lines of questions with keyframes as moments.

    Fields: ``video_id``, ``question``, ``frame_indexes_video`` (frame numbers), and in
    ``video_metadata`` the ``frame_rate`` and ``video_duration`` (seconds). J. Ye et al.,
    "Re-thinking temporal search for long-form video understanding", CVPR 2025, arXiv 2504.02259,
    data set LVHaystack/LongVideoHaystack. A keyframe is a moment at number / rate; the
    benchmark meets it within 5 s, which `fewframes.metrics.measures` measures as F1.
    """
    about = record.get("video_metadata")
    if not isinstance(about, dict):
        refuse(where, f"video_metadata is {about!r}; pass an object with frame_rate")
    rate = seconds_from(about.get("frame_rate"), "video_metadata.frame_rate", where=where)
    if rate <= 0:
        refuse(where, f"video_metadata.frame_rate is {rate}; pass frames per second above 0")
    numbers = _numbers(record.get("frame_indexes_video"), "frame_indexes_video", where)
    duration = about.get("video_duration")
    yield Question(
        video=_text(record, "video_id", where),
        duration_seconds=None
        if duration is None
        else seconds_from(duration, "video_metadata.video_duration", where=where),
        query=str(record.get("question_id", number)),
        text=_text(record, "question", where),
        spans=[(frame / rate, frame / rate) for frame in numbers],
    )


def moment_seeker(record: Mapping[str, Any], where: str, number: int) -> Iterator[Question]:
    """MomentSeeker: a JSON list of queries with ``answering_time_interval`` in seconds.

    Fields: ``src_video_path``, ``qry_text``, ``answering_time_interval`` as ``[[start, end], …]``;
    no length of the video, so measure them with a store. H. Yuan et al., "MomentSeeker", arXiv
    2502.12558, files ``t2v.json`` and so on.
    """
    yield Question(
        video=PurePosixPath(_text(record, "src_video_path", where)).stem,
        duration_seconds=None,
        query=str(number),
        text=_text(record, "qry_text", where),
        spans=_spans(record.get("answering_time_interval"), "answering_time_interval", where),
    )


def med_horizon(record: Mapping[str, Any], where: str, _number: int) -> Iterator[Question]:
    """MedHorizon (MLV-Bench): JSON lines, a video each, with its questions in ``qa``.

    Published fields: ``key``, ``video_path``, ``fps``, ``duration_seconds``, and in ``qa``
    ``uid`` and ``question``. B. Du et al., "MedHorizon", arXiv 2605.06537, file
    ``mlvbench_test.jsonl``. Its public description names no field for the evidence, so this is
    assumed: a question has ``evidence_intervals`` as ``[[start, end], …]`` in seconds, or
    ``evidence_frames`` as frame numbers of the film, each shown for 1 / ``fps``.
    """
    name = record.get("video_path") or _text(record, "key", where)
    rate = seconds_from(record.get("fps"), "fps", where=where)
    duration = seconds_from(record.get("duration_seconds"), "duration_seconds", where=where)
    questions = record.get("qa")
    if not isinstance(questions, list):
        refuse(where, f"qa is {questions!r}; pass a list of questions")
    for place, question in enumerate(questions):
        at = f"{where}: qa[{place}]"
        if not isinstance(question, dict):
            refuse(at, f"here is {type(question).__name__}, not a JSON object; pass {{…}}")
        spans = _spans(question.get("evidence_intervals"), "evidence_intervals", at)
        frames = _numbers(question.get("evidence_frames"), "evidence_frames", at)
        if frames and rate <= 0:
            refuse(where, f"fps is {rate}, but evidence_frames need a rate; pass one above 0")
        spans += [(first / rate, (last + 1) / rate) for first, last in stretches(frames)]
        text = _text(question, "question", at)
        video = PurePosixPath(str(name)).with_suffix("").as_posix()
        yield Question(video, duration, str(question.get("uid", place)), text, spans)


CONVERTERS: dict[str, Convert] = {
    "cg-bench": cg_bench,
    "lv-haystack": lv_haystack,
    "medhorizon": med_horizon,
    "momentseeker": moment_seeker,
}
"""Name -> converter."""


def stretches(frames: list[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers, sorted.

    >>> stretches([7, 3, 4, 5, 5])
    [(3, 5), (7, 7)]
    """
    runs: list[tuple[int, int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs


def convert(path: str | Path, name: str) -> tuple[list[Annotation], int]:
    """Reads a benchmark's file: annotations in order of first mention, and questions left out.

    Raises:
        ValueError: The name is unknown, a record is not of the shape, one video has two lengths,
            or no question has evidence.
    """
    if name not in CONVERTERS:
        raise ValueError(f"name={name!r} is unknown; pass one of {', '.join(CONVERTERS)}")
    request: dict[str, list[tuple[str, Question]]] = defaultdict(list)
    left_out = 0
    for number, (where, record) in enumerate(records(Path(path))):
        for question in CONVERTERS[name](record, where, number):
            left_out += not question.spans
            if question.spans:
                request[question.video].append((where, question))
    if not request:
        raise ValueError(
            f"{Path(path).name} has no evidence for any of {left_out} questions; "
            "the public release may lack it: ask the authors for the annotated one"
        )
    return [_joined(video, questions) for video, questions in request.items()], left_out


def _joined(video: str, request: list[tuple[str, Question]]) -> Annotation:
    """The questions of one video as one annotation, checked."""
    where, first = request[0]
    events, texts = [], {}
    for place, question in request:
        if question.duration_seconds != first.duration_seconds:
            lengths = f"{question.duration_seconds} s, but {first.duration_seconds} s before"
            refuse(place, f"video {video!r} is {lengths} ({where}); mend one")
        if question.query in texts:
            refuse(place, f"question {question.query!r} of {video!r} comes twice; rename one")
        texts[question.query] = question.text
        events += [{"start": a, "end": b, "query": question.query} for a, b in question.spans]
    record = {"video": video, "duration_seconds": first.duration_seconds, "events": events}
    return annotation_from(record | {"questions": texts}, where=where)


def records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The records of a JSON list, of JSON lines or of a Parquet table, each with its place."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows: list[Any] = pq.read_table(path).to_pylist()
        places = [f"{path.name}, row {i}" for i in range(len(rows))]
    elif path.suffix == ".jsonl":
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        kept = [(f"{path.name}, line {i}", line) for i, line in lines if line.strip()]
        places, rows = [at for at, _ in kept], [parsed(line, where=at) for at, line in kept]
    else:
        whole = parsed(path.read_text(encoding="utf-8"), where=path.name)
        if not isinstance(whole, list):
            refuse(path.name, f"here is {type(whole).__name__}, not a list; pass […] of questions")
        rows = whole
        places = [f"{path.name}, item {i}" for i in range(len(rows))]
    for where, row in zip(places, rows, strict=True):
        if not isinstance(row, dict):
            refuse(where, f"here is {type(row).__name__}, not a JSON object; pass {{…}}")
        yield where, row


def _text(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        refuse(where, f"{name} is {value!r}; pass a text")
    return value


def _spans(value: object, name: str, where: str) -> list[tuple[float, float]]:
    """Pairs of seconds; None is none."""
    if value is None:
        return []
    if not isinstance(value, list):
        refuse(where, f"{name} is {value!r}; pass [[start, end], …]")
    for i, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            refuse(where, f"{name}[{i}] is {pair!r}; pass [start, end] in seconds")
    return [
        (seconds_from(a, f"{name}[{i}]", where=where), seconds_from(b, f"{name}[{i}]", where=where))
        for i, (a, b) in enumerate(value)
    ]


def _numbers(value: object, name: str, where: str) -> list[int]:
    """Frame numbers; None is none."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
        refuse(where, f"{name} is {json.dumps(value)[:60]}; pass frame numbers from 0")
    return list(value)


@click.command()
@click.argument("name", type=click.Choice(list(CONVERTERS)))
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", type=click.Path(path_type=Path))
def main(name: str, source: Path, target: Path) -> None:
    """Writes TARGET, JSON lines of annotations, from the SOURCE file of the benchmark NAME."""
    try:
        annotations, left_out = convert(source, name)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    write_annotations(annotations, target)
    events = sum(len(annotation.events) for annotation in annotations)
    questions = sum(len(annotation.question_ids) for annotation in annotations)
    click.echo(f"{len(annotations)} videos, {questions} questions, {events} events")
    if left_out:
        click.echo(f"left out: {left_out} questions without evidence")


if __name__ == "__main__":
    main()
