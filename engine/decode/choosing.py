"""Which decoder decodes a film, and where? Asked for by name, or chosen by what it would cost.

1. A backend and a device that are named are taken, or are an error that says what to do.
2. ``device="cuda"`` without a backend takes PyNvVideoCodec where it is there and takes the stream,
   since its planes are FFmpeg's, and DALI elsewhere.
3. ``device="auto"`` takes a GPU where there is one that can decode the stream, and where that is
   predicted to take less time: pictures to decode, their size, how many slices can be decoded side
   by side, and what starting costs. Otherwise it takes the CPU, and says why.

The prediction is a pure function of the plan and of `Costs`, which are measured once a machine.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from fewframes.decode.costs import Costs, Job
from fewframes.decode.decoding import DECODERS, Device
from fewframes.media.timeline import StreamInfo

Where: TypeAlias = Literal["cpu", "cuda", "auto"]

CPU_CODECS = ("vp8", "vp9", "mjpeg")
"""What DALI's CPU decoder takes (documentation of ``fn.decoders.video``, DALI 2.4)."""
GPU_FORMATS = {
    "vp8": ("yuv420p",),
    "vp9": ("yuv420p", "yuv420p10le"),
    "mjpeg": ("yuvj420p", "yuv420p"),
    "h264": ("yuv420p", "yuvj420p"),
    "hevc": ("yuv420p", "yuvj420p", "yuv420p10le"),
}
"""Codecs and pixel formats that are given to a GPU: 4:2:0, which is all that DALI's conversion
reads; 10 bits where NVDEC of Ampere and later knows them (NVDEC application note)."""


NVDEC_FORMATS = {
    "h264": ("yuv420p", "yuvj420p"),
    "hevc": ("yuv420p", "yuvj420p", "yuv420p10le"),
    "vp8": ("yuv420p",),
    "vp9": ("yuv420p", "yuv420p10le"),
}
"""The same of PyNvVideoCodec: codecs whose standards leave no level open, so that every decoder
gives the same planes. Which of them a GPU knows, it is asked; AV1 was on none at hand."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to decode with."""

    dali: str = ""
    """DALI's version; empty where it is not there."""
    no_dali: str = ""
    """Why not, and what to do."""
    capability: tuple[int, int] = (0, 0)
    """Compute capability of the GPU."""
    no_gpu: str = ""
    """Why no GPU can be used."""
    costs: Costs | None = None
    """What decoding by DALI takes here; None where it was not measured."""
    nvdec: str = ""
    """PyNvVideoCodec's version; empty where it is not there."""
    no_nvdec: str = "PyNvVideoCodec is not installed"
    """Why it cannot decode the stream here; empty where it can."""
    nvdec_costs: Costs | None = None
    """What decoding by it takes here."""

    def missing(self, device: Device) -> str:
        """Why DALI cannot decode on a device here, as a sentence; empty where it can.

        >>> Machine(dali="2.4.0", no_gpu="there is no NVIDIA GPU").missing("cuda")
        "device='cuda' cannot be used: there is no NVIDIA GPU; use device='cpu', or device='auto'"
        """
        if self.no_dali:
            return f"backend='dali' cannot be used: {self.no_dali}, or pass backend='ffmpeg'"
        if device == "cuda" and self.no_gpu:
            return (
                f"device='cuda' cannot be used: {self.no_gpu}; use device='cpu', or device='auto'"
            )
        return ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asked for; by default FFmpeg on the CPU.

    >>> Asked(device="tpu")
    Traceback (most recent call last):
    ValueError: device='tpu' is not known; pass 'cpu', 'cuda' or 'auto'
    """

    backend: str | None = None
    """None: whatever suits the device."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Checks the names, and that they go together."""
        if self.device not in ("cpu", "cuda", "auto"):
            raise ValueError(f"device={self.device!r} is not known; pass 'cpu', 'cuda' or 'auto'")
        if self.backend is not None and self.backend not in DECODERS:
            raise ValueError(
                f"backend={self.backend!r} is not known; backends: {', '.join(DECODERS)}"
            )
        if (self.backend, self.device) == ("ffmpeg", "cuda"):
            raise ValueError(
                "backend='ffmpeg' decodes on the CPU, not on device='cuda'; "
                "pass device='cpu', or backend='nvdec' or 'dali'"
            )
        if (self.backend, self.device) == ("nvdec", "cpu"):
            raise ValueError(
                "backend='nvdec' decodes on a GPU's video engines, not on device='cpu'; "
                "pass device='cuda' or 'auto', or backend='ffmpeg'"
            )

    @property
    def is_settled(self) -> bool:
        """Whether nothing has to be known of the machine."""
        is_named = self.device == "cuda" and self.backend is not None
        return self.device == "cpu" or self.backend == "ffmpeg" or is_named


@dataclass(frozen=True, slots=True)
class Choice:
    """Who decodes."""

    backend: str
    device: Device
    reason: str = ""
    """Why, in words, where it was not asked for by name."""


def choose(asked: Asked, stream: StreamInfo, machine: Machine, job: Job) -> Choice:
    """Chooses the decoder of a film; whether it is there is for the decoder to say.

    >>> from fewframes.media.timeline import example_timeline
    >>> here, job = Machine(no_dali="DALI is not installed"), Job(900, 0.2, 10)
    >>> choose(Asked(device="auto"), example_timeline().stream, here, job).reason
    'PyNvVideoCodec is not installed; DALI is not installed'
    """
    if asked.is_settled:
        return Choice(asked.backend or "ffmpeg", "cuda" if asked.device == "cuda" else "cpu")
    if asked.device == "cuda":
        return Choice("dali" if machine.no_nvdec else "nvdec", "cuda")
    no_dali = machine.no_dali or machine.no_gpu or refusal(stream, "cuda", machine.capability)
    if asked.backend is None:
        return _cheapest(machine, no_dali, job)
    unusable = no_dali if asked.backend == "dali" else machine.no_nvdec
    if not unusable:
        return Choice(asked.backend, "cuda", "a GPU can decode it")
    if asked.backend == "nvdec":
        return Choice("ffmpeg", "cpu", unusable)
    refused = machine.no_dali or refusal(stream, "cpu", machine.capability)
    reason = f"{unusable}; {refused}" if refused and refused != unusable else unusable
    return Choice("ffmpeg" if refused else "dali", "cpu", reason)


def _cheapest(machine: Machine, no_dali: str, job: Job) -> Choice:
    """The CPU, or whoever can decode on the GPU, by what is predicted."""
    reasons = {"nvdec": machine.no_nvdec, "dali": no_dali}
    if all(reasons.values()):
        return Choice("ffmpeg", "cpu", "; ".join(dict.fromkeys(reasons.values())))
    known = {"nvdec": machine.nvdec_costs, "dali": machine.costs}
    costs = {who: one for who, one in known.items() if one is not None and not reasons[who]}
    if not costs:
        return Choice("ffmpeg", "cpu", "what a GPU would take is not measured yet")
    cpu = min(one.cpu_seconds(job) for one in costs.values())
    gpu = {who: one.gpu_seconds(job) for who, one in costs.items()}
    best = min(gpu, key=lambda who: gpu[who])
    times = " and ".join(f"{seconds:.2f} s by {who}" for who, seconds in gpu.items())
    words = f"predicted {cpu:.2f} s on the CPU, on the GPU {times}"
    return Choice(best, "cuda", words) if gpu[best] < cpu else Choice("ffmpeg", "cpu", words)


def nvdec_refusal(stream: StreamInfo) -> str:
    """Why a stream is not given to video engines by packets, whatever they know; else empty.

    >>> from fewframes.media.timeline import example_timeline
    >>> nvdec_refusal(example_timeline().stream)
    ''
    """
    codec, form = stream.codec, stream.pixel_format
    if codec not in NVDEC_FORMATS:
        return f"this package gives them {', '.join(NVDEC_FORMATS)}, not {codec}"
    if form not in NVDEC_FORMATS[codec]:
        known = ", ".join(NVDEC_FORMATS[codec])
        return f"{codec} of {form} is not given to them, only {known}"
    return "an odd width or height" if stream.width % 2 or stream.height % 2 else ""


def refusal(stream: StreamInfo, device: Device, capability: tuple[int, int]) -> str:
    """Why DALI does not take a stream on a device; empty where it does.

    >>> from fewframes.media.timeline import example_timeline
    >>> refusal(example_timeline().stream, "cpu", (0, 0))
    'on the CPU it takes vp8, vp9, mjpeg, not h264'
    """
    codec, form = stream.codec, stream.pixel_format
    if device == "cpu":
        known = ", ".join(CPU_CODECS)
        return "" if codec in CPU_CODECS else f"on the CPU it takes {known}, not {codec}"
    if codec not in GPU_FORMATS:
        return f"on a GPU this package gives it {', '.join(GPU_FORMATS)}, not {codec}"
    if form not in GPU_FORMATS[codec]:
        return f"{codec} of {form} is not taken on a GPU, only {', '.join(GPU_FORMATS[codec])}"
    if form.endswith("10le") and capability < (8, 0):
        major, minor = capability
        return f"10 bits need a GPU of compute capability 8.0, this one has {major}.{minor}"
    return ""
