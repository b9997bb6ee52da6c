"""The rules of ARCHITECTURE.md that a machine can hold."""

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from fewframes.cli.main import BENCHES, COMMANDS
from fewframes.decode.decoder import DECODERS
from fewframes.models.runtimes import RUNTIMES
from fewframes.plugins import PLUGINS
from fewframes.store.dataset_export import FORMATS

ROOT = Path(__file__).parents[2]
FOLDERS = ("engine", "kernels", "bindings", "bench")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
ENGINE = [path for path in SOURCES if path.is_relative_to(ROOT / "engine")]
BASE = ("arrays", "errors", "naming", "atomic", "chunks", "plugins", "keywords", "times")
"""Files of the engine that lie below all its parts."""
PARTS = (
    "media",
    "decode",
    "files",
    "features",
    "selection",
    "metrics",
    "sampling",
    "store",
    "indexing",
)
PARTS += ("checking", "models", "agents", "training", "view", "cli")
"""The parts of the engine, folders and one file, each of which imports only those before it."""
FACADES = (
    "fewframes",
    *(f"fewframes.{x}" for x in ["models", "agents", "training", "metrics", "errors"]),
)
"""What users import; all else is private."""
HEAVY = ("torch", "cupy", "nvidia", "ray", "transformers", "numba", "zarr", "pyarrow", "av", "rich")


def imports(node: ast.AST) -> set[str]:
    """Names of the modules imported anywhere below a node."""
    found = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            found.add(child.module or "")
    return found


def top_level(tree: ast.Module) -> set[str]:
    """Names of the modules imported when the module itself is."""
    blocks = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    return set().union(*map(imports, blocks)) if blocks else set()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    assert len(path.read_text().splitlines()) <= 300
    limit = 40 if path.parent.name == "kernels" else 25
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            has_words = ast.get_docstring(node) is not None
            body = node.body[1:] if has_words else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= limit, f"{path.name}: {node.name} has {lines} lines"


@pytest.mark.parametrize("path", sorted((ROOT / "kernels").glob("*.py")), ids=lambda p: p.name)
def test_kernels_import_nothing_of_the_rest(path):
    mine = {name for name in imports(tree_of(path)) if name.startswith("fewframes")}
    assert all(name.startswith("fewframes.kernels") for name in mine)


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_engine_imports_no_binding_and_no_bench(path):
    """Not even in a function or for types: bindings are in the table of `fewframes.plugins`."""
    for name in imports(tree_of(path)):
        assert not f"{name}.".startswith(("fewframes.bindings.", "fewframes.bench."))


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_part_of_the_engine_imports_no_later_one(path):
    """Imports in functions and for types count like all others."""
    mine = path.relative_to(ROOT / "engine").with_suffix("").parts[0]
    if mine in ("__init__", "__main__"):
        return
    order = [*BASE, *PARTS]
    later = {f"fewframes.{name}" for name in order[order.index(mine) + 1 :]}
    assert not {".".join(name.split(".")[:2]) for name in imports(tree_of(path))} & later


@pytest.mark.slow
def test_no_imports_run_in_a_circle():
    graph = {module_of(path): set(modules_of(path)) for path in SOURCES}
    state: dict[str, str] = {}

    def visit(module, trail):
        assert state.get(module) != "open", " -> ".join([*trail, module])
        if module in graph and module not in state:
            state[module] = "open"
            for other in sorted(graph[module]):
                visit(other, [*trail, module])
            state[module] = "done"

    for module in graph:
        visit(module, [])


def module_of(path: Path) -> str:
    """The name under which a file is imported; that of a folder for its own file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(("fewframes", *(parts[1:] if parts[0] == "engine" else parts)))


@cache
def modules() -> frozenset[str]:
    return frozenset(map(module_of, SOURCES))


def modules_of(path: Path) -> set[str]:
    """Modules of the package that a file imports, other than the package itself."""
    known = modules()
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inside & known if inside <= known else (inside & known) | {node.module}
    return found & known - {"fewframes", module_of(path)}


def test_everything_that_is_loaded_by_name_is_there():
    """Read from the source, since the libraries behind them may not be."""
    decoders = [row.decode for row in DECODERS.values()]
    exporters = [row.exporter for row in RUNTIMES.values()]
    commands = [*COMMANDS.values(), *BENCHES.values()]
    for place in {*PLUGINS.values(), *decoders, *exporters, *FORMATS.values(), *commands}:
        module, _, name = place.partition(":")
        path = ROOT / f"{module.removeprefix('fewframes.').replace('.', '/')}.py"
        path = path if path.exists() else ROOT / "engine" / path.relative_to(ROOT)
        names = {getattr(node, "name", None) for node in tree_of(path).body}
        for node in tree_of(path).body:
            if isinstance(node, ast.Assign):
                names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        assert name in names, place


def test_the_parts_are_those_of_the_map_in_its_order():
    folders = {path.parent.name for path in ENGINE} - {"engine"}
    assert folders | {"sampling"} == set(PARTS)
    rows = (ROOT / "ARCHITECTURE.md").read_text().splitlines()
    listed = [row.split("`")[1] for row in rows if row.startswith("| `engine/")]
    assert [name.removesuffix(".py") for name in listed] == [f"engine/{name}" for name in PARTS]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_imports_tests_or_a_folder_by_its_own_name(path):
    assert not {name.split(".")[0] for name in imports(tree_of(path))} & {"tests", *FOLDERS}


def test_importing_the_package_loads_no_other_library():
    code = "import sys, fewframes; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in said.stdout.split()} & set(HEAVY)


def test_public_names_are_few_and_documented():
    import fewframes as ff

    modules = {path.stem for path in (ROOT / "engine").glob("*.py")} | set(PARTS)
    assert not modules & set(ff.__all__), "a module would hide the public name once it is loaded"

    assert len(ff.__all__) <= 20


@pytest.mark.parametrize("facade", FACADES)
def test_public_names_have_docstrings_and_stand_in_the_readme(facade):
    module = importlib.import_module(facade)
    rows = (ROOT / "README.md").read_text().splitlines()
    row = next(row for row in rows if row.startswith(f"| `{facade}` |"))
    for name in module.__all__ if facade != "fewframes.errors" else ["FewframesError"]:
        assert f"`{name}`" in row, name
        if facade == "fewframes.training" and name.startswith("Clip") and name not in vars(module):
            continue  # of PyTorch, which may not be there; its own tests import it by this name
        value = getattr(module, name)
        assert not isinstance(value, ModuleType), f"a module hides the public name {name}"
        assert not callable(value) or value.__doc__, name
