"""A long film of 1080p, made in seconds where there are many cores: `gpu_film.py` times it.

Scenes of ten seconds are encoded side by side: each has a texture of its own that drifts at a speed
of its own, and every picture shows its number in the film (`films.py`). Then their
packets are written one scene after the other. Between keyframes there are 250 pictures at most.
"""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from fewframes.arrays import I64, U8
from fewframes.bench.research.films import write_number

FPS, SCENE_FRAMES = 30, 300


@dataclass(frozen=True, slots=True)
class LongFilm:
    """How to make a long film."""

    seconds: int
    """Rounded up to whole scenes."""
    size: tuple[int, int] = (1080, 1920)
    """Height and width."""
    codec: str = "libx264"
    options: tuple[tuple[str, str], ...] = (
        ("g", "250"),
        ("bf", "2"),
        ("preset", "veryfast"),
        ("crf", "23"),
        ("x264-params", "b-pyramid=normal:scenecut=0:log-level=none"),
    )
    suffix: str = ".mp4"

    @property
    def scenes(self) -> int:
        """How many scenes there are."""
        return -(-self.seconds * FPS // SCENE_FRAMES)


def write_long(path: Path, film: LongFilm) -> None:
    """Writes a film to a path with the suffix of its container."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / f"{at}{film.suffix}" for at in range(film.scenes)]
        with ProcessPoolExecutor(min(film.scenes, os.cpu_count() or 1)) as pool:
            list(pool.map(_write_scene, parts, range(film.scenes), [film] * film.scenes))
        _join(path, parts)


def _write_scene(path: Path, scene: int, film: LongFilm) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(film.codec, rate=FPS, options=dict(film.options))
        stream.height, stream.width, stream.pix_fmt = *film.size, "yuv420p"
        stream.codec_context.thread_count = 1
        for at in range(SCENE_FRAMES):
            planes = _planes(film.size, scene, at)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@lru_cache(1)
def _texture(size: tuple[int, int], scene: int) -> tuple[U8, I64, int]:
    """Luma of a scene's first picture, rows and columns that it drifts a picture, and chroma."""
    (height, width), rng = size, np.random.default_rng(scene)
    coarse = rng.integers(40, 216, (height // 24 + 1, width // 24 + 1), np.uint8)
    luma = coarse.repeat(24, axis=0).repeat(24, axis=1)[:height, :width]
    luma = luma + rng.integers(0, 24, luma.shape, np.uint8)
    return luma, rng.integers(-3, 4, 2), int(rng.integers(96, 160))


def _planes(size: tuple[int, int], scene: int, at: int) -> U8:
    """Luma, then chroma, of one picture, ``[h * 3 / 2, w] u8``."""
    (height, width), (luma, speed, chroma) = size, _texture(size, scene)
    planes = np.full((height * 3 // 2, width), chroma, np.uint8)
    planes[:height] = np.roll(luma, (speed * at).tolist(), axis=(0, 1))
    write_number(planes[:height], scene * SCENE_FRAMES + at)
    return planes


def _join(path: Path, parts: Sequence[Path]) -> None:
    """Writes the packets of each part behind those of the part before it."""
    with av.open(str(parts[0])) as first, av.open(str(path), "w") as made:
        stream = made.add_stream_from_template(first.streams.video[0])
        for number, part in enumerate(parts):
            with av.open(str(part)) as container:
                video = container.streams.video[0]
                for packet in container.demux(video):
                    if packet.dts is None or packet.pts is None or video.time_base is None:
                        continue
                    moved = int(Fraction(number * SCENE_FRAMES, FPS) / video.time_base)
                    packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                    packet.stream = stream
                    made.mux(packet)
