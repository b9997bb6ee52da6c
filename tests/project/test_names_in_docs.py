"""Names on paper are names in the tree: of files, modules, classes, their parts, and all others."""

import ast
import builtins
import re
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDERS = ("engine", "kernels", "bindings", "bench", "tests", "examples")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "bench").rglob("*.md"))]
PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md")
FILE = re.compile(r"[\w.…/-]+\.(?:py|md|sh|json|toml|txt)\b")
DOTTED = re.compile(r"(?<![\w/.\"'-])\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b|^\.[a-z_]\w*$")
WORD = re.compile(r"^[A-Za-z_]\w*$")
PACKAGE = re.compile(r"\bfewframes(?:\.[A-Za-z_]\w*)+")
NO_MODULES = {"fewframes.policies", "fewframes.ffmpeg", "fewframes.__file__"}
"""A group of entry points, a logger, and what every module has."""


class Tree:
    """What the sources define and name."""

    def __init__(self) -> None:
        self.members: dict[str, set[str]] = defaultdict(set)
        """Class or module -> its parts; a module by the last word of its name."""
        self.modules: dict[str, set[str]] = {}
        """Import name -> what the module defines or imports."""
        self.words: set[str] = set()
        for path in SOURCES:
            self._read(path)

    def _read(self, path: Path) -> None:
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[1:] if parts[0] == "engine" else parts
        parts = parts[:-1] if parts and parts[-1] == "__init__" else parts
        tree = ast.parse(path.read_text())
        mine = names_of(tree)
        self.modules[".".join(("fewframes", *parts))] = mine
        self.members[parts[-1] if parts else "fewframes"] |= mine
        self.words |= set(parts)
        for node in ast.walk(tree):
            self.words |= words_of(node)
            if isinstance(node, ast.ClassDef):
                self.members[node.name] |= names_of(node) | {
                    one.attr
                    for one in ast.walk(node)
                    if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store)
                }

    def has_module(self, name: str) -> bool:
        """Whether a full name is that of a module, a folder, or of a name in one."""
        inside, _, last = name.rpartition(".")
        if name in self.modules or any(one.startswith(f"{name}.") for one in self.modules):
            return True
        owner, _, kind = inside.rpartition(".")
        found = last in self.modules.get(inside, ())
        return found or (kind in self.modules.get(owner, ()) and last in self.members[kind])


def names_of(node: ast.AST) -> set[str]:
    """Names that a module or class defines or imports."""
    found = set()
    for one in ast.iter_child_nodes(node):
        found |= {getattr(one, "name", None)} if hasattr(one, "body") else set()
        if isinstance(one, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in one.names}
        targets = getattr(one, "targets", [getattr(one, "target", None)])
        for target in targets:
            if target is not None:
                found |= {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
                if getattr(target, "id", None) == "__all__":
                    found |= words_of_all(one)
        if isinstance(one, ast.If):
            found |= names_of(one)
    return found - {None}


def words_of_all(node: ast.AST) -> set[str]:
    """The names that a module lists as its own, some of which it may load when they are named."""
    return set().union(*map(words_of, ast.walk(node.value)))


def words_of(node: ast.AST) -> set[str]:
    """Identifiers of a node: names, attributes, arguments, keywords, and texts that are one."""
    if isinstance(node, ast.Constant):
        is_name = isinstance(node.value, str) and node.value.isidentifier()
        return {node.value} if is_name else set()
    values = (getattr(node, name, None) for name in ("id", "attr", "arg", "name"))
    return {value for value in values if isinstance(value, str)}


@pytest.fixture(scope="module")
def tree():
    return Tree()


@pytest.fixture(scope="module")
def files():
    listed = ROOT.rglob("*")
    skipped = {".git", ".venv", "build", "__pycache__"}
    return {
        f"/{path.relative_to(ROOT)}"
        for path in listed
        if not skipped & set(path.relative_to(ROOT).parts)
    }


def quoted(page: str) -> list[str]:
    """All that stands in backticks; code blocks, and what tells of older names, are left out."""
    text = (ROOT / page).read_text().partition("\n## Older names\n")[0]
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text.replace("\n", " "))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_on_the_page_is_there(page, files):
    for words in quoted(page):
        for name in FILE.findall(words):
            pattern = re.escape(name).replace("…", r"\w+")
            assert any(re.search(f"/{pattern}$", path) for path in files), name


@pytest.mark.parametrize("page", PAGES)
def test_every_dotted_name_on_the_page_resolves(page, tree):
    for words in quoted(page):
        for name in DOTTED.findall(FILE.sub("", words)):
            owner, _, last = name.rpartition(".")
            if name in NO_MODULES:
                continue
            if name.startswith("fewframes."):
                assert tree.has_module(name), name
            elif owner:
                assert last in tree.members.get(owner, ()), name
            else:
                assert any(last in members for members in tree.members.values()), name


def test_every_file_in_a_docstring_is_there(files):
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            for words in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", node.value):
                for name in FILE.findall(words):
                    pattern = re.escape(name).replace("…", r"\w+")
                    is_there = any(re.search(f"/{pattern}$", file) for file in files)
                    assert is_there, f"{path.relative_to(ROOT)}: {name}"


def test_every_full_name_in_sources_and_on_pages_resolves(tree):
    for path in [*SOURCES, *TEXTS]:
        if path.is_relative_to(ROOT / "tests"):  # these also use names that are not there
            continue
        for name in set(PACKAGE.findall(path.read_text())) - NO_MODULES:
            assert tree.has_module(name), f"{path.relative_to(ROOT)}: {name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_single_word_on_the_page_is_a_name_of_the_tree(page, tree, files):
    folders = {part for path in files for part in path.split("/")}
    for words in quoted(page):
        if WORD.match(words) and not hasattr(builtins, words):
            assert words in tree.words | folders, words
