"""The main job on a film made on the spot: ``python -m fewframes.bench.demo --out demo``.

1. A procedure-like film is generated: minutes of drifting tissue, six short planted events.
2. It is indexed, and 16 frames are chosen by ``adaptive`` and ``uniform``, which see the film only.
3. The planted times then tell what each policy caught. All seeds are shown, losses too.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import fewframes as ff
from fewframes.arrays import F64
from fewframes.bench.synthetic import Event, make_procedure
from fewframes.cli.formatting import sample_facts
from fewframes.view.contact_sheet import contact_sheet

POLICIES = ("adaptive", "uniform")


def caught(events: Sequence[Event], seconds: F64) -> list[str]:
    """Names the events that at least one chosen frame lies in.

    >>> import numpy as np
    >>> caught([Event("clip", 3.0, 5.0), Event("dye", 9.0, 11.0)], np.array([0.0, 4.5, 8.0]))
    ['clip']
    """
    return [
        event.name
        for event in events
        if ((seconds >= event.start_seconds) & (seconds <= event.end_seconds)).any()
    ]


def run_seed(seed: int, folder: Path, *, budget: int, minutes: float) -> dict[str, Any]:
    """Makes, indexes and samples one film; writes the contact sheet of its adaptive frames."""
    name = f"procedure_{seed}"
    film = folder / f"{name}.mp4"
    events = make_procedure(film, seed=seed, minutes=minutes)
    ff.index(film, folder / "corpus.zarr")
    video = ff.open(folder / "corpus.zarr")[name]
    result: dict[str, Any] = {"seed": seed, "events": [event.name for event in events]}
    for policy in POLICIES:
        batch = video.sample(budget=budget, policy=policy)
        result[policy] = {"caught": caught(events, batch.seconds), **sample_facts(batch)}
        if policy == "adaptive":
            write_sheet(batch, folder / f"{name}.jpg")
    return result


def write_sheet(batch: ff.FrameBatch, path: Path) -> None:
    """Writes a contact sheet as a JPEG file."""
    from simplejpeg import encode_jpeg

    path.write_bytes(encode_jpeg(contact_sheet(batch), quality=88))


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("-k", "--budget", default=16, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--minutes", default=8.0, show_default=True)
def main(out: Path, budget: int, seeds: int, minutes: float) -> None:
    """Generates films, indexes them and shows what 16 frames catch."""
    out.mkdir(parents=True, exist_ok=True)
    results = []
    for seed in range(seeds):
        result = run_seed(seed, out, budget=budget, minutes=minutes)
        results.append(result)
        total = len(result["events"])
        missed = sorted(set(result["events"]) - set(result["adaptive"]["caught"]))
        click.echo(
            f"seed {seed}: of {total} planted events, {budget} uniform frames caught "
            f"{len(result['uniform']['caught'])}, {budget} adaptive frames caught "
            f"{len(result['adaptive']['caught'])}"
            + (f" (adaptive missed: {', '.join(missed)})" if missed else "")
        )
    (out / "demo.json").write_text(json.dumps(results, indent=1) + "\n")
    click.echo(f"contact sheets and times: {out}/procedure_*.jpg, {out}/demo.json")


if __name__ == "__main__":
    main()
