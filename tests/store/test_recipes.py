"""A video under several recipes: the one asked for last is current, the others are there."""

import pytest
from click.testing import CliRunner
from stored import RECIPE, put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.main import main
from fewframes.store.recipes import Recipe
from fewframes.store.removal import prune, remove_recipe

SLOW = Recipe(fps=1, size="64")


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def two(where):
    """A film under two recipes, the second one current, and a film under one."""
    put(where, "film")
    put(where, "film", recipe=SLOW)
    put(where, "other")
    return where


@pytest.mark.slow
def test_what_was_asked_for_last_is_current_and_costs_no_decode(where, tmp_path):
    film = tmp_path / "film.mp4"
    write_film(film, Film(frames=50))
    asked = [ff.index(film, where, size=64, fps=fps, workers=1) for fps in (5, 1, 5, 1, 5)]
    assert [report.outcomes[0].status for report in asked] == ["ok", "ok", "done", "done", "done"]
    assert [report.outcomes[0].pictures for report in asked[2:]] == [0, 0, 0]
    video = ff.open(where)["film"]
    assert video.facts["recipe"]["fps"] == 5.0
    assert [(one.recipe.fps, one.is_current) for one in video.recipes] == [(5, True), (1, False)]
    (row,) = ff.open(where).lines()
    assert row["recipe_fps"] == 5.0


def test_each_recipe_can_be_had(two):
    store = ff.open(two)
    assert store["film"].facts["recipe"] == SLOW.to_dict()
    assert store.video("film", recipe=RECIPE).facts["recipe"] == RECIPE.to_dict()
    for one in store["film"].recipes:
        video = store.video("film", recipe=one.key[:6])
        assert (video.commit.key, video.facts["recipe"]) == (one.key, one.recipe.to_dict())
        assert one.bytes == sum(size for size, _ in video.commit.files.values())
        assert len(video.read(rows=[0])) == 1
    for wrong in (Recipe(fps=9), "zz", ""):
        with pytest.raises(KeyError, match=r"(no|2) recipes for .*there: .*1 fps, 64, jpeg 90"):
            store.video("film", recipe=wrong)


def test_lists_and_info_say_which_there_are(two):
    (film, other) = run("ls", two).output.splitlines()
    assert "2 recipes of " in film
    assert "recipes" not in other
    said = run("info", two, "film").output
    assert "1 fps, 64, jpeg 90, 20 rows, " in said
    assert said.count(", current\n") == 1
    key = ff.open(two)["film"].recipes[0].key
    assert f"fps  {RECIPE.fps}" in run("info", two, "film", "--recipe", key).output.replace(
        "'fps': ", "fps  "
    )
    row = next(ff.open(two).lines())
    assert row["recipes"] == ["12.5 fps, 64, jpeg 90", "1 fps, 64, jpeg 90"] or row["recipes"] == [
        "1 fps, 64, jpeg 90",
        "12.5 fps, 64, jpeg 90",
    ]
    assert row["total_bytes"] > row["bytes"]


def test_a_recipe_is_deleted_alone(two):
    first, second = ff.open(two)["film"].recipes
    assert run("rm", two, "film", "--recipe", second.key).exit_code == 0
    video = ff.open(two)["film"]
    assert [one.key for one in video.recipes] == [first.key]
    assert len(video.read(rows=range(20))) == 20
    with pytest.raises(KeyError, match="has no recipes for"):
        remove_recipe(two, "film", second.key)
    remove_recipe(two, "film", first.key)
    assert list(ff.open(two)) == ["other"]


def test_prune_keeps_the_current_ones(two):
    old = ff.open(two)["film"].recipes[0]
    assert prune(two) == old.bytes
    assert [one.recipe for one in ff.open(two)["film"].recipes] == [SLOW]
    assert run("compact", two, "--prune").output.splitlines() == ["0.0 kB given back", "2 videos"]
    assert len(ff.open(two)["other"].read(rows=range(20))) == 20
