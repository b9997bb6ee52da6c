"""Names of before the house had its present words: none may come back."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

NAMES = (Path(__file__).parent / "old_names.txt").read_text().split()


def resolved(name):
    """What a dotted name stands for: a module, or an attribute in one; LookupError for none."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("fewframes"):
                pytest.skip(f"{error.name} is not installed")
            continue
        for part in parts[count:]:
            if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
                raise LookupError(name)
            found = getattr(found, part, None)
        return found
    raise LookupError(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("fewframes.")])
def test_an_old_name_resolves_to_nothing(name):
    path, argument = re.fullmatch(r"([\w.]+)(?:\((\w+)\))?", name).groups()
    try:
        found = resolved(path)
    except LookupError:
        return
    assert argument, f"{path} is there again"
    assert argument not in inspect.signature(found).parameters


@pytest.mark.parametrize("name", [name for name in NAMES if "[" in name])
def test_an_old_key_of_a_report_is_written_nowhere(name):
    key = re.fullmatch(r"\w+\[(\w+)\]", name)[1]
    root = Path(__file__).parents[2]
    for folder in ("engine", "bindings"):
        for file in (root / folder).rglob("*.py"):
            assert f'"{key}":' not in file.read_text(), file
