"""Fitting: where does a picture go that has another shape than its stream?

A stream may change its size in mid-film. All its frames go to one array, so a picture of another
shape is scaled until it fits inside, without a change of its aspect, and centred; what it leaves
free is black. Nothing is ever squashed.
"""

from typing import NamedTuple


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
        side = _even(room * mine * scale / whole, room)
        sides.append(side)
        starts.append((room - side) // 4 * 2)
    return Box(starts[0], starts[1], sides[0], sides[1])


def _even(side: float, room: int) -> int:
    """Rounds to an even number; what misses less than a pixel of the room has all of it."""
    return room if room - side < 1 else min(room, max(2, round(side / 2) * 2))
