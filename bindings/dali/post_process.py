"""What DALI decodes, brought to the format, size and orientation asked for, where it lies.

In memory a picture at a time, while it is in a core's caches. On a GPU `AT_ONCE` pictures take one
launch for RGB and one more for planes, and the results stay there: nothing is copied to the host.
"""

from collections.abc import Callable, Iterator
from typing import Any

from fewframes.arrays import I64, Samples
from fewframes.decode.batch import Format
from fewframes.kernels import gpu, resize_plan, resize_rgb, rgb_to_ycc
from fewframes.kernels.memory import is_on_gpu
from fewframes.media.colour import MATRICES
from fewframes.media.cropping import Crop
from fewframes.media.timeline import StreamInfo

AT_ONCE = 64
"""Most pictures of a batch on a GPU: 11 MB of planes at 448, 50 launches for 1000 pictures."""


class PostProcess:
    """Brings pictures of one stream to one format and size.

    ``crop`` is what is not shown of a decoded picture, before it is turned.
    """

    def __init__(
        self, stream: StreamInfo, format: Format, size: tuple[int, int] | None, crop: Crop
    ) -> None:
        if size is not None and stream.rotation in (90, 270):
            size = size[1], size[0]
        self.format = format
        self.plan = resize_plan(
            (stream.height, stream.width),
            size,
            corner=(crop.top, crop.left),
            matrix=MATRICES.get(stream.colour_space, "bt601"),
            rotation=stream.rotation,
            is_mirrored=stream.is_mirrored,
        )

    def batches(self, decoded: Any, places: I64) -> Iterator[tuple[Samples, ...]]:  # noqa: ANN401
        """Planes of the pictures at neighbouring places of ``[n, h, w, 3] u8``, ``[m, ...]`` each.

        In memory m is 1, on a GPU up to `AT_ONCE`. They are done with ``decoded`` when they come.
        """
        first, stop = int(places[0]), int(places[-1]) + 1
        if not is_on_gpu(decoded):
            for at in range(first, stop):
                rgb = resize_rgb(decoded[at], self.plan)
                yield tuple(plane[None] for plane in self._made(rgb, rgb_to_ycc))
            return
        for at in range(first, stop, AT_ONCE):
            rgb = resize_rgb.batch(decoded[at : min(stop, at + AT_ONCE)], self.plan)
            planes = self._made(rgb, rgb_to_ycc.batch)
            gpu.finish()
            yield planes

    def _made(self, rgb: Samples, to_ycc: Callable[..., Any]) -> tuple[Samples, ...]:
        ycc = () if self.format == "rgb" else to_ycc(rgb)
        return (*ycc, rgb) if "rgb" in self.format else ycc
