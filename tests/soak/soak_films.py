"""Films for a soak: many small clips cut from real footage, some of them broken in every way.

``python tests/soak/soak_films.py FOLDER --films 300``

1. A sound film is a stretch of some clip (of footage, or of a generated film where there is none),
   scaled down and coded anew by one of `KINDS` of codec, container and structure.
2. Every twentieth film is broken: by a mutation of `media_mutations`, by a header that claims a
   huge picture, by being empty or text, or by a name at which `HOOK` makes a worker hang or crash.
3. A mutant counts as broken only where FFmpeg's own command line says so: seeds are tried in turn
   until it reports errors. What it says is the verdict that is expected.

The same seed gives the same films, from the same footage and encoders.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import click
import imageio_ffmpeg
import numpy as np
from media_mutations import MUTATIONS, Random
from real_footage import footage_folder, sound_footage

from fewframes.bench.research.films import RECIPES, Film, write_film

WIDTH, HEIGHT = 96, 64
KINDS = ("x264_pyramid", "x264_mkv", "x264_ts", "x264_fragments", "x265_b", "vp8", "vp9")
KINDS += ("mpeg4_avi", "mjpeg", "x264_no_b")
HOSTILE = ("crashes", "huge", "empty", "text", "hangs")
WAYS = (*HOSTILE, *MUTATIONS)
BROKEN_EVERY = 20
MOST_SEEDS, MOST_FILMS = 8, 40

HOOK = '''
"""Makes a worker process hang or crash at films that are called so."""
import os, signal, sys, time

def at_open(event, details):
    if event == "open" and sys.argv[:1] == ["-c"]:
        name = os.path.basename(str(details[0]))
        if name.startswith("crashes"):
            os.kill(os.getpid(), signal.SIGSEGV)
        while name.startswith("hangs"):
            time.sleep(1)

sys.addaudithook(at_open)
'''
"""A ``sitecustomize`` module: Python loads it from PYTHONPATH at the start of every process."""


@dataclass(frozen=True, slots=True)
class SoakFilm:
    """A film and what has to become of it."""

    video_id: str
    way: str
    """``sound``, or how it is broken."""
    statuses: tuple[str, ...]
    """What an indexing run may say of it."""
    frames: int = 0
    """Of a sound film."""
    reason: str = ""
    """A pattern of why it is damaged or failed."""


def make_films(
    folder: Path, count: int, *, clips: list[Path], seed: int = 1, every: int = BROKEN_EVERY
) -> list[SoakFilm]:
    """Writes films into a folder, in folders of fifty; every so many is broken."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, films = np.random.default_rng(seed), []
    clips = clips or [_generated(folder.parent)]
    for number in range(count):
        home = folder / f"ward {number // 50}"
        home.mkdir(exist_ok=True)
        if number % every == every - 1:
            way = WAYS[number // every % len(WAYS)]
            films.append(_broken(home, f"{way}_{number:04d}", way, clips, rng))
        else:
            path, frames = write_clip(home / f"{number:04d}", clips, rng)
            films.append(SoakFilm(_id(path, folder), "sound", ("ok",), frames))
    return films


def write_clip(stem: Path, clips: list[Path], rng: Random) -> tuple[Path, int]:
    """Codes a stretch of a clip anew; gives the file and its number of frames."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    frames = int(rng.integers(20, 60))
    film = replace(RECIPES[kind], size=(HEIGHT, WIDTH), frames=frames, times="even")
    path = stem.with_suffix(film.suffix)
    clip, share = clips[int(rng.integers(len(clips)))], float(rng.random())
    with av.open(str(path), "w", options=dict(film.muxing)) as out:
        stream = out.add_stream(film.codec, rate=film.fps, options=dict(film.options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, film.pixel_format
        stream.codec_context.time_base = stream.time_base = film.time_base
        stream.codec_context.thread_count = 1
        for number, picture in enumerate(islice(_stretch(clip, share, film), frames)):
            picture.pts, picture.time_base = number * film.ticks, Fraction(film.time_base)
            picture.pict_type = 0
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path, frames


def _stretch(clip: Path, share: float, film: Film) -> Iterator[av.VideoFrame]:
    """The pictures of a clip from a share of its length on, then from its start, for ever."""
    first = True
    while True:
        with av.open(str(clip)) as source:
            stream = source.streams.video[0]
            if first and source.duration:
                source.seek(int(share * source.duration))
            first = False
            for picture in source.decode(stream):
                yield picture.reformat(width=WIDTH, height=HEIGHT, format=film.pixel_format)


def _broken(home: Path, name: str, way: str, clips: list[Path], rng: Random) -> SoakFilm:
    if way == "huge":
        write_huge(home / f"{name}.mov")
        return SoakFilm(f"{home.name}/{name}.mov", way, ("damaged", "failed"), reason=r"\w{3}")
    whole, _ = write_clip(home / name, clips, rng)
    video_id = _id(whole, home.parent)
    if way == "crashes":
        return SoakFilm(video_id, way, ("failed",), reason="SIGSEGV")
    if way == "hangs":
        return SoakFilm(video_id, way, ("failed",), reason="no sign for .* s")
    if way == "empty":
        whole.write_bytes(b"")
        return SoakFilm(video_id, way, ("failed",), reason="is empty")
    if way == "text":
        whole.write_bytes(b"notes of a day, called like a film\n" * 99)
        return SoakFilm(video_id, way, ("failed",), reason="is not a video")
    for _ in range(MOST_FILMS):
        if statuses := _mutated(whole, way, clips, rng):
            return SoakFilm(_id(whole, home.parent), way, statuses, reason=r"\w{3}")
        whole.unlink()
        whole, _ = write_clip(home / name, clips, rng)
    raise RuntimeError(f"FFmpeg finds nothing wrong with {MOST_FILMS} films after {way}")


def _mutated(film: Path, way: str, clips: list[Path], rng: Random) -> tuple[str, ...]:
    """Breaks a film so that FFmpeg notices; gives the statuses this allows, none if it fails."""
    other, _ = write_clip(film.parent / ".other", clips, rng)
    whole = film.read_bytes()
    for _ in range(MOST_SEEDS):
        film.write_bytes(whole)
        film.write_bytes(MUTATIONS[way](film, other, rng))
        frames, complaints = ffmpeg_says(film)
        if complaints or not frames:
            break
    other.unlink()
    if not complaints and frames:
        return ()
    return ("damaged", "failed") if frames else ("failed",)


def write_huge(path: Path) -> None:
    """Writes a Motion JPEG film whose pictures claim to be 16,000 samples wide and high."""
    write_film(path, replace(RECIPES["mjpeg"], size=(HEIGHT, WIDTH), frames=10))
    size = HEIGHT.to_bytes(2, "big") + WIDTH.to_bytes(2, "big")
    data, count = re.subn(
        rb"(\xff\xc0\x00\x11\x08)" + re.escape(size),
        lambda found: found[1] + (16000).to_bytes(2, "big") * 2,
        path.read_bytes(),
    )
    assert count == 10
    path.write_bytes(data)


def ffmpeg_says(film: Path) -> tuple[int, int]:
    """Frames that FFmpeg's command line decodes, and lines of errors that it writes."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-threads", "1", "-i", str(film)]
    command += ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    lines = done.stdout.decode(errors="replace").splitlines()
    frames = sum(not line.startswith("#") for line in lines)
    return frames, len(done.stderr.splitlines()) + (done.returncode != 0)


def _generated(folder: Path) -> Path:
    """A film to cut from, where there is no footage."""
    path = folder / "generated.mp4"
    write_film(path, Film(frames=250, size=(HEIGHT, WIDTH), options={"g": "25"}))
    return path


def _id(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def write_hook(folder: Path) -> dict[str, str]:
    """Writes `HOOK` into a folder; gives the environment that makes processes load it."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(HOOK)
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *([others] if others else [])])}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--films", default=300, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(folder: Path, films: int, seed: int) -> None:
    """Writes films and prints what has to become of each."""
    home = footage_folder()
    clips = [home / name for name in sound_footage()] if home else []
    for film in make_films(folder, films, clips=clips, seed=seed):
        click.echo(asdict(film))


if __name__ == "__main__":
    main()
