"""A film as a store, as a tar of JPEGs and as an mp4: bytes on disk, and 64 random frames of each.

``python -m fewframes.bench.research.formats FILM…`` scans a film at a rate and keeps the
same frames at the same size in every format:

- fewframes: a store as `index` makes it, and one with ``dedup=0``;
- a tar of the same JPEG files, a file a frame, as WebDataset has them, read by an index of offsets
  of our own (WebDataset itself only streams);
- mp4 of every frame as LeRobot writes them: every second picture a keyframe (``g=2``), AV1 by
  SVT-AV1 at ``crf=30``, and H.264 at ``crf=23``; read by `fewframes.read` in one process.

Each read is a fresh process a round, in turn; medians of CPU and wall time a call.
"""

import io
import json
import tarfile
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import click
import numpy as np

import fewframes as ff
from fewframes.arrays import U8
from fewframes.bench.measure import keep_result, machine, run_cold
from fewframes.bench.research.format_jobs import READERS, the_video
from fewframes.bench.store import medians
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import index_film
from fewframes.store.recipes import DEDUP, Recipe

MP4 = {
    "mp4 av1 g=2 crf=30": ("libsvtav1", {"g": "2", "crf": "30", "preset": "8"}),
    "mp4 h264 g=2 crf=23": ("libx264", {"g": "2", "crf": "23", "preset": "veryfast"}),
}
PEERS = ("zarr", "numcodecs")


def write_tar(path: Path, jpegs: list[bytes]) -> None:
    """Writes files one after the other, and where each begins beside it."""
    places = []
    with tarfile.open(path, "w") as tar:
        for number, data in enumerate(jpegs):
            entry = tarfile.TarInfo(f"{number:08d}.jpg")
            entry.size = len(data)
            places.append([tar.offset + 512, len(data)])
            tar.addfile(entry, io.BytesIO(data))
    path.with_suffix(".json").write_text(json.dumps(places))


def write_mp4(path: Path, frames: U8, codec: str, options: dict[str, str]) -> None:
    """Encodes frames at 10 a second."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=10, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, 10)
        for number, pixels in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def lay_out(film: Path, folder: Path, fps: float, side: int) -> dict[str, Any]:
    """Writes every format; gives the bytes of each, and how many frames there are."""
    sizes: dict[str, Any] = {}
    for name, dedup in (("fewframes", DEDUP), ("fewframes dedup=0", 0.0)):
        recipe = Recipe(fps=fps, size=str(side), dedup=dedup)
        index_film(FilmTask(film, folder / name, "film", recipe))
        video = the_video(folder / name)
        files = sum(p.stat().st_size for p in video.commit.folder.rglob("*") if p.is_file())
        counts = {"bytes": files, "picture_bytes": video.picture_bytes}
        sizes[name] = {**counts, "pictures": video.facts["counts"]["stored"]}
    rows = len(video.table)
    write_tar(folder / "tar of jpegs.tar", video.encoded(np.arange(rows)))
    sizes["tar of jpegs"] = {"bytes": (folder / "tar of jpegs.tar").stat().st_size}
    frames = ff.read(film, frames=video.table.frame_numbers, size=side).frames
    for name, (codec, options) in MP4.items():
        write_mp4(folder / f"{name}.mp4", frames, codec, options)
        sizes[name] = {"bytes": (folder / f"{name}.mp4").stat().st_size}
    for row in sizes.values():
        row["ratio"] = round(row["bytes"] / sizes["fewframes"]["bytes"], 3)
    return {"frames": rows, "frame_size": list(frames.shape[1:3]), "sizes": sizes}


def measure(film: Path, fps: float, side: int, rounds: int) -> dict[str, Any]:
    """Lays a film out and reads it in every format."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = lay_out(film, folder, fps, side)
        said: dict[str, list[dict[str, Any]]] = {case: [] for case in READERS}
        for _ in range(rounds):
            for case, runs in said.items():
                words = [
                    "-m",
                    "fewframes.bench.research.format_jobs",
                    case,
                    name,
                    str(result["frames"]),
                ]
                runs.append(run_cold(words)["said"])
    reading = {case: medians(runs) for case, runs in said.items()}
    for row in reading.values():
        row["cpu_ratio"] = round(row["cpu_ms"] / reading["fewframes"]["cpu_ms"], 3)
    return {"film": film.name, "about": repr(ff.probe(film)), **result, "reading_64": reading}


@click.command()
@click.argument("films", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--fps", default=4.0, show_default=True, help="Frames scanned a second.")
@click.option("--side", default=448, show_default=True, help="Longer side.")
@click.option("--rounds", default=5, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(films: tuple[Path, ...], fps: float, side: int, rounds: int, output: Path | None) -> None:
    """Measures FILMS in every format."""
    results = []
    for film in films:
        results.append(measure(film, fps, side, rounds))
        print_table(results[-1])
        facts = {"machine": machine(PEERS), "fps": fps, "films": results}
        keep_result(facts, output)


def print_table(result: dict[str, Any]) -> None:
    """Prints one film's table."""
    click.echo(f"{result['about']}: {result['frames']} frames")
    for name, size in result["sizes"].items():
        row = result["reading_64"][name]
        click.echo(
            f"  {name:<22}{size['bytes'] / 1e6:9.2f} MB {size['ratio']:6.2f} x "
            f"{row['cpu_ms']:9.2f} ms CPU {row['cpu_ratio']:6.2f} x {row['wall_ms']:9.2f} ms"
        )


if __name__ == "__main__":
    main()
