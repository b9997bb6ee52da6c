"""Recall: measures against brute force, closed forms against chance, the command as it is used."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fewframes.bench.charts import bars, lines
from fewframes.bench.evaluation import (
    Subject,
    evaluate,
    made_up_subjects,
    measured,
    picked,
    policies_for,
)
from fewframes.cli.main import main
from fewframes.features.table import FrameTable
from fewframes.metrics.annotations import Annotation, Event, write_annotations
from fewframes.metrics.bootstrap import Draws, summed_up
from fewframes.metrics.measures import (
    area,
    coverage,
    evidence,
    hits,
    nearest_cosines,
    uniform_expected,
)
from fewframes.selection.facility import unit_rows
from fewframes.selection.policies import POLICIES
from fewframes.selection.selection import select

quick = settings(max_examples=80, derandomize=True, deadline=None)
SEEDS = st.integers(0, 2**32 - 1)


def film(seed, *, duration=200.0, events=7, longest=30.0, questions=3):
    rng = np.random.default_rng(seed)
    starts = rng.uniform(0, duration - longest, events)
    lengths = rng.uniform(0, longest, events) * (rng.random(events) < 0.8)
    return Annotation(
        "film",
        duration,
        tuple(
            Event(
                float(a), float(a + b), int(rng.integers(1, 4)), "", f"q{rng.integers(questions)}"
            )
            for a, b in zip(starts, lengths, strict=True)
        ),
    )


def mean(measured, name):
    total, count = measured[name]
    return total / count


@pytest.mark.slow
@quick
@given(seed=SEEDS, k=st.integers(0, 40), tolerance=st.sampled_from([0.0, 1.5, 5.0]))
def test_evidence_is_what_counting_one_by_one_gives(seed, k, tolerance):
    annotation = film(seed)
    seconds = np.sort(np.random.default_rng(seed + 1).uniform(0, 200, k))
    found = evidence(annotation, seconds, tolerance=tolerance)

    def holds(event, t):
        if event.start == event.end:
            return abs(t - event.start) <= tolerance
        return event.start - tolerance <= t < event.end + tolerance

    def near(event, t):
        return event.start - 5 <= t <= event.end + 5

    met = [any(holds(event, t) for t in seconds) for event in annotation.events]
    assert mean(found, "recall") == pytest.approx(np.mean(met))
    for grade in {event.grade for event in annotation.events}:
        mine = [m for m, e in zip(met, annotation.events, strict=True) if e.grade == grade]
        assert found[f"recall, grade {grade}"] == (sum(mine), len(mine))
    rows = []
    for question in annotation.question_ids:
        mine = [event for event in annotation.events if event.query == question]
        is_met = [any(holds(event, t) for t in seconds) for event in mine]
        inside = [any(holds(event, t) for event in mine) for t in seconds]
        right = np.mean([any(near(e, t) for e in mine) for t in seconds]) if k else 0.0
        back = np.mean([any(near(e, t) for t in seconds) for e in mine])
        f1 = 2 * right * back / (right + back) if right + back else 0.0
        precise = np.mean(inside) if k else 0.0
        rows.append([any(is_met), all(is_met), precise, right, back, f1])
    names = ("hit", "all", "precision", "near precision", "near recall", "near f1")
    for name, value in zip(names, np.mean(rows, axis=0), strict=True):
        assert mean(found, name) == pytest.approx(value), name


def test_the_end_of_an_event_is_not_in_it_but_a_moment_is():
    starts, ends = np.array([1.0, 4.0]), np.array([2.0, 4.0])
    inside = hits(np.array([1.0, 1.999, 2.0, 4.0]), starts, ends)
    assert inside.tolist() == [[True, False], [True, False], [False, False], [False, True]]


@pytest.mark.slow
@settings(quick, max_examples=25)
@given(seed=SEEDS, budget=st.integers(1, 60), tolerance=st.sampled_from([0.0, 2.0]))
def test_the_closed_form_is_the_mean_over_all_starts(seed, budget, tolerance):
    annotation = film(seed, longest=9.0)
    request = {"duration": 200.0, "budget": budget, "tolerance": tolerance}
    expected = uniform_expected(annotation, **request)
    step, tries = 200.0 / budget, 150
    sums = dict.fromkeys(expected, 0.0)
    for i in range(tries):
        seconds = (i + 0.5) / tries * step + step * np.arange(budget)
        shown = evidence(annotation, seconds, tolerance=tolerance)
        for name in sums:
            sums[name] += mean(shown, name) / tries
    for name, total in sums.items():
        slack = 0.03 if name != "precision" else 0.005
        assert mean(expected, name) == pytest.approx(total, abs=slack), name


def test_lv_haystack_s_scores_of_a_worked_example():
    moments = Annotation("a", 100.0, (Event(10, 10), Event(50, 50)))
    found = evidence(moments, np.array([4.0, 15.0, 90.0]))  # 6, 5 and 40 s off
    assert mean(found, "near precision") == pytest.approx(1 / 3)
    assert mean(found, "near recall") == pytest.approx(1 / 2)
    assert mean(found, "near f1") == pytest.approx(0.4)


def test_coverage_measures_of_a_worked_example():
    signatures = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    nearest = nearest_cosines(unit_rows(signatures), np.array([0]))
    found = coverage(np.array([10.0]), duration=30.0, nearest=nearest)
    assert mean(found, "gap") == pytest.approx(20 / 15)
    assert mean(found, "facility") == pytest.approx((1 + 0 + 0.5**0.5) / 3)
    assert mean(found, "radius") == pytest.approx(1.0)
    assert "facility" not in coverage(np.array([10.0]), duration=30.0, nearest=None)


def test_area_is_one_for_a_curve_that_is_one_and_goes_by_powers_of_two():
    budgets = np.array([8, 16, 32, 64])
    assert area(budgets, np.ones((3, 4))).tolist() == [1.0, 1.0, 1.0]
    assert area(budgets, np.array([0.0, 1.0, 2.0, 3.0])) == pytest.approx(1.5)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(200):
        met = rng.random(60) < 0.4
        draws = Draws.of(60, draws=400, seed=seed)
        row = summed_up(draws.means(met[np.newaxis].astype(float), np.ones((1, 60)))[:, 0])
        held += row["low"] <= 0.4 <= row["high"]
    assert 0.9 <= held / 200 <= 0.99


def test_a_video_counts_by_its_events_and_intervals_are_by_video():
    draws = Draws.of(2)
    means = draws.means(np.array([[1.0, 0.0]]), np.array([[1.0, 3.0]]))[:, 0]
    assert summed_up(means) == {"mean": 0.25, "low": 0.0, "high": 1.0}


def pictured(seed, n=120):
    rng = np.random.default_rng(seed)
    signatures = rng.standard_normal((n, 16)).astype(np.float32)
    return FrameTable.from_seconds(np.arange(n) / 2, signatures=signatures)


@pytest.mark.parametrize("policy", [name for name, rule in POLICIES.items() if rule.is_nested])
def test_picking_once_gives_what_picking_at_every_budget_gives(policy):
    table = pictured(5)
    wishes = {"relevance": np.arange(120.0) % 17} if "relevance" in POLICIES[policy].uses else {}
    relevance = wishes.get("relevance")
    for budget, rows in picked(table, policy, [1, 3, 40, 500], relevance):
        alone = select(table, budget=budget, policy=policy, **wishes).rows
        assert rows.tolist() == alone.tolist()


def test_turns_are_the_order_of_picking():
    signatures = np.array([[1, 0], [1, 0.1], [1, 0], [0, 1]], np.float32)
    table = FrameTable.from_seconds(np.arange(4.0), signatures=signatures)
    chosen = select(table, budget=4, policy="kcenter")
    assert chosen.pick_order[chosen.rows == 3] == 0
    assert sorted(chosen.pick_order.tolist()) == [0, 1, 2, 3]


def test_relevance_is_asked_once_a_question_and_finds_what_it_points_at():
    events = (Event(10, 12, query="a"), Event(40, 42, query="b"))
    subject = Subject(Annotation("film", 60.0, events), pictured(1), 60.0)
    request = []

    def scores(subject, question):
        request.append(question)
        event = next(e for e in subject.annotation.events if e.query == question)
        seconds = subject.table.seconds
        return ((seconds >= event.start) & (seconds < event.end)).astype(float)

    found = measured(subject, "aks", budgets=[2, 4], scores=scores)
    assert request == ["a", "b"]
    assert found[2]["hit"] == found[4]["recall"] == (2.0, 2.0)
    assert measured(subject, "uniform", budgets=[2], scores=scores)[2]["hit"][1] == 2


@pytest.mark.slow
def test_even_spacing_finds_what_is_expected_of_it_and_everything_finds_everything():
    films = [film(seed, longest=12.0) for seed in range(60)]
    subjects = made_up_subjects(films, fps=2.0)
    result = evaluate(subjects, policies=["segment_mid"], budgets=[4, 16, 400])
    for budget in ("4", "16"):
        expected = result["expected_uniform"][budget]["recall"]["mean"]
        row = result["policies"]["segment_mid"]["budgets"][budget]  # no frame at the very ends
        assert row["recall"]["low"] - 0.02 <= expected <= row["recall"]["high"] + 0.02
        assert row["lift"]["mean"] == pytest.approx(row["recall"]["mean"] / expected, rel=1e-3)
        assert result["policies"]["uniform"]["budgets"][budget]["lift, measured"]["mean"] == 1.0
    most = result["policies"]["uniform"]["budgets"]["400"]
    assert most["recall"]["mean"] == result["about"]["ceiling"]["recall"]
    assert result["about"]["events"] == 60 * 7
    json.dumps(result, allow_nan=False)


def test_without_pictures_only_policies_of_times_are_asked():
    (subject,) = made_up_subjects([film(0)], fps=2.0)
    assert policies_for(subject.table, is_scored=False) == ["uniform", "segment_mid"]
    with pytest.raises(ValueError, match=r"policy='kcenter' needs signatures"):
        evaluate([subject], policies=["kcenter"])


def test_unknown_lengths_and_no_videos_are_refused():
    with pytest.raises(ValueError, match=r"duration_seconds of 'a' is not known"):
        list(made_up_subjects([Annotation("a", None, (Event(0, 1),))], fps=2.0))
    with pytest.raises(ValueError, match="no annotated videos"):
        evaluate([])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store of one generated film with its planted events, graded and asked for."""
    import fewframes as ff
    from fewframes.bench.synthetic import make_procedure

    folder = tmp_path_factory.mktemp("recall")
    planted = make_procedure(folder / "film.mp4", seed=1, minutes=2.0)
    ff.index(folder / "film.mp4", folder / "s.zarr", size=160)
    events = tuple(
        Event(e.start_seconds, e.end_seconds, 1 + i % 3, e.name) for i, e in enumerate(planted)
    )
    write_annotations([Annotation("film", None, events)], folder / "a.jsonl")
    return folder


def run(*arguments):
    return CliRunner().invoke(main, ["bench", "recall", *map(str, arguments)])


@pytest.mark.slow
def test_the_command_measures_every_policy_on_a_store(place):
    out, plot = place / "r.json", place / "r.svg"
    request = ("--budgets", "8,16,32", "-o", out, "--plot", plot)
    done = run(place / "s.zarr", place / "a.jsonl", *request)
    assert done.exit_code == 0, done.output
    result = json.loads(out.read_text())
    assert {"uniform", "adaptive", "kcenter", "shots", "keyframes"} <= set(result["policies"])
    assert not {"query", "aks", "multiscale"} & set(result["policies"])
    row = result["policies"]["adaptive"]["budgets"]["16"]
    assert row["frames"]["mean"] == 16.0
    assert {"recall, grade 1", "facility", "radius", "gap", "near f1"} <= set(row)
    assert row["recall"]["mean"] >= result["policies"]["uniform"]["budgets"]["16"]["recall"]["mean"]
    assert "cpu" in result["machine"]
    assert str(place) not in out.read_text()
    assert ElementTree.fromstring(plot.read_text()).tag.endswith("svg")
    assert "adaptive" in done.output


@pytest.mark.slow
def test_the_command_scores_frames_by_a_signal(place):
    arguments = (place / "s.zarr", place / "a.jsonl", "--relevance", "change", "--budgets", "8")
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert "aks" in done.output
    wrong = run(*arguments[:2], "--relevance", "nothing")
    assert wrong.exit_code == 1
    assert "--relevance 'nothing' is no signal of the store" in wrong.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.jsonl", "--budgets", "8,x"], "is no list of budgets"),
        (["a.jsonl", "--relevance", "change"], "need a STORE"),
        (["s.zarr", "a.jsonl", "--relevance", "change", "--model", "m"], "pass one"),
        (["a.jsonl"], "duration_seconds of 'film' is not known"),
        (["s.zarr", "a.jsonl", "--policy", "best"], "policy='best' is unknown"),
    ],
)
def test_the_command_refuses_with_a_sentence(place, arguments, words):
    at = [place / word if word.endswith(("zarr", "jsonl")) else word for word in arguments]
    done = run(*at)
    assert done.exit_code in (1, 2)
    assert words in " ".join(done.output.split())


@pytest.mark.slow
def test_an_event_past_the_end_of_a_stored_film_is_an_error(place):
    late = Annotation("film", None, (Event(1, 2), Event(500, 501)))
    write_annotations([late], place / "late.jsonl")
    done = run(place / "s.zarr", place / "late.jsonl")
    assert done.exit_code == 1
    assert "an event of 'film' starts at 500.0 s" in done.output


def test_charts_are_xml_with_a_mark_for_every_number():
    svg = lines({"a<b": [(8, 0.2, 0.1, 0.3), (32, 0.4, 0.3, 0.5)]}, title="t", across="K", up="r")
    names = [node.text for node in ElementTree.fromstring(svg).iter() if node.text]
    assert "a<b" in names
    groups = {"decode": {"fewframes": 1.5, "other": 3.0, "third": "wrong frames"}}
    svg = bars(groups, title="t", unit="CPU s")
    wide = [float(r.get("width")) for r in ElementTree.fromstring(svg) if r.get("height") == "16"]
    assert wide[1] == pytest.approx(2 * wide[0], rel=0.01)
    assert "wrong frames" in svg
