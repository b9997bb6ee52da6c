"""FrameBatch: decoded frames with their exact times; Handover: those in the form of a runtime."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from fewframes.arrays import F32, F64, I64, U8, U64, Mask, Samples
from fewframes.errors import MissingBackendError
from fewframes.kernels import on_host
from fewframes.kernels.memory import as_cupy, is_on_gpu
from fewframes.plugins import plugin

if TYPE_CHECKING:
    import torch

CUDA = 2
"""How DLPack calls the memory of a GPU (kDLCUDA)."""
QUALITY = 90
"""Of JPEGs, 1 to 100, where none is asked for."""
Format = Literal["rgb", "yuv", "jpeg", "jpeg+rgb"]
"""``rgb``: u8, display orientation. ``yuv``: planes of the decoder's own samples, of its depth and
sampling, before rotation; of RGB what swscale makes of it. ``jpeg``: full range BT.601 4:2:0
planes u8 in display orientation, what a JPEG encoder takes. ``jpeg+rgb``: these three, and rgb as
the fourth."""


@dataclass(frozen=True, slots=True, repr=False)
class Handover:
    """What to give to a runtime, and what the model is then told.

    >>> example_batch().to("openai")
    Handover(openai: 2 of 2 frames, told to 0.000 s)
    """

    runtime: str
    content: list[dict[str, Any]]
    """Parts of one user message, in the runtime's own form; the question goes behind them."""
    arguments: Mapping[str, Any]
    """Keyword arguments of the runtime's processor, engine or request."""
    rows: I64
    """Which frame of the batch each picture sent is, ``[m] i64``."""
    timestamps: F64
    """The time that the model is told for each picture sent, ``[m] f64``."""
    report: dict[str, Any] = field(default_factory=dict)
    """``frames``: of the batch that are sent; ``time_error_seconds``: largest difference of a told
    time and the true one; ``repaired_frames``: those whose true time is not the film's own stamp,
    which does not fit; what else the exporter has to say: bytes, size, layout."""

    def __repr__(self) -> str:
        sent, of = self.report["frames"], self.report["frames_given"]
        error = self.report["time_error_seconds"]
        return f"Handover({self.runtime}: {sent} of {of} frames, told to {error:.3f} s)"

    def message(self, question: str) -> dict[str, Any]:
        """Gives the user message: pictures first, then the question."""
        key = "parts" if self.runtime == "gemini" else "content"
        request = {"text": question} if key == "parts" else {"type": "text", "text": question}
        return {"role": "user", key: [*self.content, request]}


@dataclass(frozen=True, slots=True, repr=False)
class FrameBatch:
    """Frames of one video, in the order they were asked for.

    >>> batch = example_batch()
    >>> batch
    FrameBatch([2, 4, 6, 3] u8 rgb of 'example', frames 0 to 30, 0.00 s to 1.00 s)
    >>> np.from_dlpack(batch).shape
    (2, 4, 6, 3)
    """

    planes: tuple[Samples, ...]
    """One ``[n, h, w, 3] u8`` array for rgb; three planes ``[n, h, w]`` for the YUV formats. They
    are NumPy's, or on a GPU Numba's, which have the ``__cuda_array_interface__``."""
    format: Format
    frame_numbers: I64
    """Position of each frame in the video's timeline, ``[n] i64``."""
    pts: I64
    """Presentation times in ticks, ``[n] i64``."""
    time_base: Fraction
    """Seconds per tick."""
    start_pts: int
    """The pts of the first frame the video shows; ``seconds`` counts from it."""
    source: str
    """Name or id of the video."""
    scores: F32 | None = None
    """What the selecting policy thought of each frame, ``[n] f32``, or None."""
    luma_xxh64: U64 | None = None
    """Hash of each frame's decoded luma at its native bit depth, before rotation, ``[n] u64``, in
    batches of a jpeg format: it says that pixels are the same, never that they are alike."""
    picture_xxh64: U64 | None = None
    """The same of all planes: of luma and chroma, of alpha, and of a palette, ``[n] u64``."""
    is_damaged: Mask | None = None
    """Frames that a decode anomaly may have touched, ``[n] bool``; None means none."""
    is_repaired: Mask | None = None
    """Frames whose ``pts`` is not the container's stamp, ``[n] bool``, or None for none."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """What the batch cost: pictures predicted and decoded, runs, fallbacks."""

    def __len__(self) -> int:
        return len(self.frame_numbers)

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.planes[0].shape)) if self.planes else "0"
        kind = "u8" if not self.planes or self.planes[0].dtype == np.uint8 else "u16"
        which = "no frames"
        if len(self):
            first, last = self.frame_numbers[[0, -1]]
            which = f"frames {first} to {last}, "
            which += f"{self.seconds[0]:.2f} s to {self.seconds[-1]:.2f} s"
        return f"FrameBatch([{shape}] {kind} {self.format} of {self.source!r}, {which})"

    @property
    def frames(self) -> U8:
        """The pixels, ``[n, h, w, 3] u8`` RGB."""
        if self.format != "rgb":
            raise ValueError(f"format={self.format!r} has planes, not frames; read with 'rgb'")
        return self.planes[0]

    @property
    def device(self) -> str:
        """Where the pixels lie: "cpu", or "cuda" for arrays of Numba's on a GPU."""
        return "cuda" if self.planes and is_on_gpu(self.planes[0]) else "cpu"

    def on_host(self) -> "FrameBatch":
        """Gives the batch with its pixels in memory: itself, or with a copy of those on a GPU."""
        if self.device == "cpu":
            return self
        return replace(self, planes=tuple(map(on_host, self.planes)))

    def check_on_host(self, name: str) -> None:
        """Raises ValueError where the pixels are not in memory, as what has this name needs them.

        >>> example_batch().check_on_host("jpeg()")
        """
        if self.device != "cpu":
            raise ValueError(
                f"{name} needs frames in memory, and these lie on a GPU; call batch.on_host() first"
            )

    @property
    def seconds(self) -> F64:
        """Time of each frame since the first one of the video, ``[n] f64``."""
        ticks: F64 = (self.pts - self.start_pts).astype(np.float64)
        return ticks * float(self.time_base)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Gives the pixels to NumPy, ``[n, h, w, 3] u8``, without a copy where none is asked for.

        Raises ValueError for frames on a GPU, and for planes as decoded.

        >>> np.asarray(example_batch()).shape
        (2, 4, 6, 3)
        """
        self.check_on_host("np.asarray()")
        if copy is None:
            return np.asarray(self.frames, dtype)
        return np.array(self.frames, dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:  # noqa: ANN401 (the protocol's own types)
        """Hands the pixels to any array library without a copy, in memory or on a GPU."""
        if self.device == "cpu":
            return self.frames.__dlpack__(**options)
        try:
            return as_cupy(self.frames).__dlpack__(**options)
        except ImportError as error:
            raise MissingBackendError(str(error)) from error

    def __dlpack_device__(self) -> tuple[int, int]:
        """Says where the pixels are, as the DLPack protocol wants it."""
        return self.frames.__dlpack_device__() if self.device == "cpu" else (CUDA, 0)

    def torch(self) -> "torch.Tensor":
        """Gives the pixels as a ``[n, h, w, 3] u8`` tensor that shares their memory.

        Raises MissingBackendError where PyTorch is not installed, or is not for GPUs and they lie
        on one.
        """
        try:
            import torch
        except ImportError as error:
            raise MissingBackendError(
                ".torch() needs PyTorch, which is not installed; pip install 'fewframes[torch]'"
            ) from error
        if self.device == "cpu":
            return torch.from_numpy(self.frames)
        if not torch.cuda.is_available():
            raise MissingBackendError(
                "these frames lie on a GPU, which this PyTorch cannot use; install one for CUDA, "
                "or call batch.on_host() first"
            )
        return torch.as_tensor(self.frames, device="cuda")

    def jpeg(self, *, quality: int = QUALITY) -> list[bytes]:
        """Encodes each frame as a JPEG file (4:2:0); ValueError for frames on a GPU.

        >>> example_batch().jpeg()[0][6:10]
        b'JFIF'
        """
        self.check_on_host("jpeg()")
        return as_jpegs(self.frames, quality=quality)

    def to(self, runtime: str, **options: Any) -> Handover:  # noqa: ANN401
        """Makes what a model's runtime takes, with the true times that it can be told.

        ``runtime`` is a row of `fewframes.models.runtimes.RUNTIMES`, such as "qwen3-vl"
        (transformers), "vllm:qwen3-vl", "vllm-server:qwen3-vl", "openai" or "anthropic";
        ``options`` are its exporter's: ``pairing``, ``max_time_error``, ``max_tokens``, ``sides``
        or ``quality``.
        Frames on a GPU are a ValueError: what runtimes take is in memory.
        """
        self.check_on_host("to()")
        made: Handover = plugin("batch.to")(self, runtime, **options)
        return made

    def __iter__(self) -> Iterator[U8]:
        """Goes over the pixels, ``[h, w, 3] u8`` each."""
        return (self.frames[at] for at in range(len(self)))


def marks_or_none(marks: Mask) -> Mask | None:
    """Gives what a batch has of marks, ``[n] bool``: None where no frame has one.

    >>> marks_or_none(np.zeros(2, bool)) is None
    True
    """
    return marks if marks.any() else None


def as_jpegs(frames: Iterable[U8], *, quality: int = QUALITY) -> list[bytes]:
    """Encodes pictures ``[h, w, 3] u8`` as JPEG files (4:2:0).

    >>> len(as_jpegs(example_batch().frames))
    2
    """
    from simplejpeg import encode_jpeg

    return [
        encode_jpeg(np.ascontiguousarray(frame), quality=quality, colorsubsampling="420")
        for frame in frames
    ]


def example_batch() -> FrameBatch:
    """Makes a batch of two tiny grey frames, for examples and tests.

    >>> example_batch().seconds.tolist()
    [0.0, 1.0]
    """
    pixels = np.full((2, 4, 6, 3), 128, np.uint8)
    numbers = np.array([0, 30])
    return FrameBatch((pixels,), "rgb", numbers, numbers * 512, Fraction(1, 15360), 0, "example")
