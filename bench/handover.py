"""What do real consumers tell a model of time? ``python -m fewframes.bench.handover -o FILE``.

Frames with uneven, variable and even times, one, an odd and an even number of them, are handed to
the processors of transformers, built on the spot. From the text that each one makes for its model
the times are read back, and compared with the true ones. Needs transformers and torchvision.
"""

import json
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np

from fewframes.bench.consumers import CONSUMERS
from fewframes.bench.measure import machine
from fewframes.frames import FrameBatch
from fewframes.handover import Handover
from fewframes.models import RUNTIMES

SPACINGS: dict[str, Any] = {
    "uneven, K = 8": (0.0, 0.4, 3.123, 65.9, 66.2, 200.05, 3601.7, 7199.999),
    "uneven, K = 7": (0.0, 0.4, 3.123, 65.9, 66.2, 200.05, 3601.7),
    "variable rate, K = 24": np.cumsum(np.random.default_rng(1).uniform(0.01, 0.9, 24)),
    "even, K = 16": np.arange(16) / 2,
    "one frame": (7.25,),
}
MODELS = [name for name, row in RUNTIMES.items() if "transformers_video" in row.exporter]


def frames_at(seconds: Any) -> FrameBatch:  # noqa: ANN401 (any sequence of numbers)
    """Makes a batch of noise with these times."""
    pixels = np.random.default_rng(0).integers(0, 255, (len(seconds), 64, 96, 3), np.uint8)
    pts = np.round(np.array(seconds) * 90000).astype(np.int64)
    numbers = np.arange(len(seconds))
    return FrameBatch((pixels,), "rgb", numbers, pts, Fraction(1, 90000), 0, "film")


def judge(runtime: str, seconds: Any) -> dict[str, Any]:  # noqa: ANN401
    """Hands frames to a consumer, and reads back what its model is told."""
    batch = frames_at(seconds)
    given = batch.to(runtime)
    row = {"frames": len(batch), "layout": given.report["layout"]}
    if row["layout"] != "video" or runtime not in CONSUMERS:
        return row | told_by_text(given, batch)
    consumer = CONSUMERS[runtime]
    processor = consumer.make()
    inputs = processor(text=[consumer.video], **given.arguments, return_tensors="pt")
    told = consumer.told(processor.tokenizer.decode(inputs["input_ids"][0]))
    each = np.repeat(told, consumer.pictures_a_time)
    return row | {
        "accepted": len(each) == len(given.rows),
        "times_told": len(told),
        "invented": int(not np.array_equal(each, given.told_seconds)),
        "max_error_seconds": round(float(np.abs(each - batch.seconds[given.rows]).max()), 3),
    }


def told_by_text(given: Handover, batch: FrameBatch) -> dict[str, Any]:
    """What the lines of text say, or for evenly spaced frames the one rate."""
    error = float(np.abs(given.told_seconds - batch.seconds[given.rows]).max())
    times = sum(part["type"] == "text" for part in given.content)
    return {
        "accepted": True,
        "times_told": times,
        "invented": 0,
        "max_error_seconds": round(error, 3),
    }


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(output: Path | None) -> None:
    """Judges every model of transformers over several spacings."""
    table = {name: {s: judge(name, times) for s, times in SPACINGS.items()} for name in MODELS}
    click.echo(f"{'model':<18}{'frames':<24}{'layout':<17}{'told':>5}{'invented':>9}{'error s':>9}")
    for name, rows in table.items():
        for spacing, row in rows.items():
            click.echo(
                f"{name:<18}{spacing:<24}{row['layout']:<17}{row['times_told']:>5}"
                f"{row['invented']:>9}{row['max_error_seconds']:>9.3f}"
            )
    if output:
        said = {"machine": machine(), "transformers": version("transformers"), "models": table}
        output.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
