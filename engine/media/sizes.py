"""How large does a frame come out, and where does a picture of another shape go in it?

1. A size is the longer side, or an exact height and width.
2. A stream may change its size in mid-film. All its frames go to one array, so a picture of another
   shape is scaled until it fits inside, without a change of its aspect, and centred; what it leaves
   free is black. Nothing is ever squashed.
"""

from fractions import Fraction
from typing import NamedTuple, TypeAlias

from fewframes.media.timeline import StreamInfo

Size: TypeAlias = int | tuple[int, int] | str | None
"""Longer side in pixels; or (height, width); or the words ``"448"`` and ``"252x448"``."""
SCAN_SIZE = 448
"""Longer side of the pictures that a scan measures and a store keeps, unless the caller says
otherwise."""
SCAN_FPS = 2.0
"""Frames that a scan measures of each second, unless the caller says otherwise."""


def parse_size(size: Size) -> int | tuple[int, int] | None:
    """Reads a size as people write it.

    >>> parse_size("252x448"), parse_size("448"), parse_size(None)
    ((252, 448), 448, None)
    >>> parse_size("large")
    Traceback (most recent call last):
    ValueError: size='large' is not a size; pass the longer side (448) or height x width ('252x448')
    """
    parts: list[int] = []
    if size is None:
        return None
    try:
        words = size.lower().split("x") if isinstance(size, str) else size
        parts = [int(part) for part in words] if not isinstance(words, int) else [words]
    except (TypeError, ValueError):
        parts = []
    if len(parts) not in (1, 2) or min(parts) < 1:
        raise ValueError(
            f"size={size!r} is not a size; pass the longer side (448) or height x width ('252x448')"
        )
    return parts[0] if len(parts) == 1 else (parts[0], parts[1])


def size_words(size: Size) -> str:
    """Writes a size as a recipe has it.

    >>> size_words(None), size_words("448"), size_words((252, 448))
    ('native', '448', '252x448')
    """
    parsed = parse_size(size)
    if parsed is None:
        return "native"
    return str(parsed) if isinstance(parsed, int) else f"{parsed[0]}x{parsed[1]}"


def output_size(stream: StreamInfo, size: Size) -> tuple[int, int] | None:
    """Gives height and width in display orientation, or None to keep the decoder's own.

    A longer side keeps the aspect of the picture as shown (square pixels), rounds to even numbers
    and never enlarges; an exact size is taken as it is.

    >>> from fewframes.media.timeline import example_timeline
    >>> output_size(example_timeline().stream, 448), output_size(example_timeline().stream, 9999)
    ((252, 448), (360, 640))
    """
    requested = parse_size(size)
    if requested is None or isinstance(requested, tuple):
        return requested
    return _shrunk(*_square_pixel_size(stream), requested)


def fitted_size(stored: tuple[int, int], size: Size) -> tuple[int, int] | None:
    """Gives height and width for a stored picture of square pixels, or None to keep its own.

    >>> fitted_size((252, 448), 112), fitted_size((252, 448), 448), fitted_size((252, 448), "9x9")
    ((64, 112), None, (9, 9))
    """
    requested = parse_size(size)
    if requested is None or isinstance(requested, tuple):
        return requested
    height, width = map(Fraction, stored)
    return None if requested >= max(stored) else _shrunk(height, width, requested)


class Box(NamedTuple):
    """A place in a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


def fitted_box(picture: tuple[int, int], stream: tuple[int, int], target: tuple[int, int]) -> Box:
    """Gives the place of a picture in a target; all sizes are height and width, turned alike.

    The target shows the whole of a picture of the ``stream``'s shape, squashed where the caller
    asked for that; any other picture is squashed neither more nor less. Borders are even, so that
    no chroma sample of 4:2:0 belongs to the picture and to a border.

    >>> fitted_box((320, 180), (180, 320), (180, 320))
    Box(top=0, left=108, height=180, width=102)
    >>> fitted_box((90, 160), (180, 320), (64, 64))
    Box(top=0, left=0, height=64, width=64)
    """
    scale = min(whole / mine for whole, mine in zip(stream, picture, strict=True))
    sides, starts = [], []
    for whole, mine, room in zip(stream, picture, target, strict=True):
        exact = room * mine * scale / whole
        side = room if room - exact < 1 else min(room, _even(exact))  # no border of less
        sides.append(side)
        starts.append((room - side) // 4 * 2)
    return Box(starts[0], starts[1], sides[0], sides[1])


def _shrunk(height: Fraction, width: Fraction, longer: int) -> tuple[int, int]:
    scale = min(Fraction(1), Fraction(longer) / max(height, width))
    return _even(height * scale), _even(width * scale)


def _square_pixel_size(stream: StreamInfo) -> tuple[Fraction, Fraction]:
    """The largest size with square pixels that enlarges neither side."""
    height, width = (Fraction(side) for side in stream.display_size)
    aspect = stream.pixel_aspect
    if stream.rotation in (90, 270):
        aspect = 1 / aspect
    return (height / aspect, width) if aspect > 1 else (height, width * aspect)


def _even(side: Fraction | float) -> int:
    return max(2, round(side / 2) * 2)
