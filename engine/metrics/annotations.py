"""Annotations: what happens when in which video, one form for all benchmarks.

A file of JSON lines, one video a line::

    {"video": "case_07", "duration_seconds": 5400.0, "questions": {"q1": "Which clip is used?"},
     "events": [{"start": 61.5, "end": 64.0, "query": "q1", "grade": 2, "label": "clip"}, …]}

1. ``video`` is the id in a store, ``duration_seconds`` how long it is, or null where a store tells.
2. An event is a stretch of evidence, in seconds from the first frame: a frame at ``t`` shows it
   where start <= t < end. One without length is a moment: met at ``t`` = start, or near it, where
   a measure has a tolerance.
3. ``query`` names the question that the event answers; events without it are all of one question.
   What answers two questions is listed twice. The texts, if any, are in ``questions``.
4. ``grade`` says how hard it is to see, by the annotator's own scale; ``label`` what it is.

`fewframes.bench.converters` writes this form from files of published benchmarks.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fewframes.arrays import F64, I64

VIDEO_FIELDS = {"video", "duration_seconds", "events", "questions"}
EVENT_FIELDS = {"start", "end", "grade", "label", "query"}


@dataclass(frozen=True, slots=True)
class Event:
    """A stretch of evidence.

    >>> Event(3.0, 5.0, grade=1).end
    5.0
    """

    start: float
    """Time of the first frame that shows it, seconds from the first frame of the video."""
    end: float
    """Time of the first frame that no longer does; ``start`` for a moment."""
    grade: int | None = None
    """How hard it is to see; None where nobody said."""
    label: str = ""
    """What it is."""
    query: str = ""
    """Id of the question that it answers."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The events of one video.

    >>> film = Annotation("a", 9.0, (Event(1, 2, query="q"), Event(5, 6), Event(7, 8, query="q")))
    >>> film.starts.tolist(), film.question_ids, film.question_of.tolist()
    ([1.0, 5.0, 7.0], ('', 'q'), [1, 0, 1])
    """

    video: str
    """Id of the video in its store."""
    duration_seconds: float | None
    """From the first frame to the end of the last one; None: the store knows."""
    events: tuple[Event, ...]
    """At least one, in the order of the file."""
    questions: Mapping[str, str] = field(default_factory=dict)
    """Texts of questions by id; ids without a text are missing here."""

    @property
    def starts(self) -> F64:
        """Times of first frames, ``[e] f64`` seconds."""
        return np.array([event.start for event in self.events], np.float64)

    @property
    def ends(self) -> F64:
        """Times of the first frames after, ``[e] f64`` seconds."""
        return np.array([event.end for event in self.events], np.float64)

    @property
    def question_ids(self) -> tuple[str, ...]:
        """Ids of the questions that have events, sorted."""
        return tuple(sorted({event.query for event in self.events}))

    @property
    def question_of(self) -> I64:
        """Position in `question_ids` of each event's question, ``[e] i64``."""
        at = {name: i for i, name in enumerate(self.question_ids)}
        return np.array([at[event.query] for event in self.events], np.int64)


def read_annotations(path: str | Path) -> list[Annotation]:
    """Reads a file of annotations, in the order of its lines; empty lines are skipped.

    Raises:
        ValueError: A line is not of the form, with the file, the line and the cure; a video comes
            twice; or there is no video at all.
    """
    found: dict[str, tuple[int, Annotation]] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"{Path(path).name}, line {number}"
        annotation = annotation_from(parsed(line, where=where), where=where)
        if annotation.video in found:
            first = found[annotation.video][0]
            refuse(where, f"video {annotation.video!r} is on line {first} already; join the two")
        found[annotation.video] = (number, annotation)
    if not found:
        raise ValueError(f"{Path(path).name} has no annotations; write one JSON object a video")
    return [annotation for _, annotation in found.values()]


def write_annotations(annotations: Iterable[Annotation], path: str | Path) -> None:
    """Writes the form that `read_annotations` reads; values that nobody gave are left out."""
    lines = [json.dumps(_record(annotation), ensure_ascii=False) for annotation in annotations]
    Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def annotation_from(record: object, *, where: str) -> Annotation:
    """Checks one video's object; ``where`` begins the error, such as a file and a line.

    >>> annotation_from({"video": "a", "duration_seconds": 9, "events": [
    ...     {"start": 4, "end": 3}]}, where="a.jsonl, line 1")
    Traceback (most recent call last):
    ValueError: a.jsonl, line 1: events[0] ends at 3.0 s, before it starts at 4.0 s; swap them
    """
    fields = known_fields(record, VIDEO_FIELDS, where=where)
    video, duration = fields.get("video"), fields.get("duration_seconds")
    if not isinstance(video, str) or not video:
        refuse(where, f"video is {video!r}; pass the id of a video as text")
    if duration is not None:
        duration = seconds_from(duration, "duration_seconds", where=where)
        if duration <= 0:
            refuse(where, f"duration_seconds is {duration}; pass a length above 0, or null")
    given = fields.get("events")
    if not isinstance(given, list) or not given:
        refuse(where, f"events of {video!r} is {given!r}; pass a list of at least one event")
    events = tuple(
        _event_from(event, duration, name=f"events[{i}]", where=where)
        for i, event in enumerate(given)
    )
    texts = fields.get("questions") or {}
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        refuse(where, f"questions is {texts!r}; pass an object of question id to text")
    return Annotation(video, duration, events, texts)


def _event_from(record: object, duration: float | None, *, name: str, where: str) -> Event:
    """Checks one event."""
    fields = known_fields(record, EVENT_FIELDS, where=f"{where}: {name}")
    start, end = (seconds_from(fields.get(key), f"{name}.{key}", where=where) for key in BOUNDS)
    if end < start:
        refuse(where, f"{name} ends at {end} s, before it starts at {start} s; swap them")
    if start < 0 or (duration is not None and start >= duration):
        refuse(where, f"{name} starts at {start} s, but the video has 0 to {duration} s; mend it")
    grade, label, query = (fields.get(key) for key in ("grade", "label", "query"))
    if grade is not None and (not isinstance(grade, int) or isinstance(grade, bool)):
        refuse(where, f"{name}.grade is {grade!r}; pass a whole number, or leave it out")
    for key, text in (("label", label), ("query", query)):
        if text is not None and not isinstance(text, str):
            refuse(where, f"{name}.{key} is {text!r}; pass a text, or leave it out")
    return Event(start, end, grade, label or "", query or "")


BOUNDS = ("start", "end")


def seconds_from(value: object, name: str, *, where: str) -> float:
    """A finite number of seconds, or an error.

    >>> seconds_from("3", "start", where="a.json, item 0")
    Traceback (most recent call last):
    ValueError: a.json, item 0: start is '3', not a finite number; pass seconds
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        refuse(where, f"{name} is {value!r}, not a finite number; pass seconds")
    return float(value)


def known_fields(record: object, known: Iterable[str], *, where: str) -> Mapping[str, Any]:
    """The object's fields, none of them unknown: a misspelt one must not be lost in silence."""
    if not isinstance(record, dict):
        refuse(where, f"here is {type(record).__name__}, not a JSON object; pass {{…}}")
    unknown = sorted(record.keys() - set(known))
    if unknown:
        names = ", ".join(sorted(known))
        refuse(where, f"field {unknown[0]!r} is unknown; pass some of {names}")
    return record


def parsed(text: str, *, where: str) -> object:
    """Parses JSON, and says where it is broken."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{where}: this is not JSON ({error.msg}, column {error.colno}); mend it"
        ) from error


def refuse(where: str, words: str) -> NoReturn:
    """Raises ValueError with the place in the file first."""
    raise ValueError(f"{where}: {words}")


def _record(annotation: Annotation) -> dict[str, Any]:
    events = []
    for event in annotation.events:
        given = {"grade": event.grade, "label": event.label, "query": event.query}
        kept = {key: value for key, value in given.items() if value not in (None, "")}
        events.append({"start": event.start, "end": event.end, **kept})
    record: dict[str, Any] = {"video": annotation.video}
    record |= {"duration_seconds": annotation.duration_seconds, "events": events}
    return record | ({"questions": dict(annotation.questions)} if annotation.questions else {})
