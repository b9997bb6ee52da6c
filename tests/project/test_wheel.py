"""The wheel holds what users run: no studies, no suite, no tests, and nothing that needs them."""

import ast
import importlib
import runpy
from pathlib import Path

import pytest
import setuptools

from fewframes.cli.main import BENCHES

ROOT = Path(__file__).parents[2]
FOR_USERS = [place.partition(":")[0] for place in BENCHES.values()]
FOR_USERS += ["fewframes.bench.demo", "fewframes.bench.converters"]
"""Modules of `bench` that users run; all that ships beside them is what these import."""


@pytest.fixture(scope="module")
def wheel() -> dict[str, Path]:
    """Import name -> file of each module in the wheel, by the packages that setup.py lists."""
    request = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(setuptools, "setup", request.update)
        runpy.run_path("setup.py")
    files = {}
    for package in request["packages"]:
        name, folder = package, ""
        while name not in request["package_dir"]:
            name, _, last = name.rpartition(".")
            folder = f"{last}/{folder}"
        for path in (ROOT / request["package_dir"][name] / folder).glob("*.py"):
            files[package if path.stem == "__init__" else f"{package}.{path.stem}"] = path
    return files


def of_bench(wheel):
    return {name: path for name, path in wheel.items() if name.startswith("fewframes.bench.")}


def imported(path):
    """Every dotted name of the package that an import or a text of a file names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value}  # a module that a process of its own runs
    return {name for name in found if name.startswith("fewframes.")}


def test_the_wheel_has_no_studies_no_suite_and_no_tests(wheel):
    assert {"fewframes", "fewframes.cli.main", "fewframes.kernels.rgb"} <= wheel.keys()
    for path in wheel.values():
        parts = path.relative_to(ROOT).parts
        assert not {"research", "results", "suite", "tests"} & set(parts), path


def test_a_shipped_benchmark_imports_only_what_ships(wheel):
    everything = {path.stem for path in (ROOT / "bench").rglob("*.py")}
    for path in of_bench(wheel).values():
        for name in imported(path):
            parts = name.split(".")
            if parts[1] == "bench" and {*parts[2:3]} & {*everything, "research"}:
                assert ".".join(parts[:3]) in wheel, f"{path.name} imports {name}"


def test_what_ships_of_bench_is_what_users_run_and_what_that_imports(wheel):
    needed, left = set(), [*FOR_USERS]
    while left:
        name = left.pop()
        if name in wheel and name not in needed:
            needed.add(name)
            left += imported(wheel[name])
    assert of_bench(wheel).keys() == {name for name in needed if "bench." in name}


def test_a_checkout_imports_the_studies():
    assert importlib.import_module("fewframes.bench.research.films").RECIPES
