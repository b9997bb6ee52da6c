"""Every example that is shown, runs: doctests, and the README's Python and shell blocks."""

import contextlib
import doctest
import importlib
import pkgutil
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from fewframes.bench.research.films import Film, write_film

ROOT = Path(__file__).parents[2]
PACKAGES = ("fewframes", "fewframes.kernels", "fewframes.bindings", "fewframes.bench")
FILM = Film(frames=250, size=(240, 320), options={"g": "50", "bf": "2"})


def modules() -> list[str]:
    """Every module of the package, by its import name."""
    names = list(PACKAGES)
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        names += [m.name for m in pkgutil.walk_packages(folder, f"{package}.")]
    return sorted({name for name in names if not name.endswith("__main__")})


def module(name: str):
    """A module; skips where it is for PyTorch, and that is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name != "torch":
            raise
        pytest.skip("PyTorch is not installed")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as the examples expect it: film.mp4, videos/, films.csv, a store of film.mp4."""
    import fewframes as ff

    folder = tmp_path_factory.mktemp("workplace")
    write_film(folder / "film.mp4", FILM)
    (folder / "videos").mkdir()
    write_film(folder / "videos" / "case_07.mp4", replace(FILM, frames=251))
    (folder / "films.csv").write_text("path,id,split\nfilm.mp4,day 1/film,train\n")
    ff.index(folder / "film.mp4", folder / "corpus.zarr", size=160)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", modules())
def test_docstring_examples_run(name, workplace):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    with contextlib.chdir(workplace), np.printoptions(legacy=False):
        result = doctest.testmod(module(name), optionflags=flags)
    assert result.failed == 0


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_is(name):
    assert module(name).__doc__


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.slow
def test_the_readme_s_commands_and_python_run_in_its_own_order(workplace):
    from fewframes.cli.main import main

    shutil.rmtree(workplace / "corpus.zarr")
    with contextlib.chdir(workplace):
        for line in "".join(blocks("bash")).splitlines():
            name, *arguments = shlex.split(line, comments=True)
            assert name == "fewframes"
            result = CliRunner().invoke(main, arguments, catch_exceptions=False)
            assert result.exit_code == 0, f"{line}: {result.output}"
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), {})
    import fewframes as ff

    ff.index(workplace / "film.mp4", workplace / "corpus.zarr", size=160)


def test_the_readme_lists_every_policy_as_the_table_has_it():
    from fewframes.cli.formatting import needs_of
    from fewframes.selection.policies import POLICIES

    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"<!-- policies: begin -->\n(.*)<!-- policies: end -->", readme, re.DOTALL)
    rows = []
    for name, row in POLICIES.items():
        reads = ", ".join(f"`{use}`" for use in row.uses)
        rows.append(f"| `{name}` | {row.summary} | {reads} | {needs_of(row)} |")
    head = ["| policy | what it picks | reads | needs |", "|---|---|---|---|"]
    assert shown[1].splitlines() == head + rows


def test_every_policy_says_its_method_in_steps_and_shows_it():
    from fewframes.selection.policies import POLICIES

    for name, row in POLICIES.items():
        words = row.function.__doc__
        assert ">>>" in words, name
        assert row.is_upstream_sampler or re.search(r"^ +1\. ", words, re.MULTILINE), name
        assert row.is_upstream_sampler or "O(" in words, name


def commands(group: click.Group, trail: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{trail} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{trail} {name}")


def test_the_readme_names_every_command_and_its_help_explains_every_option():
    from fewframes.cli.main import main

    readme = (ROOT / "README.md").read_text()
    listed = dict(commands(main, "fewframes"))
    assert "fewframes bench throughput" in listed
    for call, command in listed.items():
        assert command.help, call
        assert call in readme, call
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{call} {option.opts[0]}"


def test_the_readme_s_figures_are_those_of_the_result_files():
    from fewframes.bench.research.report import measured, rewritten

    readme = (ROOT / "README.md").read_text()
    assert rewritten(readme, measured()) == readme


def test_the_map_of_the_engine_names_every_file_once():
    section = (ROOT / "ARCHITECTURE.md").read_text().split("## Where is what")[1].split("\n## ")[0]
    named = {
        folder: sorted(re.findall(r"`(\w+)`", files))
        for folder, files in re.findall(r"^\| `(engine/\w+)` \|[^|]*\|(.*)$", section, re.MULTILINE)
    }
    there = {
        f"engine/{package.parent.name}": sorted(
            path.stem for path in package.parent.glob("*.py") if path != package
        )
        for package in (ROOT / "engine").glob("*/__init__.py")
    }
    assert named == there
