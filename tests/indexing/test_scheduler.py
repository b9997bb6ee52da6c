"""The order of tasks, what is tried again, and what is left alone."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main
from fewframes.errors import CrashedError, UnreadableMediaError
from fewframes.indexing.cost_model import PredictedCost
from fewframes.indexing.options import FilmTask
from fewframes.indexing.progress import ProgressTracker
from fewframes.indexing.quarantine import Quarantine
from fewframes.indexing.results import RangeResult
from fewframes.indexing.scheduler import MOST_PART_BYTES, Schedule
from fewframes.indexing.tasks import FilmEstimate
from fewframes.store.recipes import Recipe
from fewframes.store.resolve import resolve_store
from fewframes.store.results import Outcome, Status

CRASH = CrashedError("the decoding process died (SIGSEGV)")


def film(name, *, ranges=1, most_bytes=1000):
    task = FilmTask(Path(f"{name}.mp4"), Path("s"), name, Recipe())
    look = FilmEstimate(name, 60.0, PredictedCost(100, 120, 10.0 * ranges), most_bytes, ranges)
    return task, look


def taken(schedule, most=99):
    """The tasks that are given now, as names."""
    tasks = []
    while len(tasks) < most and (task := next(schedule, None)) is not None:
        tasks.append(task)
    return tasks


def words(tasks):
    return [task.video_id if task.part is None else f"{task.video_id}{task.part}" for task in tasks]


def did(schedule, task):
    if task.part is None:
        return schedule.end(task, Outcome(task.video_id, Status.OK, pictures=5), None)
    return schedule.end(task, RangeResult(task.video_id, pictures=5), None)


def test_ranges_come_first_and_a_merge_before_all_others():
    schedule = Schedule([film("a"), film("b", ranges=3), film("c")])
    tasks = taken(schedule, 4)
    assert words(tasks) == ["b0", "b1", "b2", "a"]
    assert [did(schedule, task) for task in tasks[:3]] == [None] * 3
    merge, last = taken(schedule)
    assert words([merge, last]) == ["b", "c"]
    assert did(schedule, merge).pictures == 20
    assert schedule.most_tasks == 5


def test_a_film_is_not_begun_in_ranges_while_parts_take_much_space():
    large = MOST_PART_BYTES * 2 // 3
    films = [film("a", ranges=2, most_bytes=large), film("b", ranges=2, most_bytes=large)]
    schedule = Schedule([*films, film("c")])
    tasks = taken(schedule)
    assert words(tasks) == ["a0", "a1", "c"]
    for task in tasks:
        did(schedule, task)
    (merge,) = taken(schedule)
    did(schedule, merge)
    assert words(taken(schedule)) == ["b0", "b1"]


def test_a_crash_is_tried_once_more_alone_at_the_end():
    schedule = Schedule([film("a"), film("b"), film("c")])
    a, b, c = taken(schedule)
    assert schedule.end(a, None, CRASH) is None
    did(schedule, b)
    assert taken(schedule) == []
    did(schedule, c)
    assert words(taken(schedule)) == ["a"]
    assert taken(schedule) == []
    assert did(schedule, a).status == "ok"
    assert schedule.poisoned == {}


def test_nothing_else_is_begun_while_a_crash_is_tried_again():
    """Two films that crashed are tried one after the other, each alone on the machine."""
    schedule = Schedule([film("a"), film("b"), film("c")])
    a, b, c = taken(schedule)
    assert schedule.end(a, None, CRASH) is None
    assert schedule.end(b, None, CRASH) is None
    assert taken(schedule) == [], "c is still at work"
    did(schedule, c)
    assert words(taken(schedule)) == ["a"], "and not b with it"
    assert did(schedule, a).status == "ok"
    assert words(taken(schedule)) == ["b"]
    assert schedule.end(b, None, CRASH).status == "failed"
    assert schedule.poisoned == {"b": str(CRASH)}


def test_a_film_that_crashed_while_it_was_looked_at_waits_for_all_others():
    (again, _), others = film("again"), [film("a"), film("b", ranges=2)]
    schedule = Schedule(others, [again])
    tasks = taken(schedule)
    assert words(tasks) == ["b0", "b1", "a"]
    for task in tasks[:2]:
        did(schedule, task)
    (merge,) = taken(schedule)
    assert words([merge]) == ["b"]
    did(schedule, tasks[2])
    assert taken(schedule) == [], "the merge is still at work"
    did(schedule, merge)
    assert words(taken(schedule)) == ["again"]


def test_two_crashes_of_a_range_fail_the_film_and_drop_its_other_ranges():
    schedule = Schedule([film("a", ranges=3)])
    first, second = taken(schedule, 2)
    assert schedule.end(first, None, CRASH) is None
    did(schedule, second)
    did(schedule, next(schedule))
    (again,) = taken(schedule)
    assert again == first
    assert schedule.end(again, None, CRASH).status == "failed"
    assert taken(schedule) == []
    assert schedule.poisoned == {"a": str(CRASH)}


def test_an_ordinary_error_is_no_poison_and_a_damaged_range_means_one_go():
    schedule = Schedule([film("a"), film("b", ranges=3)])
    first, other = taken(schedule, 2)
    assert schedule.end(first, RangeResult("b", unsplittable_reason="not clean"), None) is None
    assert did(schedule, other) is None
    tasks = taken(schedule)
    assert words(tasks) == ["b", "a"]
    outcome = schedule.end(tasks[1], None, UnreadableMediaError("no video"))
    assert (outcome.status, outcome.reason, schedule.poisoned) == ("failed", "no video", {})


def test_what_is_left_is_predicted_from_effort_not_from_films():
    tracker = ProgressTracker(films_total=2, began=0.0)
    (long, long_look), (short, short_look) = film("long", ranges=9), film("short")
    tracker.look({"long": long_look, "short": short_look})
    tracker.looked -= 30.0
    tracker.ended(short, 10.0)
    now = tracker.film(Outcome("short", Status.OK, film_seconds=60.0, stored_bytes=7))
    assert (now.films_done, now.share_done, now.film_seconds) == (1, 0.1, 60.0)
    assert now.remaining_seconds == pytest.approx(270, rel=0.01)
    assert tracker.told(long, 90.0, 60, 120).share_done == pytest.approx(0.55)


@pytest.fixture(scope="module")
def hook(tmp_path_factory):
    """A folder for PYTHONPATH: decoding a film called crash… aborts the process."""
    folder = tmp_path_factory.mktemp("hook")
    (folder / "sitecustomize.py").write_text(
        "import os, fewframes.decode.plan as plan\n"
        "real = plan.plan_frames\n"
        "def planned(timeline, *args, **options):\n"
        "    if timeline.source.name.startswith('crash'):\n"
        "        os.abort()\n"
        "    return real(timeline, *args, **options)\n"
        "plan.plan_frames = planned\n"
    )
    return folder


@pytest.mark.slow
def test_a_film_that_crashes_twice_is_passed_over_until_told_otherwise(tmp_path, hook, monkeypatch):
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(hook), before])))
    films, store = tmp_path / "films", tmp_path / "s"
    films.mkdir()
    for name, frames in {"crash": 20, "good": 21}.items():
        write_film(films / f"{name}.mp4", Film(frames=frames))
    report = ff.index(films, store, workers=1)
    assert [outcome.status for outcome in report.outcomes] == ["failed", "ok"]
    assert "SIGABRT" in report.outcomes[0].reason
    again = ff.index(films, store, workers=1)
    assert "retry_failed=True tries it again" in again.outcomes[0].reason
    assert "SIGABRT" in again.outcomes[0].reason
    monkeypatch.setenv("PYTHONPATH", before)
    assert "SIGABRT" in ff.index(films, store).outcomes[0].reason
    assert ff.index(films, store, fps=1).outcomes[0].status == "ok", "another recipe"
    words = ["index", str(films), "-o", str(store), "--retry-failed"]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert resolve_store(store).names("failures") == []
    low = Quarantine(resolve_store(store), Recipe(), (1.0, 1))
    failed = Outcome("good.mp4", Status.FAILED, "it hung")
    low.note(failed, films / "good.mp4", is_avoided=True)
    assert ff.index(films, store).exit_status == 0, "with higher limits it is tried"
    assert not low.reasons({"good.mp4": films / "good.mp4"}), "and what went well is not held back"


@pytest.mark.slow
def test_compiling_kernels_takes_nothing_of_a_film_s_time(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "none yet"))
    write_film(tmp_path / "good.mp4", Film(frames=20))
    report = ff.index(tmp_path / "good.mp4", tmp_path / "s", workers=1, limit_seconds=5)
    assert [outcome.status for outcome in report.outcomes] == ["ok"]


def test_a_changed_file_and_a_higher_limit_are_tried_again(tmp_path):
    film, recipe = tmp_path / "a.mp4", Recipe()
    film.write_bytes(b"1234")
    store = resolve_store(tmp_path)
    records = Quarantine(store, recipe, (60.0, 1000))
    records.note(Outcome("a", Status.FAILED, "it hung"), film, is_avoided=True)
    records.note(Outcome("b", Status.FAILED, "no film"), film, is_avoided=False)
    assert list(records.reasons({"a": film, "b": film})) == ["a"]
    assert records.reasons({"a": film})["a"].startswith("it hung (twice, 20")
    assert Quarantine(store, recipe, (59.0, 1000)).reasons({"a": film})
    assert not Quarantine(store, recipe, (61.0, 1000)).reasons({"a": film})
    assert not Quarantine(store, Recipe(fps=9), (60.0, 1000)).reasons({"a": film})
    film.write_bytes(b"12345")
    assert not records.reasons({"a": film})
    for name in ("a", "b"):
        records.note(Outcome(name, Status.OK), film, is_avoided=False)
    assert store.names("failures") == []
