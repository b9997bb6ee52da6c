"""Clips: short pieces of real footage that long films are made of, in two sets that never meet.

1. Every film of a folder that lasts `SECONDS` is read at 4 pictures a second and shrunk.
2. Films that share a picture, as copies and cuts of one recording do, are one recording.
3. A recording belongs to the training or to the test set by the hash of its films' names.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Literal, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from fewframes.arrays import U8, Mask

SetName: TypeAlias = Literal["train", "test"]
SECONDS = (1.9, 50.0)
"""How long a film of the folder may be: longer ones are often made of others."""
CLIP_FPS = 4
MOST_PICTURES = 40
HEIGHT, WIDTH = 270, 480
"""Size of a clip's pictures in samples."""
SAME_BITS = 5
"""Pictures whose 64-bit difference hashes differ in no more bits are of one recording."""
LEAST_SPREAD = 18.0
"""Standard deviation of luma below which a picture is too flat to know a recording by."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Clip:
    """A piece of footage, in 4:2:0 planes of limited range."""

    name: str
    y: U8
    """Luma, ``[n, 270, 480] u8``."""
    u: U8
    """Blue chroma, ``[n, 135, 240] u8``."""
    v: U8
    """Red chroma, likewise."""

    def __len__(self) -> int:
        return len(self.y)


def clips_of(
    footage: Path, cache: Path, set_name: SetName, *, same: Sequence[str] = ()
) -> list[Clip]:
    """Gives the clips of a set, in order of name, read once and kept in ``cache``.

    Films whose names hold the same word of ``same`` are one recording, too.
    Raises ValueError where the folder holds fewer than 6 recordings for the set.
    """
    cache.mkdir(parents=True, exist_ok=True)
    clips = [clip for path in sorted(footage.iterdir()) for clip in _cached(path, cache)]
    groups = recordings(clips, same=same)
    mine = [group for group in groups if set_of([clip.name for clip in group]) == set_name]
    if len(mine) < 6:
        raise ValueError(
            f"{footage.name!r} holds {len(mine)} recordings for the {set_name} set; "
            "pass a folder with more films of 2 to 120 s"
        )
    return [max(group, key=len) for group in mine]


def set_of(names: Sequence[str]) -> SetName:
    """Puts a recording into a set, by the hash of the names of its films.

    >>> set_of(["a.mp4"]), set_of(["b.mp4"])
    ('train', 'test')
    """
    digest = hashlib.sha256("/".join(sorted(names)).encode()).digest()
    return "test" if digest[0] % 2 else "train"


def recordings(clips: Sequence[Clip], *, same: Sequence[str] = ()) -> list[list[Clip]]:
    """Groups clips that share a picture, however they were coded or cut, or a word of ``same``."""
    hashes = [_hashes(clip) for clip in clips]
    group = list(range(len(clips)))
    for a, b in combinations(range(len(clips)), 2):
        is_named = any(word in clips[a].name and word in clips[b].name for word in same)
        if group[a] != group[b] and (is_named or _is_shared(hashes[a], hashes[b])):
            old, new = group[b], group[a]
            group = [new if g == old else g for g in group]
    return [
        [c for c, g in zip(clips, group, strict=True) if g == key] for key in dict.fromkeys(group)
    ]


def _is_shared(a: Mask, b: Mask) -> bool:
    if not len(a) or not len(b):
        return False
    return bool((a[:, None] != b[None]).sum(axis=2).min() <= SAME_BITS)


def _hashes(clip: Clip) -> Mask:
    """Difference hashes of the pictures that are not flat, ``[n, 64] bool``."""
    cells = clip.y[:, :264, :477].reshape(len(clip), 8, 33, 9, 53).mean(axis=(2, 4))
    is_rich = clip.y.std(axis=(1, 2)) > LEAST_SPREAD
    bits: Mask = (cells[..., :-1] < cells[..., 1:]).reshape(len(clip), 64)[is_rich]
    return bits


def _cached(path: Path, cache: Path) -> Iterator[Clip]:
    """The clip of a file, if it is one."""
    if not path.is_file():
        return
    kept = cache / f"{path.name}.npz"
    if not kept.exists():
        y, u, v = _read(path)
        np.savez(kept, y=y, u=u, v=v)
    with np.load(kept) as planes:
        is_rich = planes["y"].std(axis=(1, 2)) > LEAST_SPREAD
        if is_rich.sum() >= SECONDS[0] * CLIP_FPS:
            yield Clip(path.name, *(planes[name][is_rich] for name in "yuv"))


def _read(path: Path) -> tuple[U8, U8, U8]:
    """Planes of the pictures at `CLIP_FPS`, none where the file is no film of a fit length."""
    pictures: list[tuple[U8, U8, U8]] = []
    try:
        with av.open(str(path)) as film:
            length = Fraction(film.duration or 0, av.time_base)
            if film.streams.video and SECONDS[0] <= length <= SECONDS[1]:
                pictures = list(_pictures(film))
    except (FFmpegError, ValueError):
        pictures = []  # not a film, or a broken one: footage is what decodes
    if not pictures:
        blue, red = np.empty((2, 0, HEIGHT // 2, WIDTH // 2), np.uint8)
        return np.empty((0, HEIGHT, WIDTH), np.uint8), blue, red
    luma, blues, reds = zip(*pictures, strict=True)
    return np.stack(luma), np.stack(blues), np.stack(reds)


def _pictures(film: InputContainer) -> Iterator[tuple[U8, U8, U8]]:
    scaler, due, count = VideoReformatter(), 0.0, 0
    for picture in film.decode(video=0):
        if picture.time is None or picture.time < due or picture.width < 300:
            continue
        due, count = picture.time + 1 / CLIP_FPS, count + 1
        small = scaler.reformat(picture, width=WIDTH, height=HEIGHT, format="yuv420p")
        stacked: U8 = small.to_ndarray().astype(np.uint8)
        chroma = stacked[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
        yield stacked[:HEIGHT].copy(), chroma[0].copy(), chroma[1].copy()
        if count == MOST_PICTURES:
            return
