"""Films: small video files made by recipe; every frame shows its own number.

1. A recipe is a `Film`: codec, GOP structure, times, size, container.
2. The pictures are a texture that drifts below a moving disc, so that a stale frame is visible.
3. The bottom rows are 32 blocks, white or black: ``1 0``, the frame number in 24 bits (most
   significant first), its parity, the inverse of the parity, ``0 1 0 1``.

A reader that gives another frame than the one it claims is found out by `read_number`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np

from fewframes.arrays import F64, I64, U8, Mask

BLOCKS = 32
WHITE, BLACK = 235, 16


@dataclass(frozen=True, slots=True)
class Film:
    """How to make a film.

    >>> Film(frames=3, fps=25).seconds.tolist()
    [0.0, 0.04, 0.08]
    """

    frames: int = 90
    fps: int = 25
    size: tuple[int, int] = (144, 256)
    """Height and width in samples as coded."""
    codec: str = "libx264"
    options: Mapping[str, str] = field(default_factory=dict)
    """Private options of the encoder."""
    pixel_format: str = "yuv420p"
    suffix: str = ".mp4"
    """The container."""
    muxing: Mapping[str, str] = field(default_factory=dict)
    """Private options of the container."""
    ticks: int = 10
    """Ticks that a frame of a film with even times lasts; 1 for AVI, which stores no times."""
    times: Literal["even", "uneven"] = "even"
    """``uneven`` draws each frame's duration from a fifth to three times the usual one."""
    start_seconds: int = 0
    """Presentation time of the first frame in the file."""
    rotation: int = 0
    """Degrees to turn the picture clockwise for display, as the file says it."""
    tags: Mapping[str, int] = field(default_factory=dict)
    """What the file says of its colours, by attributes of a codec context: ``colorspace``,
    ``color_range`` and ``color_trc``, in numbers of Rec. ITU-T H.273. Samples stay as they are."""

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick of `pts`."""
        return Fraction(1, self.fps * self.ticks)

    @property
    def pts(self) -> I64:
        """Presentation times in ticks, ``[frames] i64``, as they are given to the encoder."""
        steps = np.full(self.frames, self.ticks)
        if self.times == "uneven":
            steps = np.random.default_rng(self.frames).integers(2, 3 * self.ticks, self.frames)
        steps[0] = self.start_seconds * self.fps * self.ticks
        return np.cumsum(steps)

    @property
    def seconds(self) -> F64:
        """When each frame is shown after the first one, ``[frames] f64``."""
        ticks: F64 = (self.pts - self.pts[0]).astype(np.float64)
        return ticks * float(self.time_base)


X265 = "log-level=none:pools=1:frame-threads=1"

RECIPES: dict[str, Film] = {
    "x264_pyramid": Film(options={"g": "30", "bf": "3", "x264-params": "b-pyramid=normal"}),
    "x264_open_gop": Film(options={"x264-params": "keyint=24:min-keyint=24:scenecut=0:open-gop=1"}),
    "x264_long_gop": Film(frames=260, options={"g": "250", "x264-params": "scenecut=0"}),
    "x264_no_b": Film(options={"g": "30", "bf": "0"}),
    "x264_uneven": Film(times="uneven", options={"g": "30"}),
    "x264_late_start": Film(start_seconds=7, suffix=".mkv", options={"g": "30"}),
    "x264_turned": Film(rotation=90, options={"g": "30"}),
    "x264_odd_444": Film(size=(121, 161), pixel_format="yuv444p", options={"g": "30"}),
    "x264_10bit": Film(pixel_format="yuv420p10le", options={"g": "30"}),
    "x264_ts": Film(suffix=".ts", start_seconds=3, options={"g": "30"}),
    "x264_mkv": Film(suffix=".mkv", options={"g": "30"}),
    "x264_fragments": Film(
        options={"g": "15"}, muxing={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ),
    "x265_b": Film(
        codec="libx265", options={"preset": "fast", "x265-params": f"{X265}:keyint=30:bframes=4"}
    ),
    "x265_open_gop": Film(
        codec="libx265",
        options={"preset": "fast", "x265-params": f"{X265}:keyint=24:min-keyint=24:open-gop=1"},
    ),
    "x265_layers": Film(
        codec="libx265",
        options={
            "preset": "fast",
            "x265-params": f"{X265}:keyint=32:bframes=7:b-adapt=0:temporal-layers=3",
        },
    ),
    "vp9": Film(
        codec="libvpx-vp9",
        suffix=".webm",
        options={"g": "30", "deadline": "realtime", "cpu-used": "5", "auto-alt-ref": "1"},
    ),
    "vp8": Film(
        codec="libvpx", suffix=".webm", options={"g": "30", "deadline": "realtime", "b": "600k"}
    ),
    "av1": Film(
        codec="libsvtav1",
        frames=70,
        options={"preset": "8", "crf": "24", "svtav1-params": "keyint=31:lp=1"},
    ),
    "mpeg4_avi": Film(codec="mpeg4", suffix=".avi", ticks=1, options={"g": "15", "bf": "2"}),
    "mjpeg": Film(codec="mjpeg", suffix=".mov", pixel_format="yuvj420p", frames=25),
}
"""Films that between them have every structure a reader must get right."""


def write_film(path: Path, film: Film) -> None:
    """Encodes a film: its pictures and times are those of the recipe, its bytes x264 may vary."""
    height, width = film.size
    with av.open(str(path), "w", options=dict(film.muxing)) as container:
        stream: Any = container.add_stream(film.codec, rate=film.fps, options=dict(film.options))
        stream.width, stream.height, stream.pix_fmt = width, height, film.pixel_format
        stream.codec_context.time_base = stream.time_base = film.time_base
        stream.codec_context.thread_count = 1
        for name, value in film.tags.items():
            setattr(stream.codec_context, name, value)
        if film.rotation:
            stream.set_display_rotation(-film.rotation)
        for rgb, pts in zip(pictures(film), film.pts.tolist(), strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame = frame.reformat(format=film.pixel_format)
            frame.pts, frame.time_base = pts, film.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def pictures(film: Film) -> Iterator[U8]:
    """Gives the pictures of a film as coded, ``[h, w, 3] u8`` RGB each."""
    height, width = film.size
    texture = _texture(height, width)
    y, x = np.mgrid[:height, :width]
    for number in range(film.frames):
        picture = np.roll(texture, (number, 2 * number), axis=(0, 1))
        left, top = (5 * number) % width, height // 3 + number % 17
        picture[(x - left) ** 2 + (y - top) ** 2 < (height // 8) ** 2] = (230, 60, 40)
        write_number(picture, number)
        yield picture


def write_number(picture: U8, number: int) -> None:
    """Draws a number below 2**24 into the bottom rows of ``[h, w]`` or ``[h, w, 3] u8``."""
    width = picture.shape[1]
    values = np.where(_code(number), WHITE, BLACK).astype(np.uint8)
    row = np.repeat(values, np.diff(_edges(width)))
    picture[-(width // BLOCKS) :] = row if picture.ndim == 2 else row[:, None]


def read_number(picture: np.ndarray[Any, Any]) -> int:
    """Reads the number in the bottom rows of ``[h, w]`` luma or ``[h, w, 3]`` RGB of any depth.

    Raises ValueError for a picture whose rows hold no number, or a damaged one.

    >>> picture = np.zeros((90, 160), np.uint8)
    >>> write_number(picture, 1234)
    >>> read_number(picture)
    1234
    """
    luma = picture if picture.ndim == 2 else picture.mean(axis=2)
    edges = _edges(luma.shape[1])
    margin = max(1, luma.shape[1] // BLOCKS // 4)
    rows = luma[-(luma.shape[1] // BLOCKS) :]
    inner = rows[margin : len(rows) - margin] if len(rows) > 2 * margin else rows
    levels = np.add.reduceat(inner.mean(axis=0), edges[:-1]) / np.diff(edges)
    bits = levels > (levels.max() + levels.min()) / 2
    number = int(bits[2:26] @ (1 << np.arange(23, -1, -1)))
    if not np.array_equal(bits, _code(number)):
        raise ValueError(f"picture {picture.shape} shows no frame number; got bits {bits * 1}")
    return number


def _code(number: int) -> Mask:
    bits = [number >> place & 1 for place in range(23, -1, -1)]
    parity = sum(bits) % 2
    return np.array([1, 0, *bits, parity, 1 - parity, 0, 1, 0, 1], bool)


def _edges(width: int) -> I64:
    return np.arange(BLOCKS + 1) * width // BLOCKS


def _texture(height: int, width: int) -> U8:
    """Smooth coloured waves with a little grain; it joins at its edges."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:height, :width] * 2 * np.pi
    waves = [
        np.sin(a * x / width + b * y / height + phase)
        for a, b, phase in ((1, 2, 0.0), (3, 1, 1.0), (2, 5, 2.0))
    ]
    grain = rng.integers(-4, 5, (height, width, 3))
    return np.clip(120 + 60 * np.stack(waves, axis=2) + grain, 0, 255).astype(np.uint8)
