"""What CONTRIBUTING.md promises to somebody who adds something: one file and one row."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from fewframes.bench.research.films import Film, write_film

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


class Newcomer(NamedTuple):
    """A new file, and the row that is written in front of others of a table."""

    file: str
    text: str
    page: str
    table: str
    """The line with which the table begins, or an import if `row` is one."""
    row: str
    imported: str = ""


NEWCOMERS = {
    "kernel": Newcomer(
        "kernels/largest.py",
        """
from fewframes.kernels.kernel import U8, Kernel, require

@Kernel
def largest(values: U8) -> int:
    return int(values.max())

@largest.check
def _are_levels(values: U8) -> None:
    require("values", values, "[n] u8")

@largest.cpu
def _largest_cpu(values: U8) -> int:
    most = 0
    for value in values:
        most = max(most, value)
    return most
""",
        "kernels/__init__.py",
        "from typing import Any\n",
        "from fewframes.kernels.largest import largest as largest\n",
    ),
    "policy": Newcomer(
        "engine/selection/latest.py",
        """
import numpy as np
from fewframes.selection.candidates import Candidates, Picks

def latest(candidates: Candidates, *, budget: int) -> Picks:
    rows = np.arange(len(candidates))[-budget:]
    return Picks(rows, np.ones(budget), ("late",) * budget)
""",
        "engine/selection/policies.py",
        "POLICIES: dict[str, Policy] = {\n",
        '    "latest": Policy(latest, needs_pictures=False, summary="the last frames"),\n',
        "from fewframes.selection.latest import latest\n",
    ),
    "signal": Newcomer(
        "engine/features/redness.py",
        """
from fewframes.features.picture_stats import RED, FrameStats

def redness(frame: FrameStats) -> float:
    return float(frame.grids[RED].mean())
""",
        "engine/features/signals.py",
        "_ROWS = (\n",
        '    Signal("redness", "levels", "frame", "mean of the red chroma plane", redness),\n',
        "from fewframes.features.redness import redness\n",
    ),
    "decoder": Newcomer(
        "bindings/twofold.py",
        """
from fewframes.bindings.ffmpeg import decode as ffmpeg
from fewframes.decode.decoder import Event

def decode(timeline, runs, *, format, size, report):
    report[Event.DECODER, "twofold on cpu"] += 1
    yield from ffmpeg.decode(timeline, runs, format=format, size=size, report=report)
""",
        "engine/decode/decoder.py",
        "DECODERS: dict[str, Backend] = {\n",
        '    "twofold": Backend("fewframes.bindings.twofold:decode", ("cpu",)),\n',
    ),
    "runtime": Newcomer(
        "bindings/captions.py",
        """
import numpy as np
from fewframes.decode.batch import Handover

def export(batch, runtime, model):
    content = [{"caption": f"{seconds:.2f}"} for seconds in batch.seconds.tolist()]
    return Handover(runtime, content, {}, np.arange(len(batch)), batch.seconds)
""",
        "engine/models/runtimes.py",
        "RUNTIMES: dict[str, Runtime] = {\n",
        '    "captions": Runtime("fewframes.bindings.captions:export", "seconds", "text"),\n',
    ),
    "export": Newcomer(
        "bindings/times.py",
        """
def write_times(videos, folder):
    for video in videos:
        words = "\\n".join(map(str, video.table.seconds.tolist()))
        (folder / f"{video.id}.txt").write_text(words)
""",
        "engine/store/dataset_export.py",
        "FORMATS: dict[str, str] = {\n",
        '    "times": "fewframes.bindings.times:write_times",\n',
    ),
    "command": Newcomer(
        "engine/cli/count_command.py",
        '''
import click
import fewframes
from fewframes.cli.params import WHERE, cli_errors

@click.command()
@click.argument("store", type=WHERE)
@cli_errors
def count(store) -> None:
    """Counts the videos of STORE."""
    click.echo(f"{len(fewframes.open(store))} videos")
''',
        "engine/cli/main.py",
        "COMMANDS: dict[str, str] = {\n",
        '    "count": "fewframes.cli.count_command:count",\n',
    ),
}
USES = """
import json, sys
from pathlib import Path
import numpy as np
import fewframes as ff
from click.testing import CliRunner
from fewframes import kernels
from fewframes.cli.main import main
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.recipes import Recipe

film, store = Path(sys.argv[1]), Path(sys.argv[2])
run = lambda *words: CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
index_film(FilmTask(film, store, "film", Recipe(fps=None, size="native")))
video = ff.open(store)["film"]
said = {"home": ff.__file__, "kernel": int(kernels.largest(np.array([3, 9, 4], np.uint8)))}
said["policy"] = video.sample(budget=2, policy="latest").frame_numbers.tolist()
said["signal"] = video.table.signals["redness"].tolist()
batch = ff.read(film, frames=[3, 1], backend="twofold")
said["decoder"] = [batch.frame_numbers.tolist(), batch.report["decoder"]]
said["runtime"] = batch.to("captions").content
run("export", store, "film", "--to", store.parent / "out", "--format", "times")
said["export"] = (store.parent / "out" / "film.txt").read_text().split()
said["command"] = run("count", store).output
print(json.dumps(said))
"""


def copied(to: Path) -> None:
    """The package as its import name has it; compiled kernels come along, which saves a minute."""
    leave = shutil.ignore_patterns("results", "suite", "*.tmp*")
    for folder, name in [
        ("engine", "."),
        *((part, part) for part in ("kernels", "bindings", "bench")),
    ]:
        shutil.copytree(ROOT / folder, to / "fewframes" / name, ignore=leave)


def placed(to: Path, path: str) -> Path:
    return to / "fewframes" / path.removeprefix("engine/")


def added(to: Path, new: Newcomer) -> None:
    placed(to, new.file).write_text(new.text)
    page = placed(to, new.page)
    text = page.read_text()
    assert text.count(new.table) == 1
    text = text.replace(new.table, new.table + new.row)
    first = re.search(r"^from fewframes", text, re.MULTILINE)
    page.write_text(text[: first.start()] + new.imported + text[first.start() :])


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What a copy of the package says of all seven, in one process."""
    place = tmp_path_factory.mktemp("newcomers")
    copied(place)
    for new in NEWCOMERS.values():
        added(place, new)
    write_film(place / "film.mp4", Film(frames=12, size=(48, 64)))
    command = [sys.executable, "-c", USES, str(place / "film.mp4"), str(place / "s.zarr")]
    environment = {**os.environ, "PYTHONPATH": str(place), "FEWFRAMES_CACHE": "off"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert Path(said["home"]).is_relative_to(place)
    return said


def test_a_kernel_is_called(said):
    assert said["kernel"] == 9


def test_a_policy_selects(said):
    assert said["policy"] == [10, 11]


def test_a_signal_is_a_column_of_an_indexed_store(said):
    assert len(said["signal"]) == 12
    assert all(0 < level < 255 for level in said["signal"])


def test_a_decoder_decodes(said):
    assert said["decoder"] == [[3, 1], "ffmpeg on cpu; twofold on cpu"]


def test_a_runtime_is_handed_frames(said):
    assert said["runtime"] == [{"caption": "0.12"}, {"caption": "0.04"}]


def test_an_export_writes(said):
    assert [float(word) for word in said["export"]] == pytest.approx([n / 25 for n in range(12)])


def test_a_command_runs(said):
    assert said["command"] == "1 videos\n"


@pytest.mark.parametrize("kind", NEWCOMERS)
def test_the_page_for_newcomers_names_the_file_and_the_table(kind):
    page = (ROOT / "CONTRIBUTING.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith(f"| {kind} |"))
    table = re.search(r"^\w+", NEWCOMERS[kind].table)[0]
    table = {"from": "KERNELS", "_ROWS": "SIGNALS"}.get(table, table)
    assert f"[`{table}`]({NEWCOMERS[kind].page})" in row
    assert str(Path(NEWCOMERS[kind].file).parent) in row
