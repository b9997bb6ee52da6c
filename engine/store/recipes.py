"""Recipe: what decides the pixels and the rows of an indexed video?

Its key names the folder of the result, so that the same film indexed again in the same way is
found, whatever version of the code does it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from fewframes.decode.batch import QUALITY
from fewframes.media.sizes import SCAN_FPS, SCAN_SIZE, size_words
from fewframes.store.codecs import QUALITIES, codec_row

FORMAT_VERSION = 1
DEDUP = 0.012
"""Difference up to which a frame repeats another, unless the caller says otherwise: 3 levels of 255
over a window of 2 x 2 blocks of 8 samples, 6 in a single block; side by side it is hardly seen."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a video is scanned and its pictures are stored.

    >>> Recipe(fps=2, size="252X448")
    Recipe(fps=2.0, size='252x448', codec='jpeg', quality=90, dedup=0.012, stream=None, ...)
    """

    fps: float | None = SCAN_FPS
    """Frames scanned a second; None scans every frame."""
    size: str = str(SCAN_SIZE)
    """Longer side, "252x448" (height x width), or "native"."""
    codec: str = "jpeg"
    """How pictures are stored, a name of `fewframes.store.codecs.CODECS`."""
    quality: int | None = None
    """JPEG quality, 1 to 100; None means 90, and nothing where the codec keeps every level."""
    dedup: float = DEDUP
    """Largest local difference, as a share of the full range (0 to 1), for which a frame counts
    as a repeat of one of the pictures kept last: its signal ``similarity`` is then at least
    ``1 - dedup``; 0 keeps every frame."""
    stream: int | None = None
    """Index of the video stream in the container; None takes the default one."""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Checks the ranges, and writes equal recipes alike."""
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise ValueError(f"fps={self.fps} scans nothing; pass fps > 0, or None for all frames")
        object.__setattr__(self, "quality", _checked_quality(self.codec, self.quality))
        if not 0 <= self.dedup <= 1:
            raise ValueError(
                f"dedup={self.dedup} is no share of the full range; pass 0 to 1, where 0 keeps all"
            )
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format_version={self.format_version} is not {FORMAT_VERSION}, the one this "
                "version of fewframes writes"
            )
        object.__setattr__(self, "fps", None if self.fps is None else float(self.fps))
        object.__setattr__(self, "size", _plain_size(self.size))
        object.__setattr__(self, "dedup", float(self.dedup))

    def to_dict(self) -> dict[str, Any]:
        """Gives the recipe as plain values for JSON.

        >>> Recipe.from_dict(Recipe(fps=None).to_dict()) == Recipe(fps=None)
        True
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Makes a recipe of what `to_dict` gave.

        >>> Recipe.from_dict({"rate": 2})
        Traceback (most recent call last):
        ValueError: a recipe has no rate; it has fps, size, codec, quality, dedup, ...
        """
        names = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in names]
        if unknown:
            raise ValueError(f"a recipe has no {unknown[0]}; it has {', '.join(names)}")
        return cls(**values)

    @property
    def words(self) -> str:
        """Says what sets it apart in a list.

        >>> Recipe(fps=2).words, Recipe(fps=None, size="native", codec="zstd", stream=1).words
        ('2 fps, 448, jpeg 90', 'all frames, native, zstd, stream 1')
        """
        rate = "all frames" if self.fps is None else f"{self.fps:g} fps"
        codec = self.codec if self.quality is None else f"{self.codec} {self.quality}"
        dedup = [] if self.dedup == DEDUP else [f"dedup {self.dedup:g}"]
        stream = [] if self.stream is None else [f"stream {self.stream}"]
        return ", ".join([rate, self.size, codec, *dedup, *stream])

    def key(self, source_digest: str) -> str:
        """Names what this recipe makes of one source: 16 hexadecimal digits.

        >>> Recipe(fps=2).key("00ff") == Recipe(fps=2.0).key("00ff") != Recipe(fps=3).key("00ff")
        True
        """
        import xxhash

        facts = {
            "source": source_digest,
            "recipe": self.to_dict(),
            "format_version": self.format_version,
        }
        return xxhash.xxh3_128_hexdigest(canonical_json(facts))[:16]


def canonical_json(value: object) -> bytes:
    """Writes equal values as equal bytes.

    >>> canonical_json({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def _checked_quality(codec: str, quality: int | None) -> int | None:
    if not codec_row(codec).has_quality:
        if quality is not None:
            raise ValueError(
                f"quality={quality} is that of JPEGs, but codec={codec!r} keeps every level; "
                "leave quality out"
            )
        return None
    low, high = QUALITIES
    if quality is not None and quality not in range(low, high + 1):
        raise ValueError(f"quality={quality} is not a JPEG quality; pass {low} to {high}")
    return QUALITY if quality is None else int(quality)


def _plain_size(size: str) -> str:
    if size == "native":
        return size
    if not isinstance(size, str):
        raise ValueError(f"size={size!r} is not a size; pass '448', '252x448' or 'native'")
    return size_words(size)
