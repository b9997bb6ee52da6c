"""Stores are joined whole, whatever kills the merge; sources and other films are left alone."""

import errno
import json
import os
import signal
from contextlib import suppress

import pytest
from backends import lasting, place_of
from click.testing import CliRunner
from dying_stores import Dying, Killed, Wrapped
from hostile_mutations import sealed
from places import keys
from stored import KILLED_AT_A_STEP, RECIPE, put, run_apart

import fewframes as ff
from fewframes.checking.verify import verify_store
from fewframes.cli.main import main
from fewframes.store.current import choose
from fewframes.store.embedding import named_embedder
from fewframes.store.failures import FailureRecords
from fewframes.store.merge import merge_stores
from fewframes.store.recipes import Recipe
from fewframes.store.removal import remove_videos
from fewframes.store.resolve import resolve_store
from fewframes.store.together import anchors_for, read_anchors, write_anchors

SLOW = Recipe(fps=1, size="64")
COLOUR = named_embedder(lambda batch: batch.mean(axis=(1, 2)), name="colour", dim=3)
SHADE = named_embedder(lambda batch: batch.max(axis=(1, 2)), name="shade", dim=3)
KINDS = {
    "folder": {"folder": "linked", "url": "copied"},
    "url": {"folder": "copied", "url": "server"},
}


@pytest.fixture(params=[(a, b) for a in KINDS for b in KINDS], ids="-to-".join)
def ways(request, tmp_path):
    """Where sources may be and where the result, and how files come from there."""
    source, out = request.param
    bucket = request.getfixturevalue("bucket") if "url" in request.param else ""
    roots = {"folder": tmp_path, "url": bucket}

    def at(kind, name):
        return tmp_path / name if kind == "folder" else f"{roots[kind]}/{name}"

    return at(source, "a"), at(source, "b"), at(out, "c"), f"{KINDS[source][out]}_bytes"


def failure(video_id, when="2026-01-01 00:00:00Z", reason="it hung"):
    facts = {"id": video_id, "recipe": RECIPE.to_dict(), "limits": [1, 1], "file": None}
    return facts | {"reason": reason, "when": when}


def fill(a, b):
    """Two stores: of a film another recipe each, two films, vectors, and films that failed."""
    put(a, "film")
    ff.open(a)["film"].embed(COLOUR)
    put(a, "ward/one", digest="d2")
    put(b, "film", recipe=SLOW)
    put(b, "手" * 80, digest="d3")
    for store, names in ((a, ("bad", "film")), (b, ("bad", "worse"))):
        for name in names:
            FailureRecords(resolve_store(store)).write(name, failure(name, reason=str(store)))


def everything(where):
    store = resolve_store(where)
    return {key: store.read(key) for key in keys(where)}


@pytest.mark.slow
def test_all_of_two_stores_comes_and_a_second_run_brings_nothing(ways):
    a, b, c, kind = ways
    fill(a, b)
    before = everything(a), everything(b)
    calls = []
    report = merge_stores([a, b], c, progress=lambda *told: calls.append(told))
    assert (everything(a), everything(b)) == before
    assert (report.groups, report.sidecars, report.failures, report.problems) == (4, 1, 2, ())
    sizes = [video.commit.size_bytes for where in (a, b) for video in ff.open(where).values()]
    came = {
        name: getattr(report, name) for name in ("linked_bytes", "copied_bytes", "server_bytes")
    }
    assert came.pop(kind) > sum(sizes), "the vectors, too"
    assert set(came.values()) == {0}
    assert [told[1:] for told in calls] == [(1, 2), (2, 2)] * 2
    store = ff.open(c)
    assert list(store) == ["film", "ward/one", "手" * 80]
    assert store["film"].facts["recipe"] == SLOW.to_dict(), "the newest is current"
    vectors = store.video("film", recipe=RECIPE).vectors("colour")
    assert (vectors == ff.open(a)["film"].vectors("colour")).all()
    for name, one in [(name, ff.open(where)[name]) for where in (a, b) for name in ff.open(where)]:
        mine = store.video(name, recipe=one.commit.key)
        assert (mine.read(rows=range(20)).frames == one.read(rows=range(20)).frames).all()
        assert mine.facts | {"attempt": ""} == one.facts | {"attempt": ""}
    assert [row["id"] for row in store.failures()] == ["bad", "worse"]
    assert all(result.is_well for result in verify_store(c))
    there = lasting(c)
    again = merge_stores([a, b], c, verify=True)
    assert (again.groups, again.sidecars, again.present, again.failures) == (0, 0, 4, 0)
    assert lasting(c) == there


def test_links_outlive_the_source(tmp_path):
    group = put(tmp_path / "a", "film")
    merge_stores([tmp_path / "a"], tmp_path / "c")
    mine = ff.open(tmp_path / "c")["film"].commit
    for path in group.files:
        assert (group.folder / path).samefile(mine.folder / path)
    pixels = ff.open(tmp_path / "c")["film"].read(rows=range(20)).frames
    remove_videos(tmp_path / "a", ["film"])
    put(tmp_path / "a", "film", digest="d9")
    assert (ff.open(tmp_path / "c")["film"].read(rows=range(20)).frames == pixels).all()
    assert all(result.is_well for result in verify_store(tmp_path / "c"))


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM])
def test_where_links_are_refused_files_are_copied_and_checked(tmp_path, monkeypatch, code):
    group, other = put(tmp_path / "a", "film"), put(tmp_path / "a", "other", digest="d2")
    flip(other.folder / "frames.parquet")
    real = os.link

    def refuse(one, to, **how):
        if "frames" in str(one):
            raise OSError(code, "no links here")
        return real(one, to, **how)

    monkeypatch.setattr(os, "link", refuse)
    report = merge_stores([tmp_path / "a"], tmp_path / "c")
    (problem,) = report.problems
    assert (problem.source, problem.video_id) == ("a", "other")
    assert problem.reason == "frames.parquet of video 'other' is missing or damaged"
    assert report.copied_bytes > group.size_bytes / 2
    assert list(ff.open(tmp_path / "c")) == ["film"]
    assert all(result.is_well for result in verify_store(tmp_path / "c"))


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.slow
def test_damage_is_not_carried_on(ways):
    a, _, c, kind = ways
    store = resolve_store(a)
    for number, name in enumerate(("cut", "flipped", "record", "sound")):
        put(a, name, digest=str(number))
    homes = {name: ff.open(a)[name].commit.home for name in ff.open(a)}
    files = {name: f"{place_of(store, home)}/frames.parquet" for name, home in homes.items()}
    store.put(files["cut"], store.read(files["cut"])[:-1])
    data = bytearray(store.read(files["flipped"]))
    data[50] ^= 1
    store.put(files["flipped"], bytes(data))
    store.put(f"{homes['record']}/commit.json", b"{}")
    fast = merge_stores([a], c)
    is_seen = kind == "copied_bytes"
    names = ["cut", *(["flipped"] if is_seen else []), "record"]
    assert [problem.video_id for problem in fast.problems] == names
    remove_videos(c, list(ff.open(c)))
    sure = merge_stores([a], c, verify=True)
    assert [problem.video_id for problem in sure.problems] == ["cut", "flipped", "record"]
    assert list(ff.open(c)) == ["sound"]
    assert len(lasting(c)) == 8
    said = CliRunner().invoke(main, ["merge", str(a), "-o", str(c), "--verify"])
    assert said.exit_code == 3
    assert "left out: cut of " in said.output
    assert "1 recipes were there" in said.output


def test_a_video_of_other_content_is_refused_and_the_rest_comes(where, tmp_path):
    put(where, "film")
    put(tmp_path / "a", "film", digest="other")
    put(tmp_path / "a", "new", digest="new")
    report = merge_stores([tmp_path / "a"], where)
    (problem,) = report.problems
    assert problem.video_id == "film"
    assert "has other content under this id" in problem.reason
    store = ff.open(where)
    assert list(store) == ["film", "new"]
    assert store["film"].facts["source"]["digest"] == "d1"


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_one_recipe_the_later_is_kept_with_its_vectors(where, tmp_path, order):
    put(tmp_path / "a", "film")
    ff.open(tmp_path / "a")["film"].embed(COLOUR)
    put(tmp_path / "b", "film")
    ff.open(tmp_path / "b")["film"].embed(SHADE)
    report = merge_stores([tmp_path / name for name in order], where)
    video = ff.open(where)["film"]
    assert video.facts["created"] == ff.open(tmp_path / "b")["film"].facts["created"]
    assert [model.name for model in video.embeddings] == ["shade"]
    assert report.groups + report.present == 2
    assert all(result.is_well for result in verify_store(where))
    assert len(lasting(where)) == 8 + 4, "nothing of the other is left"


def test_what_was_asked_for_last_is_current(where, tmp_path):
    first = put(tmp_path / "a", "film")
    put(tmp_path / "a", "film", recipe=SLOW)
    put(tmp_path / "b", "film", recipe=Recipe(fps=3, size="64"))
    choose(resolve_store(tmp_path / "a"), "film", first)
    merge_stores([tmp_path / "a", tmp_path / "b"], where)
    assert len(ff.open(where)["film"].recipes) == 3
    assert ff.open(where)["film"].facts["recipe"] == RECIPE.to_dict()
    second = put(where, "film", recipe=Recipe(fps=4, size="64"))
    merge_stores([tmp_path / "a"], where)
    assert ff.open(where)["film"].commit.key == second.key, "that was later"


def test_of_films_that_failed_the_last_word_is_kept(tmp_path):
    for name, when in (("a", "2026-03-01"), ("b", "2026-02-01"), ("c", "2026-01-01")):
        put(tmp_path / name, "film")
        records = FailureRecords(resolve_store(tmp_path / name))
        records.write("bad", failure("bad", when=when, reason=name))
    put(tmp_path / "c", "once", digest="d5")
    FailureRecords(resolve_store(tmp_path / "a")).write("once", failure("once"))
    (tmp_path / "a/failures/torn").write_text("{")
    report = merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert [row["reason"] for row in ff.open(tmp_path / "c").failures()] == ["a"]
    assert report.failures == 1
    assert [problem.video_id for problem in report.problems] == ["torn"]


@pytest.mark.slow
@pytest.mark.parametrize("is_made", [False, True])
def test_killed_at_any_step_it_leaves_whole_groups_and_goes_on(tmp_path, is_made):
    a, b = tmp_path / "a", tmp_path / "b"
    fill(a, b)
    merge_stores([a, b], tmp_path / "whole")
    expected = len(lasting(tmp_path / "whole"))
    for changes in range(80):
        out = tmp_path / f"c{changes}"
        with suppress(Killed):
            merge_stores([a, b], Dying(resolve_store(out), changes, is_made=is_made))
            break
        if (out / "fewframes-store.json").exists():
            assert all(result.is_well for result in verify_store(out))
        report = merge_stores([a, b], out)
        assert report.problems == ()
        assert len(lasting(out)) == expected, lasting(out)
        assert list((out / ".attempts").iterdir()) == []
        assert list(ff.open(out)) == list(ff.open(tmp_path / "whole"))
        assert ff.open(out)["film"].facts["recipe"] == SLOW.to_dict()
        assert all(result.is_well for result in verify_store(out))
    assert 20 < changes < 79


KILLED = f"""{KILLED_AT_A_STEP}
from fewframes.store.merge import merge_stores
pathlib.Path.rename, pathlib.Path.unlink = count(pathlib.Path.rename), count(pathlib.Path.unlink)
pathlib.Path.mkdir = count(pathlib.Path.mkdir)
os.link, os.fsync = count(os.link), count(os.fsync)
merge_stores([f"{{store}}/a", f"{{store}}/b"], f"{{store}}/c")
"""


@pytest.mark.slow
@pytest.mark.parametrize("steps", [7, 20, 33, 46, 59, 72, 120, 180])
def test_a_process_that_is_killed_leaves_what_the_next_one_goes_on_with(tmp_path, steps):
    fill(tmp_path / "a", tmp_path / "b")
    before = everything(tmp_path / "a"), everything(tmp_path / "b")
    assert run_apart(KILLED, tmp_path, steps).returncode == -signal.SIGKILL
    assert all(result.is_well for result in verify_store(tmp_path / "c"))
    assert merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / "c").problems == ()
    assert (everything(tmp_path / "a"), everything(tmp_path / "b")) == before
    assert len(lasting(tmp_path / "c")) == 1 + 4 * 7 + 4 + 2
    assert list((tmp_path / "c/.attempts").iterdir()) == []
    assert ff.open(tmp_path / "c")["film"].facts["recipe"] == SLOW.to_dict()
    assert all(result.is_well for result in verify_store(tmp_path / "c"))


class Meanwhile(Wrapped):
    """Another merge ends just before a change of this one."""

    def __init__(self, files, name, act, left):
        super().__init__(files)
        self.name, self.act, self.left = name, act, left

    def __getattr__(self, name):
        real = getattr(self.files_below, name)
        if name != self.name:
            return real

        def change(*given):
            self.left -= 1
            if self.left == 0:
                self.act()
            return real(*given)

        return change


@pytest.mark.slow
@pytest.mark.parametrize("late", ["a", "b"])
@pytest.mark.parametrize("name", ["begin", "adopt", "create", "put", "end"])
@pytest.mark.parametrize("left", [1, 2, 3])
def test_two_merges_at_once_lose_nothing(tmp_path, name, left, late):
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    fill(a, b)
    put(b, "film")
    for model in (COLOUR, SHADE):
        ff.open(b).video("film", recipe=RECIPE).embed(model)
    other = {"a": b, "b": a}[late]
    out = Meanwhile(resolve_store(c), name, lambda: merge_stores([other], c), left)
    report = merge_stores([{"a": a, "b": b}[late]], out)
    assert report.problems == ()
    store = ff.open(c)
    assert list(store) == ["film", "ward/one", "手" * 80]
    newest = ff.open(b).video("film", recipe=RECIPE)
    mine = store.video("film", recipe=RECIPE)
    assert mine.facts["created"] == newest.facts["created"]
    assert [model.name for model in mine.embeddings] == ["colour", "shade"]
    assert len(store["film"].recipes) == 2
    assert all(result.is_well for result in verify_store(c))


def test_what_is_no_store_or_the_same_or_of_a_former_layout_is_refused(tmp_path):
    put(tmp_path / "a", "film")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match="'link' cannot be merged into itself"):
        merge_stores([tmp_path / "link"], tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="'none' is not a store"):
        merge_stores([tmp_path / "a", tmp_path / "none"], tmp_path / "c")
    put(tmp_path / "old", "film")
    mark = tmp_path / "old/fewframes-store.json"
    mark.write_text(mark.read_text().replace("2", "1"))
    with pytest.raises(ValueError, match="bring it up to date with 'fewframes migrate'"):
        merge_stores([tmp_path / "a", tmp_path / "old"], tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("how", ["link", "path", "long", "id", "key"])
def test_a_source_that_leads_elsewhere_is_refused(tmp_path, how):
    group = put(tmp_path / "a", "film")
    put(tmp_path / "a", "sound", digest="d2")
    record = tmp_path / "a" / group.home / "commit.json"
    facts = json.loads(record.read_bytes())
    secret = tmp_path / "secret"
    secret.write_bytes((group.folder / "zarr.json").read_bytes())
    if how == "link":
        (group.folder / "zarr.json").unlink()
        (group.folder / "zarr.json").symlink_to(secret)
    elif how == "path":
        facts["files"][-1]["path"] = "../../../../../secret"
    elif how == "long":
        facts["files"][-1]["path"] = "x" * 300
    elif how == "id":
        facts["id"] = "sound"
    else:  # the key of another recipe, which is there already
        put(tmp_path / "c", "film")
        facts["recipe"] = SLOW.to_dict()
    record.write_bytes(sealed(facts))
    report = merge_stores([tmp_path / "a"], tmp_path / "c")
    assert [problem.video_id for problem in report.problems] == ["film"]
    assert list(ff.open(tmp_path / "c")) == (["film"] if how == "key" else []) + ["sound"]
    assert all(result.is_well for result in verify_store(tmp_path / "c"))


def test_what_belongs_together_comes_along(tmp_path):
    put(tmp_path / "a", "film")
    put(tmp_path / "b", "film", recipe=SLOW)
    for name, pair in (("a", ("d1", "d2")), ("b", ("d2", "d3"))):
        anchors = anchors_for([pair], known={}, created={pair[1]: "0", pair[0]: "1"})
        write_anchors(resolve_store(tmp_path / name), anchors)
    merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    anchors = read_anchors(resolve_store(tmp_path / "c"))
    assert sorted(anchors) == ["d1", "d2", "d3"]
    assert len(set(anchors.values())) == 1


def test_the_command_says_what_came(tmp_path):
    put(tmp_path / "a", "film")
    words = ["merge", str(tmp_path / "a"), "-o", str(tmp_path / "c")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0
    assert done.output.startswith("1 recipes of videos, 0 sets of vectors and 0 failures came")
    facts = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)
    assert (facts["groups"], facts["present"], facts["problems"]) == (0, 1, [])


def test_damage_takes_no_sound_group_s_place(tmp_path):
    put(tmp_path / "a", "film")
    group = put(tmp_path / "b", "film")  # later
    flip(next((group.folder / "frames").rglob("c/*/*/*/*")))
    (problem,) = merge_stores([tmp_path / "b"], tmp_path / "a").problems
    assert "damaged" in problem.reason
    assert all(result.is_well for result in verify_store(tmp_path / "a"))
