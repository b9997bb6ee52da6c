"""How far are our RGB levels from the formulas, and from the ffmpeg command line's?

``python -m fewframes.bench.research.colour FILM…`` compares the first frames of generated films,
and of FILMS, at full size and shrunk, with three others:

Full size is the same as ``accurate`` but for odd sizes of subsampled chroma, which swscale
stretches over the picture. Shrunk, hard edges between colours differ, because swscale averages
chroma samples without interpolating between them; ``float64`` interpolates, as we do.

1. ``float64``: the same definition in unrounded float64, written once more and otherwise.
2. ``accurate``: ffmpeg with accurate rounding, full chroma and the siting told.
3. ``default``: ffmpeg as it is called without such options.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

import fewframes as ff
from fewframes.arrays import F64, U8
from fewframes.bench.measure import keep_result, machine
from fewframes.bench.research.films import Film, write_film
from fewframes.decode.batch import FrameBatch
from fewframes.kernels.ycc import rgb_from_ycc
from fewframes.media.colour import Colour, colour_of
from fewframes.media.timeline import Timeline

FRAMES = 3
BT709, BT2020, FULL, PQ = 1, 9, 2, 16

FILMS: dict[str, Film] = {
    "x264_420": Film(frames=FRAMES),
    "x264_422": Film(frames=FRAMES, pixel_format="yuv422p"),
    "x264_444": Film(frames=FRAMES, pixel_format="yuv444p"),
    "x264_420_10bit": Film(frames=FRAMES, pixel_format="yuv420p10le"),
    "x264_422_10bit": Film(frames=FRAMES, pixel_format="yuv422p10le"),
    "x264_420_full": Film(frames=FRAMES, tags={"color_range": FULL}),
    "x264_420_bt709": Film(frames=FRAMES, tags={"colorspace": BT709}),
    "x264_bt2020_pq": Film(
        frames=FRAMES, pixel_format="yuv420p10le", tags={"colorspace": BT2020, "color_trc": PQ}
    ),
    "ffv1_411": Film(frames=FRAMES, codec="ffv1", suffix=".mkv", pixel_format="yuv411p"),
    "ffv1_440": Film(frames=FRAMES, codec="ffv1", suffix=".mkv", pixel_format="yuv440p"),
    "ffv1_444_16bit": Film(frames=FRAMES, codec="ffv1", suffix=".mkv", pixel_format="yuv444p16le"),
    "ffv1_grey": Film(frames=FRAMES, codec="ffv1", suffix=".mkv", pixel_format="gray"),
    "vp9_420_odd": Film(frames=FRAMES, size=(121, 161), codec="libvpx-vp9", suffix=".webm"),
    "mpeg1": Film(frames=FRAMES, codec="mpeg1video", suffix=".mpg", ticks=1),
    "mjpeg_420": Film(frames=FRAMES, codec="mjpeg", suffix=".mov", pixel_format="yuvj420p"),
}
"""Films that between them have every layout, depth, range, matrix and siting that encoders make."""

FFMPEG_MATRICES = {"bt601": "smpte170m"}
"""Where ffmpeg's name of a matrix is another one."""
CHROMA_POSITIONS = {"left": (0, 128), "center": (128, 128), "topleft": (0, 0)}
"""Horizontal and vertical position of chroma for ffmpeg, in 1/256 of a luma sample."""
ACCURATE = "accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"


def exact_rgb(batch: FrameBatch, colour: Colour, target: tuple[int, int]) -> F64:
    """RGB levels of planes in float64, neither rounded nor clipped, ``[n, h, w, 3] f64``."""
    top = 2**colour.bits - 1
    unit = 2 ** (colour.bits - 8)
    black, white, swing = (0, top, top) if colour.is_full else (16 * unit, 235 * unit, 224 * unit)
    size = batch.planes[0].shape[1:]
    y = _resized(batch.planes[0], size, target, (1, 1), (0.0, 0.0))
    levels = [(y - black) / (white - black), np.zeros_like(y), np.zeros_like(y)]
    if colour.steps != (0, 0):
        down, across = colour.steps
        x0 = (across - 1) / 2 if colour.siting == "center" else 0.0
        y0 = 0.0 if colour.siting == "topleft" else (down - 1) / 2
        for i in (1, 2):
            chroma = _resized(batch.planes[i], size, target, colour.steps, (y0, x0))
            levels[i] = (chroma - 2 ** (colour.bits - 1)) / swing
    rgb: F64 = np.stack(levels, axis=-1) @ rgb_from_ycc(colour.matrix).T * 255
    return rgb


def _resized(
    planes: np.ndarray[Any, Any],
    size: tuple[int, ...],
    target: tuple[int, int],
    steps: tuple[int, int],
    first: tuple[float, float],
) -> F64:
    rows, columns = (_axis(*axis) for axis in zip(size, target, steps, first, strict=True))
    rows, columns = rows[:, : planes.shape[1]], columns[:, : planes.shape[2]]
    resized: F64 = rows @ planes.astype(np.float64) @ columns.T
    return resized


def _axis(size: int, parts: int, step: int, first: float) -> F64:
    """Weights of one axis, ``[parts, samples] f64``: to luma samples, then area or between."""
    samples, cells = -(-size // step), np.arange(size)
    to_luma = [np.interp((cells - first) / step, range(samples), one) for one in np.eye(samples)]
    if parts > size:
        centres = (np.arange(parts) + 0.5) * size / parts - 0.5
        return np.stack([np.interp(centres, cells, luma) for luma in to_luma], axis=1)
    edges = np.arange(parts + 1) * size / parts
    sums = [np.concatenate([[0], np.cumsum(luma)]) for luma in to_luma]
    area = [np.diff(np.interp(edges, range(size + 1), total)) for total in sums]
    return np.stack(area, axis=1) * parts / size


def ffmpeg_rgb(
    film: Path, timeline: Timeline, colour: Colour, target: tuple[int, int], flags: str
) -> U8:
    """The first frames according to ffmpeg, ``[n, h, w, 3] u8``; no flags means its defaults."""
    from imageio_ffmpeg import get_ffmpeg_exe

    height, width = target
    across, down = CHROMA_POSITIONS[colour.siting]
    matrix = FFMPEG_MATRICES.get(colour.matrix, colour.matrix)
    options = f"in_range={'full' if colour.is_full else 'limited'}:out_range=full"
    options += f":in_color_matrix={matrix}"
    if flags:
        options += f":flags={flags}:in_h_chr_pos={across}:in_v_chr_pos={down}"
    scale = f"scale={width}:{height}:{options},format=rgb24"
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-noautorotate", "-i", str(film)]
    command += ["-map", f"0:{timeline.stream.index}", "-frames:v", str(FRAMES), "-vf", scale]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def compare(film: Path) -> dict[str, Any]:
    """Maximum and mean of the absolute differences in levels, by size and by whom.

    ``has_cut_chroma`` says that the last chroma sample covers less than a whole step, as in odd
    sizes of 4:2:0: swscale then stretches chroma over the picture, and drifts away from its place.
    """
    timeline = ff.probe(film)
    stream = timeline.stream
    colour = colour_of(stream, stream.pixel_format, stream.colour_range)
    if colour is None or stream.rotation or stream.is_mirrored:
        raise ValueError(f"{film.name!r} is turned or has no planes of YUV; pass another film")
    numbers = range(min(FRAMES, len(timeline)))
    planes = ff.read(timeline, frames=numbers, format="yuv")
    full = (stream.height, stream.width)
    is_cut = any(step and cells % step for cells, step in zip(full, colour.steps, strict=True))
    result: dict[str, Any] = {
        "colour": str(colour),
        "siting": colour.siting,
        "has_cut_chroma": is_cut,
    }
    for name, target in (("full", full), ("shrunk", (full[0] * 7 // 20, full[1] * 7 // 20))):
        ours = ff.read(timeline, frames=numbers, size=target).frames
        scaler = "area" if name == "shrunk" else "bilinear"
        others = {
            "float64": np.clip(np.floor(exact_rgb(planes, colour, target) + 0.5), 0, 255),
            "accurate": ffmpeg_rgb(film, timeline, colour, target, f"{scaler}+{ACCURATE}"),
            "default": ffmpeg_rgb(film, timeline, colour, target, ""),
        }
        result[name] = {who: _difference(ours, other) for who, other in others.items()}
    return result


def _difference(ours: U8, other: np.ndarray[Any, Any]) -> dict[str, float]:
    difference = np.abs(ours.astype(np.int64) - other.astype(np.int64))
    return {"max": int(difference.max()), "mean": round(float(difference.mean()), 4)}


@click.command()
@click.argument("films", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(films: tuple[Path, ...], output: Path | None) -> None:
    """Compares colours of generated films, and of FILMS."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for name, film in FILMS.items():
            made.append(Path(folder) / f"{name}{film.suffix}")
            write_film(made[-1], film)
        for path in (*made, *films):
            results[path.name] = compare(path)
            print_table(path.name, results[path.name])
    keep_result({"machine": machine(), "films": results}, output)


def print_table(name: str, result: dict[str, Any]) -> None:
    """Prints one film's row."""
    words = [f"{name:<28}"]
    for size in ("full", "shrunk"):
        for who, difference in result[size].items():
            words.append(f"{size} {who} {difference['max']:3} {difference['mean']:.3f}")
    click.echo("  ".join(words))


if __name__ == "__main__":
    main()
