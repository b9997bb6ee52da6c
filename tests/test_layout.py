"""The rules of ARCHITECTURE.md that a machine can hold."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("engine", "kernels", "bindings", "bench")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
ENGINE = [path for path in SOURCES if path.is_relative_to(ROOT / "engine")]
LAYERS = ("media", "decode", "measure", "choose", "storage", "runs", "serve", "commands")
"""The folders of the engine, each of which loads only those before it."""
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
def test_the_engine_loads_bindings_only_inside_functions(path):
    tree = tree_of(path)
    assert not any(name.startswith("fewframes.bindings") for name in top_level(tree))
    assert not any(f"{name}.".startswith("fewframes.bench.") for name in imports(tree))


@pytest.mark.parametrize("path", ENGINE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_layer_of_the_engine_loads_no_later_one(path):
    mine = path.relative_to(ROOT / "engine").parts[0]
    if mine not in LAYERS:
        return
    later = {f"fewframes.{name}" for name in LAYERS[LAYERS.index(mine) + 1 :]}
    loaded = {".".join(name.split(".")[:2]) for name in top_level(tree_of(path))}
    assert not loaded & later


def test_the_layers_are_the_folders_of_the_engine_in_the_order_of_the_map():
    assert {path.parent.name for path in ENGINE} == {"engine", *LAYERS}
    rows = (ROOT / "ARCHITECTURE.md").read_text().splitlines()
    assert [row.split("`")[1] for row in rows if row.startswith("| `engine/")] == [
        f"engine/{name}" for name in LAYERS
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_imports_tests_or_a_folder_by_its_own_name(path):
    assert not {name.split(".")[0] for name in imports(tree_of(path))} & {"tests", *FOLDERS}


def test_importing_the_package_loads_no_other_library():
    code = "import sys, fewframes; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in said.stdout.split()} & set(HEAVY)


def test_public_names_are_few_and_documented():
    import fewframes as ff

    modules = {path.stem for path in (ROOT / "engine").glob("*.py")} | set(LAYERS)
    assert not modules & set(ff.__all__), "a module would hide the public name once it is loaded"

    assert len(ff.__all__) <= 14
    readme = (ROOT / "README.md").read_text()
    for name in ff.__all__:
        assert getattr(ff, name).__doc__, name
        assert f"ff.{name}" in readme or name in readme, name
