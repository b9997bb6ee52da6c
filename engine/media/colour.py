"""What do the samples of a decoded picture mean? Layout, matrix, range, siting and transfer curve.

Nothing here touches a picture: it is read from names that container, codec and decoder give.
"""

import re
from dataclasses import dataclass

from fewframes.kernels import RgbPlan, Siting, rgb_plan
from fewframes.media.timeline import StreamInfo

MATRICES = {
    "bt709": "bt709",
    "fcc": "fcc",
    "bt470bg": "bt601",
    "smpte170m": "bt601",
    "smpte240m": "smpte240m",
    "ycgco": "ycgco",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}
"""Matrix that stands for a stream's colour space. Constant luminance (bt2020c) has no matrix that
is exact; FFmpeg takes the same one for it."""

STEPS = {
    "444": (1, 1),
    "440": (2, 1),
    "422": (1, 2),
    "420": (2, 2),
    "411": (1, 4),
    "410": (4, 4),
    "": (0, 0),
}
"""Luma samples for each chroma sample, down and across, by the digits in a pixel format's name."""

SITINGS: dict[str, Siting] = {
    "mpeg1video": "center",
    "mjpeg": "center",
    "h261": "center",
    "h263": "center",
    "theora": "center",
    "dvvideo": "topleft",
}
"""Where codecs put chroma samples that do not put them level with the first luma column."""

NOT_TONE_MAPPED = ("smpte2084", "arib-std-b67")
"""Transfer curves of HDR: PQ and HLG."""

_PLANAR = re.compile(r"(?:yuv(?P<kind>[aj]?)(?P<digits>\d{3})p|gray)(?:(?P<bits>\d+)le)?")


@dataclass(frozen=True, slots=True)
class Colour:
    """How to read planes of Y, Cb and Cr."""

    matrix: str
    is_full: bool
    """Whether samples use the whole range of their bits."""
    steps: tuple[int, int]
    siting: Siting
    bits: int
    stands_for: str = ""
    """What the stream says its matrix is, where that is not known and ``matrix`` is a guess."""

    def plan(self, size: tuple[int, int], target: tuple[int, int]) -> RgbPlan:
        """Plans the way from such planes of a size to RGB of a target size (height and width)."""
        return rgb_plan(
            size,
            target,
            steps=self.steps,
            siting=self.siting,
            matrix=self.matrix,
            is_full=self.is_full,
            bits=self.bits,
        )

    def __str__(self) -> str:
        range_ = "full" if self.is_full else "limited"
        digits = next(digits for digits, steps in STEPS.items() if steps == self.steps)
        guess = f" for {self.stands_for}" if self.stands_for else ""
        return f"{self.matrix}{guess}, {range_} range, {digits or 'grey'}, {self.bits} bit"


def colour_of(stream: StreamInfo, pixel_format: str, colour_range: str) -> Colour | None:
    """Reads the meaning of a picture's planes; None where they are not plain YUV planes.

    ``colour_range`` is the picture's own, which may differ from picture to picture. What nobody
    says counts as FFmpeg counts it: BT.601, and limited range, but full range for grey alone.
    Constant-luminance and unknown matrices are named in the result, not passed over.

    >>> from fewframes.media.timeline import example_timeline
    >>> print(colour_of(example_timeline().stream, "yuv422p10le", "unspecified"))
    bt601 for unspecified, limited range, 422, 10 bit
    >>> colour_of(example_timeline().stream, "rgb24", "full")
    """
    form = _PLANAR.fullmatch(pixel_format)
    if not form:
        return None
    digits, bits = form["digits"] or "", int(form["bits"] or 8)
    if digits not in STEPS or not 8 <= bits <= 16:
        return None
    space = stream.colour_space
    is_exact = space in MATRICES and space != "bt2020c"
    is_full = colour_range == "full" or form["kind"] == "j"
    return Colour(
        MATRICES.get(space, "bt601"),
        is_full or (not digits and colour_range != "limited"),
        STEPS[digits],
        SITINGS.get(stream.codec, "left"),
        bits,
        "" if is_exact else space,
    )


def describe_colour(transfer: str) -> str:
    """What a report says of a transfer curve.

    >>> describe_colour("bt709"), describe_colour("smpte2084")
    ('bt709', 'smpte2084, not tone-mapped')
    """
    return f"{transfer}, not tone-mapped" if transfer in NOT_TONE_MAPPED else transfer
