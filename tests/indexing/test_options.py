"""The options of a run: declared once, shown everywhere, and misspelt with an answer."""

import functools
import inspect
import json
import pickle
import pydoc
import re
import typing
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.cli.index_command import index as index_command
from fewframes.cli.main import main
from fewframes.indexing.forecast import forecast
from fewframes.indexing.options import IndexKeywords
from fewframes.keywords import changed, keywords_of
from fewframes.selection.options import SelectOptions
from fewframes.store.recipes import Recipe

NAMES = [field.name for field in fields(ff.IndexOptions)]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_film(path, Film(frames=50))
    return path


@pytest.mark.parametrize("function", [ff.index, forecast])
def test_the_signature_shows_every_option_with_its_default(function):
    shown = inspect.signature(function).parameters
    assert list(shown)[:3] == ["paths", "store", "options"]
    assert [name for name, one in shown.items() if one.kind == one.VAR_KEYWORD] == []
    hints = typing.get_type_hints(ff.IndexOptions)
    for field in fields(ff.IndexOptions):
        one = shown[field.name]
        assert (one.kind, one.default) == (one.KEYWORD_ONLY, field.default)
        assert one.annotation == hints[field.name]
    assert all(f"{name}:" in pydoc.render_doc(function) for name in NAMES)


def test_the_typed_twin_has_the_same_names_and_types():
    twin = typing.get_type_hints(IndexKeywords)
    assert list(twin.items()) == list(typing.get_type_hints(ff.IndexOptions).items())
    assert not IndexKeywords.__required_keys__


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fsp", "did you mean 'fps'?"),
        ("worker", "did you mean 'workers'?"),
        ("limit", "did you mean 'limit_seconds'?"),
        ("memory", "did you mean 'memory_bytes'?"),
        ("colour", f"it has paths, store, options, progress, allow_all_failed, {', '.join(NAMES)}"),
    ],
)
def test_a_misspelt_option_is_answered_before_anything_is_done(tmp_path, name, words):
    with pytest.raises(TypeError) as caught:
        ff.index(tmp_path / "nowhere", tmp_path / "s", fps=1, **{name: 1})
    assert str(caught.value) == f"index() has no option {name!r}; {words}"
    assert not (tmp_path / "s").exists()
    with pytest.raises(TypeError, match=rf"^forecast\(\) has no option {name!r}; "):
        forecast(tmp_path / "nowhere", tmp_path / "s", **{name: 1})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers=0 indexes nothing; pass workers >= 1"),
        ({"quality": 101}, "quality=101 is not a JPEG quality; pass 1 to 100"),
        ({"quality": 80, "codec": "raw"}, "quality=80 is that of JPEGs, but codec='raw' keeps"),
        ({"fps": 0}, "fps=0 scans nothing"),
        ({"dedup": 2}, "dedup=2 is no share of the full range"),
        ({"size": "large"}, "size='large' is not a size"),
        ({"device": "tpu"}, "device='tpu' is not known"),
        ({"limit_seconds": 0}, "limit_seconds=0 leaves a worker nothing; pass a positive number"),
        ({"memory_bytes": -1}, "memory_bytes=-1 leaves a worker nothing"),
        ({"range_seconds": float("nan")}, "range_seconds=nan leaves a worker nothing"),
    ],
)
def test_a_value_out_of_range_is_refused_when_it_is_given(tmp_path, options, words):
    for give in (
        lambda: ff.IndexOptions(**options),
        lambda: replace(ff.IndexOptions(), **options),
        lambda: ff.index(tmp_path, tmp_path / "s", **options),
    ):
        with pytest.raises(ValueError, match=re.escape(words)) as caught:
            give()
        assert str(caught.value).startswith(words)
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_an_object_and_keywords_say_the_same(film, tmp_path):
    options = ff.IndexOptions(fps=5, size=64, workers=1, ids={film: "ward 1/a"})
    with pytest.raises(FrozenInstanceError):
        options.fps = 1
    ff.index(film, tmp_path / "object", options)
    ff.index(film, tmp_path / "keywords", fps=5, size=64, workers=1, ids={film: "ward 1/a"})
    ff.index(film, tmp_path / "changed", options, fps=1)
    made, same, other = (
        ff.open(tmp_path / name)["ward 1/a"] for name in ("object", "keywords", "changed")
    )
    assert made.facts["recipe"] == same.facts["recipe"] == options.recipe.to_dict()
    assert made.commit.key == same.commit.key
    assert other.facts["recipe"] == Recipe(fps=1, size="64").to_dict()
    there = forecast(film, tmp_path / "object", options)
    assert [(one.video_id, one.status) for one in there.others] == [("ward 1/a", "done")]
    assert [one.effort.rows for one in forecast(film, tmp_path / "object", options, fps=1).looks]


def test_sample_shows_the_options_of_select(film):
    shown, of_select = (inspect.signature(one).parameters for one in (ff.sample, ff.select))
    twin = typing.get_type_hints(SelectOptions)
    assert list(twin) == [name for name in of_select if name not in ("table", "budget", "policy")]
    assert {name: shown[name].default for name in twin} == {
        name: of_select[name].default for name in twin
    }
    with pytest.raises(TypeError, match=r"sample\(\) has no option 'coverge'; did you mean 'cov"):
        ff.sample(film, budget=2, coverge=0.5)


def test_what_is_no_options_object_is_refused(film, tmp_path):
    for given in ({"fps": 1}, 2):
        with pytest.raises(TypeError, match="is no IndexOptions; pass one, or its fields as"):
            ff.index(film, tmp_path / "s", given)


def test_the_command_has_an_option_for_every_field_and_its_default():
    words = {"memory_bytes": "memory"}
    context = index_command.make_context("index", ["a.mp4", "-o", "s"])
    for field in fields(ff.IndexOptions):
        value = context.params[words.get(field.name, field.name)]
        if field.name == "memory_bytes":
            value <<= 20
        assert value == field.default, field.name


@pytest.mark.parametrize("words", [["--ray", "auto"], ["--device", "cuda"], ["--backend", "dali"]])
def test_a_forecast_is_of_the_cpu_of_this_machine_alone(film, tmp_path, words):
    said = CliRunner().invoke(
        main, ["index", str(film), "-o", str(tmp_path / "s"), "--dry-run", *words]
    )
    assert said.exit_code == 2
    assert "--dry-run predicts runs on this machine's CPU cores alone" in said.output
    with pytest.raises(ValueError, match="forecast predicts runs on this machine's CPU cores"):
        forecast(film, tmp_path / "s", **{words[0].removeprefix("--"): words[1]})


def test_options_can_be_sent_to_a_process():
    options = ff.IndexOptions(fps=None, only=("a*",), ids={"a.mp4": "a"})
    assert pickle.loads(pickle.dumps(options)) == options


@dataclass(frozen=True, kw_only=True)
class Paper:
    width: int = 210
    height: int = 297


class PaperKeywords(typing.TypedDict, total=False):
    width: int
    height: int


@keywords_of(Paper)
def area(
    scale: int, *, height: int = 1, **changes: typing.Unpack[PaperKeywords]
) -> tuple[int, int, Paper]:
    """The scaled height."""
    return scale, height, changed(Paper(), None, changes)


def test_a_function_keeps_its_name_words_and_own_parameters():
    assert (area.__name__, area.__doc__) == ("area", "The scaled height.")
    assert area.__module__ == area.__wrapped__.__module__
    assert str(inspect.signature(area)).startswith("(scale: int, *, height: int = 1, width: int")
    assert area(2, height=3, width=4) == (2, 3, Paper(width=4))
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'scale'"):
        area()


@pytest.mark.slow
def test_a_function_can_be_sent_to_a_process(film):
    assert pickle.loads(pickle.dumps(ff.index)) is ff.index
    made = functools.partial(ff.index, size=64)
    assert pickle.loads(pickle.dumps(made)).keywords == {"size": 64}
    sent = ff.isolated(forecast, film, "new.zarr", fps=1, limit_seconds=60)
    assert json.dumps(sent.to_dict()["total"]["rows"]) == "2"
