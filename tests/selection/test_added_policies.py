"""Policies that users and other packages add are held to the same promise."""

import sys

import numpy as np
import pytest

from fewframes.features.table import FrameTable
from fewframes.selection.candidates import Picks
from fewframes.selection.policies import POLICIES, Policy, policies
from fewframes.selection.selection import select


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that is installed beside ours and names two policies."""
    (tmp_path / "elsewhere.py").write_text(
        "import numpy as np\n"
        "from fewframes.selection.candidates import Picks\n"
        "from fewframes.selection.policies import Policy\n"
        "def first(candidates, *, budget):\n"
        "    return Picks(np.arange(budget), np.zeros(budget, np.float32), ('first',) * budget)\n"
        "policy = Policy(first, needs_pictures=False, summary='the first frames')\n"
    )
    info = tmp_path / "elsewhere-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[fewframes.policies]\nfirst = elsewhere:policy\nwrong = elsewhere:first\n"
        "uniform = elsewhere:policy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("elsewhere", None)


@pytest.mark.usefixtures("installed")
def test_another_package_adds_a_policy():
    table = FrameTable.from_seconds(np.arange(9) / 2)
    select(table, budget=2, policy="uniform")
    assert "elsewhere" not in sys.modules  # a name of the table loads nothing, and is the table's
    chosen = select(table, budget=2, policy="first")
    assert chosen.rows.tolist() == [0, 1]
    assert chosen.reasons == ("first", "first")
    with pytest.raises(ValueError, match=r"pass one of adaptive, .*, runtime:\w+, first"):
        select(table, budget=2, policy="last")


@pytest.mark.usefixtures("installed")
def test_listing_loads_what_other_packages_add(tmp_path):
    points = tmp_path / "elsewhere-1.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text().replace("wrong = elsewhere:first\n", ""))
    listed = policies()
    assert list(listed) == [*POLICIES, "first"]
    assert listed["first"].summary == "the first frames"
    assert listed["uniform"] is POLICIES["uniform"]


@pytest.mark.usefixtures("installed")
def test_what_is_no_policy_is_refused_by_name():
    with pytest.raises(TypeError, match=r"policy='wrong' is function at 'elsewhere:first', not a"):
        select(FrameTable.from_seconds([0.0, 0.5]), budget=1, policy="wrong")
    with pytest.raises(TypeError, match="policy='wrong'"):
        policies()


def test_a_policy_is_a_function_and_a_row(monkeypatch):
    def latest(candidates, *, budget):
        rows = len(candidates) - 1 - np.arange(budget)
        return Picks(rows, np.arange(budget, dtype=np.float32), ("late",) * budget)

    monkeypatch.setitem(POLICIES, "latest", Policy(latest, needs_pictures=False, summary="the end"))
    chosen = select(
        FrameTable.from_seconds(np.arange(9) / 2), budget=2, policy="latest", span=(1.0, 3.0)
    )
    assert chosen.rows.tolist() == [5, 6]
    assert chosen.scores.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("rows", [[0], [0, 0], [0, 9], [-1, 0], [0, 1, 2]])
def test_a_policy_that_breaks_the_promise_is_caught(monkeypatch, rows):
    def broken(candidates, *, budget):
        return Picks(np.array(rows), np.zeros(len(rows), np.float32), ("?",) * len(rows))

    monkeypatch.setitem(POLICIES, "broken", Policy(broken, needs_pictures=False, summary="broken"))
    with pytest.raises(ValueError, match=r"policy='broken' returned .* where 2 different ones"):
        select(FrameTable.from_seconds(np.arange(9) / 2), budget=2, policy="broken")
