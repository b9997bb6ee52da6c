"""Is every frame of these files the true one?

    python -m fewframes.bench.research.exactness FILE|FOLDER…

Each file is decoded whole, in order, and at random, and every frame's luma and time is compared
with the ffmpeg command line's (`fewframes.bench.research.oracle`). The result of a file is

- ``exact``: the number of frames, their times and every luma are the same;
- ``damaged``: so they are, where a frame is not marked or refused, and the damage is named;
- ``refused``: there is nothing to decode, and a sentence says why;
- ``not compared``: it decodes to RGB, so that there is no luma;
- ``differs``: anything else.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np

from fewframes.arrays import I64
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.oracle import luma_md5, sequential
from fewframes.decode.decoder import DecodeReport, decoder
from fewframes.decode.plan import plan_frames
from fewframes.errors import FewframesError
from fewframes.files.probing import probe
from fewframes.indexing.isolation import Worker
from fewframes.media.timeline import Timeline

SEEKS = 24
LIMIT_SECONDS = 900.0


def judge(path: Path) -> dict[str, Any]:
    """Compares one file with the oracle."""
    try:
        timeline = probe(path, cache=False)
    except FewframesError as error:
        return {"result": "refused", "why": str(error)}
    if timeline.stream.pixel_format.startswith(("rgb", "bgr", "gbr", "pal")):
        return {"result": "not compared", "why": "it decodes to RGB, which has no luma plane"}
    truth = sequential(path, timeline.stream.index)
    in_order, marked, report = compared(timeline, np.arange(len(timeline)), truth)
    few = np.random.default_rng(len(timeline)).permutation(len(timeline))[:SEEKS]
    wrong = in_order + [w for n in few for w in compared(timeline, few[few == n], truth)[0]]
    facts = {"codec": timeline.stream.codec, "frames": len(timeline), "marked": marked}
    damage = [*timeline.damage, *(words for _, words in report.anomalies[:1])]
    if wrong:
        return {"result": "differs", "why": wrong[0], **facts}
    if damage or marked or report.missing:
        return {"result": "damaged", "why": "; ".join(damage[:2]), **facts}
    if timeline.pts.tolist() != [pts for pts, _ in truth]:
        return {"result": "differs", "why": f"{len(truth)} frames or other times", **facts}
    return {"result": "exact", **facts}


def compared(
    timeline: Timeline, numbers: I64, truth: list[tuple[int, str]]
) -> tuple[list[str], int, DecodeReport]:
    """Gives what is wrong with unmarked frames, how many are marked, and the report."""
    known: dict[int, set[str]] = {}
    for pts, luma in truth:
        known.setdefault(pts, set()).add(luma)

    def by_order(number: int) -> set[str]:
        """What has this place, where there are no times to go by."""
        return {luma for _, luma in truth[number : number + 1]} if is_ordered else set()

    is_ordered = timeline.timing == "decoded"
    wrong, marked, report = [], 0, DecodeReport()
    runs = plan_frames(timeline, numbers).runs
    for batch in decoder()(timeline, runs, format="yuv", size=None, report=report):
        number, pts = int(batch.frame_numbers[0]), int(batch.pts[0])
        if batch.is_damaged is not None and batch.is_damaged[0]:
            marked += 1
        elif luma_md5(batch)[0] not in known.get(pts, set()) | by_order(number):
            wrong.append(f"frame {number} (pts {pts}) is another picture")
    return wrong, marked, report


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(paths: tuple[Path, ...], output: Path | None) -> None:
    """Judges files, and all files of folders."""
    inside = [sorted(path.iterdir()) if path.is_dir() else [path] for path in paths]
    rows = {}
    with Worker() as worker:
        for file in (file for files in inside for file in files if file.is_file()):
            try:
                rows[file.name] = worker.call(judge, file, limit_seconds=LIMIT_SECONDS)
            except FewframesError as error:
                rows[file.name] = {"result": "refused", "why": str(error)}
            click.echo(f"{file.name}: {' '.join(str(v) for v in rows[file.name].values())}")
    counts = dict(Counter(row["result"] for row in rows.values()))
    click.echo(str(counts))
    result = {"machine": machine(), "tally": counts, "files": rows}
    keep_result(result, output)


if __name__ == "__main__":
    from fewframes.bench.research import exactness  # workers find `judge` by its module's name

    exactness.main()
