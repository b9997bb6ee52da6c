"""Long films from short clips, for benchmarks.

    python -m fewframes.bench.research.footage CLIP… -o FILM

The clips are decoded in turn, again and again, scaled to one size and coded anew with hard cuts, so
that a long film of real pictures can be made anywhere.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import click
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

if TYPE_CHECKING:
    from av.video.stream import VideoStream


def pictures(clips: Sequence[Path], width: int, height: int) -> Iterator[VideoFrame]:
    """Gives the pictures of the clips, one clip after the other, for ever."""
    scaler = VideoReformatter()
    for clip in cycle(clips):
        with av.open(str(clip)) as film:
            film.streams.video[0].thread_type = "AUTO"
            for picture in film.decode(video=0):
                yield scaler.reformat(picture, width=width, height=height, format="yuv420p")


def join_clips(
    clips: Sequence[Path],
    target: Path,
    *,
    frames: int,
    size: tuple[int, int],
    codec: str,
    options: dict[str, str],
    fps: int = 25,
) -> None:
    """Codes ``frames`` pictures of the clips into one film; ``size`` is width and height."""
    with av.open(str(target), "w") as out:
        stream = cast("VideoStream", out.add_stream(codec, rate=fps, options=options))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        for number, picture in enumerate(islice(pictures(clips, *size), frames)):
            picture.pts, picture.time_base = number, Fraction(1, fps)
            picture.pict_type = 0
            out.mux(stream.encode(picture))
        out.mux(stream.encode())


@click.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--width", default=1280, show_default=True)
@click.option("--height", default=720, show_default=True)
@click.option("--codec", default="libx264", show_default=True)
@click.option("--gop", default=250, show_default=True)
@click.option("--preset", default="fast", show_default=True)
def main(
    clips: tuple[Path, ...],
    output: Path,
    minutes: float,
    width: int,
    height: int,
    codec: str,
    gop: int,
    preset: str,
) -> None:
    """Makes one long film of CLIPS."""
    options = {"g": str(gop), "preset": preset}
    size, frames = (width, height), round(minutes * 60 * 25)
    join_clips(clips, output, frames=frames, size=size, codec=codec, options=options)


if __name__ == "__main__":
    main()
