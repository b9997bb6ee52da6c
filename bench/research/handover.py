"""What do real consumers tell a model of time?

    python -m fewframes.bench.research.handover -o FILE

Frames with uneven, variable and even times, one, an odd and an even number of them, are handed to
the processors of transformers, built on the spot, to vLLM, and into chat messages. From the text
that each one makes for its model the times are read back, and compared with the true ones. A time
is invented where it is neither true nor the one that the hand-over says. Needs transformers and
torchvision; what needs vLLM or qwen-vl-utils is left out where they are not installed.
"""

from collections.abc import Sequence
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np

from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.consumers import CONSUMERS
from fewframes.bench.research.timestamps import chat_told, is_readable, needs, vllm_told
from fewframes.decode.batch import FrameBatch
from fewframes.models.runtimes import RUNTIMES

SPACINGS: dict[str, Any] = {
    "uneven, K = 8": (0.0, 0.4, 3.123, 65.9, 66.2, 200.05, 3601.7, 7199.999),
    "uneven, K = 7": (0.0, 0.4, 3.123, 65.9, 66.2, 200.05, 3601.7),
    "variable rate, K = 24": np.cumsum(np.random.default_rng(1).uniform(0.01, 0.9, 24)),
    "even, K = 16": np.arange(16) / 2,
    "one frame": (7.25,),
}
SAME = 1e-6
"""Times that differ by less are the same."""


def frames_at(seconds: Sequence[float]) -> FrameBatch:
    """Makes a batch of noise with these times."""
    pixels = np.random.default_rng(0).integers(0, 255, (len(seconds), 64, 96, 3), np.uint8)
    pts = np.round(np.array(seconds) * 90000).astype(np.int64)
    numbers = np.arange(len(seconds))
    return FrameBatch((pixels,), "rgb", numbers, pts, Fraction(1, 90000), 0, "film")


def judge(runtime: str, seconds: Sequence[float]) -> dict[str, Any]:
    """Hands frames to a consumer, and reads back what its model is told."""
    batch = frames_at(seconds)
    if not is_readable(runtime):
        return {"not judged": f"{needs(runtime)} is not installed"}
    try:
        given = batch.to(runtime)
    except ValueError as error:
        return {"frames": len(batch), "refused": str(error)}
    if runtime.startswith("vllm"):
        told, pictures = vllm_told(given)
    elif runtime in CONSUMERS:
        told, pictures = CONSUMERS[runtime].told(given)
    else:
        told, pictures = chat_told(given), 1
    each = np.repeat(told, pictures)
    is_whole = len(each) == len(given.rows)
    errors = np.abs(each - batch.seconds[given.rows]) if is_whole else np.array([np.inf])
    is_said = is_whole and np.abs(each - given.timestamps).max() < SAME
    return {
        "frames": len(batch),
        "layout": given.report["layout"],
        "accepted": is_whole,
        "times_told": len(told),
        "invented": 0 if is_said else int((errors > SAME).sum()),
        "max_error_seconds": round(float(errors.max()), 3),
    }


def shown(name: str, spacing: str, row: dict[str, Any]) -> str:
    """A row as a line."""
    words = row.get("not judged") or row.get("refused")
    if words:
        return f"{name:<24}{spacing:<24}{words[:60]}"
    return (
        f"{name:<24}{spacing:<24}{row['layout']:<17}{row['times_told']:>5}"
        f"{row['invented']:>9}{row['max_error_seconds']:>9.3f}"
    )


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(output: Path | None) -> None:
    """Judges every runtime over several spacings."""
    click.echo(
        f"{'runtime':<24}{'frames':<24}{'layout':<17}{'told':>5}{'invented':>9}{'error s':>9}"
    )
    table: dict[str, dict[str, Any]] = {}
    for name in RUNTIMES:
        table[name] = {spacing: judge(name, times) for spacing, times in SPACINGS.items()}
        for spacing, row in table[name].items():
            click.echo(shown(name, spacing, row))
    said = {"machine": machine(), "transformers": version("transformers"), "models": table}
    keep_result(said, output)


if __name__ == "__main__":
    main()
