"""The study of relevance: its peers are what they are said to be, and its noise is what it says."""

import numpy as np
import pytest

from fewframes.bench.evaluation import Subject
from fewframes.bench.research.markey import markey, markey_anchors
from fewframes.bench.research.relevance import METHODS, NOISES, questions_of, study
from fewframes.features.table import FrameTable
from fewframes.metrics.annotations import Annotation, Event
from fewframes.selection.facility import unit_rows


def film(seed=0, n=400):
    rng = np.random.default_rng(seed)
    views = rng.standard_normal((n // 40, 16))[np.arange(n) // 40]
    signatures = unit_rows((views + 0.2 * rng.standard_normal((n, 16))).astype(np.float32))
    events = tuple(Event(t, t + 3.0, 2 if t == 130 else 1) for t in (20, 60, 90, 130))
    table = FrameTable.from_seconds(np.arange(n) / 2, signatures=signatures)
    return Subject(Annotation(f"film{seed}", n / 2, events), table, n / 2)


def test_markey_is_its_formula_step_by_step():
    subject = film(n=200)
    unit, seconds = subject.unit, subject.table.seconds
    scores = np.random.default_rng(1).random(200)
    anchors = markey_anchors(scores, seconds)
    rows: list[int] = []
    for _ in range(40):
        cosines = np.clip(unit @ unit[anchors].T, 0, 1)
        reached = cosines[rows].max(axis=0) if rows else np.zeros(len(anchors))
        gain = np.maximum(cosines - reached, 0).mean(axis=1)
        near = (unit @ unit[rows[-28:]].T).max(axis=1) if rows else np.zeros(200)
        value = 0.7 * scores + 0.2 * gain - 0.1 * near
        value[rows] = -np.inf
        rows.append(int(np.argmax(value)))
    assert markey(unit, scores, seconds, budget=40).tolist() == rows


def test_markey_takes_its_anchors_from_all_thirds_of_relevance():
    seconds = np.arange(36_000) / 2
    scores = np.repeat([0.1, 0.5, 0.9], 12_000)
    anchors = markey_anchors(scores, seconds)
    assert len(anchors) == 648
    assert np.bincount(anchors // 12_000).tolist() == [216, 216, 216]
    assert (seconds[anchors] % 1 == 0).all()


@pytest.mark.parametrize("name", NOISES)
def test_noise_has_spread_one(name):
    drawn = NOISES[name](np.random.default_rng(0), np.arange(20_000) / 2)
    assert drawn.std() == pytest.approx(1, abs=0.06)


def test_a_question_asks_for_events_of_one_grade():
    request = questions_of(film().annotation, np.random.default_rng(0))
    assert [[event.grade for event in events] for events in request] == [[1, 1, 1], [2]]


@pytest.mark.slow
def test_without_noise_every_method_finds_every_event_and_no_peer_is_ahead_of_query():
    result = study([film(seed) for seed in range(2)], progress=lambda words: None)
    assert result["events_asked"] == 8
    clean = result["recall"]["white"]["inf"]
    for method in METHODS:
        assert clean[method]["64"]["mean"] == 1.0, method
    assert not [row for row in result["behind"] if row["snr"] == "inf"]
