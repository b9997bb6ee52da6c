"""Small files of kinds that people report: where they are, and what is right for each.

The folder is named by FEWFRAMES_CASES, or lies at ../shared/cases; the tests that need it are
skipped where it is absent.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fewframes.arrays import F64
from fewframes.bench.research.film_judge import Known
from fewframes.bench.research.plain_decode import PlainDecode, plain_decode

NO_CASES = "no case files: set FEWFRAMES_CASES to their folder, or put it at ../shared/cases"
FRAME = 0.04


@dataclass(frozen=True)
class Right:
    """What is right for a file that FFmpeg plays."""

    frames: int
    duration: float | None
    """In seconds; None where the file does not tell."""
    repaired: tuple[int, ...] = ()
    seconds: Callable[[int], F64] = lambda count: np.arange(count) * FRAME
    """When each of so many frames is shown."""

    @property
    def known(self) -> Known:
        return Known(self.seconds(self.frames), self.repaired, self.duration)


def but(changes: dict[int, float]) -> Callable[[int], F64]:
    """Even times, but for some frames; NaN stands for a time between its neighbours'."""

    def seconds(count: int) -> F64:
        even = np.arange(count) * FRAME
        even[list(changes)] = list(changes.values())
        return even

    return seconds


def far_on(count: int) -> F64:
    """Twelve frames near 0, then a clock that counts from 1970."""
    return np.arange(count) * FRAME + (np.arange(count) >= 12) * 1.7e9


RIGHT: dict[str, Right] = {
    "cat.ts": Right(100, 4.0, tuple(range(50, 100))),
    "flvglitch.flv": Right(50, 2.0, (18,), but({18: np.nan})),
    "duppts.mkv": Right(50, 2.0, (11, 21, 22), but({11: 0.401, 21: 0.801, 22: 0.802})),
    "xvid_bf2.avi": Right(48, 1.92),
    "pal8.avi": Right(50, 2.0),
    "h264_chroma.mkv": Right(100, 4.0),
    "flvpps.flv": Right(100, 4.0),
    "paff.ts": Right(30, 1.2),
    "uncut.mkv": Right(100, 4.0),
    "og4cut.mkv": Right(76, 3.04),
    "epoch.mkv": Right(50, None, (), far_on),
    "uyvy.avi": Right(10, 0.4),
    "nv12.mkv": Right(10, 0.4),
}
"""Files of which every frame is sound; what is right for the others, their tests say."""


def cases_folder() -> Path | None:
    chosen = os.environ.get("FEWFRAMES_CASES")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "../shared/cases"
    return folder.resolve() if folder.is_dir() else None


def case(name: str) -> Path:
    """The path of a file; skips the test where the folder is absent."""
    folder = cases_folder()
    if folder is None:
        pytest.skip(NO_CASES)
    return folder / name


@cache
def plain(path: Path) -> PlainDecode:
    """The plain decode of a file, made once."""
    return plain_decode(path)
