"""Which decoder decodes a film, and where? Asked for by name, or chosen by what it would cost.

1. A backend and a device that are named are taken, or are an error that says what to do.
2. ``device="cuda"`` without a backend takes PyNvVideoCodec where it is there and takes the stream,
   since its planes are FFmpeg's, and DALI elsewhere.
3. ``device="auto"`` takes a GPU where there is one that can decode the stream, and where that is
   predicted to take less time: pictures to decode, their size, how many slices can be decoded side
   by side, and what starting costs. Otherwise it takes the CPU, and says why.

The prediction is a pure function of the plan and of `Costs`, which are measured once a machine; so
is `choose`. What there is to choose from is looked up in `decoder_for` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

from fewframes.decode.costs import Costs, Workload
from fewframes.decode.decoder import DECODERS, Decoder, DecodeReport, Device, Event, decoder
from fewframes.decode.plan import DecodePlan
from fewframes.media.timeline import StreamInfo, Timeline
from fewframes.plugins import plugin

Where: TypeAlias = Literal["cpu", "cuda", "auto"]
DEVICE_CHOICES: tuple[str, ...] = get_args(Where)
"""What a caller may ask for."""

CPU_CODECS = ("vp8", "vp9", "mjpeg")
"""What DALI's CPU decoder takes (documentation of ``fn.decoders.video``, DALI 2.4)."""
GPU_FORMATS = {
    "vp8": ("yuv420p",),
    "vp9": ("yuv420p", "yuv420p10le"),
    "h264": ("yuv420p", "yuvj420p"),
    "hevc": ("yuv420p", "yuvj420p", "yuv420p10le"),
}
"""Codecs and pixel formats that are given to a GPU, by DALI or PyNvVideoCodec. Their standards
leave no level open, so that every decoder gives the same planes; 4:2:0 is all that DALI's
conversion reads. DALI 2.4 has no engine for Motion JPEG. Which of these a GPU knows, it is asked;
AV1 was on none at hand."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What the video engines of a GPU take of one codec and depth; sizes are height and width."""

    is_taken: bool
    engines: int = 1
    """How many work side by side."""
    least: tuple[int, int] = (0, 0)
    most: tuple[int, int] = (1 << 16, 1 << 16)
    macroblocks: int = 1 << 32
    """Most areas of 16 x 16 samples of a picture."""

    def refusal(self, height: int, width: int) -> str:
        """Why pictures of a size are not taken; empty where they are.

        >>> EngineLimits(is_taken=True, least=(16, 48), most=(4096, 4096)).refusal(8, 64)
        'its engines take 48x16 to 4096x4096, not 64x8'
        """
        if not self.is_taken:
            return "its engines do not take that"
        pairs = zip(self.least, (height, width), self.most, strict=True)
        if not all(least <= size <= most for least, size, most in pairs):
            (least_height, least_width), (most_height, most_width) = self.least, self.most
            sizes = f"{least_width}x{least_height} to {most_width}x{most_height}"
            return f"its engines take {sizes}, not {width}x{height}"
        if height * width > 256 * self.macroblocks:
            return f"its engines take up to {256 * self.macroblocks} samples, not {width}x{height}"
        return ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What there is to decode with."""

    dali: str = ""
    """DALI's version; empty where it is not there."""
    no_dali: str = ""
    """Why not, and what to do."""
    capability: tuple[int, int] = (0, 0)
    """Compute capability of the GPU."""
    no_gpu: str = ""
    """Why no GPU can be used."""
    no_video: str = ""
    """Why its video engines cannot, where there is one."""
    engines: Mapping[tuple[str, int], EngineLimits] = field(default_factory=dict)
    """What they take, by codec and bits of a sample; empty where the driver was not asked."""
    costs: Costs | None = None
    """What decoding by DALI takes here; None where it was not measured."""
    nvdec: str = ""
    """PyNvVideoCodec's version; empty where it is not there."""
    no_nvdec: str = "PyNvVideoCodec is not installed"
    """Why it cannot decode the stream here; empty where it can."""
    nvdec_costs: Costs | None = None
    """What decoding by it takes here."""
    no_costs: str = "what a GPU would take is not measured yet"
    """Why not."""

    @property
    def no_decoding(self) -> str:
        """Why no GPU can decode video; empty where one can."""
        return self.no_gpu or self.no_video

    def missing(self, device: Device, *, for_video: bool = False) -> str:
        """Why DALI cannot be used on a device here, as a sentence; empty where it can.

        >>> machine = Capabilities(dali="2.4.0", no_video="there are no video engines")
        >>> machine.missing("cuda"), machine.missing("cuda", for_video=True)
        ('', "device='cuda' cannot be used: there are no video engines; use device='cpu', or \
device='auto'")
        """
        if self.no_dali:
            return f"backend='dali' cannot be used: {self.no_dali}, or pass backend='ffmpeg'"
        why = self.no_decoding if for_video else self.no_gpu
        words = f"device='cuda' cannot be used: {why}; use device='cpu', or device='auto'"
        return words if why and device == "cuda" else ""


@dataclass(frozen=True, slots=True)
class DecoderRequest:
    """What a caller asked for; by default FFmpeg on the CPU.

    >>> DecoderRequest(device="tpu")
    Traceback (most recent call last):
    ValueError: device='tpu' is not known; pass 'cpu', 'cuda' or 'auto'
    """

    backend: str | None = None
    """None: whatever suits the device."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Checks the names, and that they go together."""
        if self.device not in DEVICE_CHOICES:
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
        has_one_place = self.backend is not None and DECODERS[self.backend].devices == ("cpu",)
        return self.device == "cpu" or has_one_place or is_named


@dataclass(frozen=True, slots=True)
class Choice:
    """Who decodes."""

    backend: str
    device: Device
    reason: str = ""
    """Why, in words, where it was not asked for by name."""


def choose(
    request: DecoderRequest, stream: StreamInfo, machine: Capabilities, job: Workload
) -> Choice:
    """Chooses the decoder of a film; whether it is there is for the decoder to say.

    >>> from fewframes.media.timeline import example_timeline
    >>> here, job = Capabilities(no_dali="DALI is not installed"), Workload(900, 0.2, 10)
    >>> choose(DecoderRequest(device="auto"), example_timeline().stream, here, job).reason
    'PyNvVideoCodec is not installed; DALI is not installed'
    """
    if request.is_settled:
        return Choice(request.backend or "ffmpeg", "cuda" if request.device == "cuda" else "cpu")
    if request.device == "cuda":
        return Choice("dali" if machine.no_nvdec else "nvdec", "cuda")
    no_dali = machine.no_dali or machine.no_decoding or refusal(stream, "cuda", machine)
    if request.backend is None:
        return _cheapest(machine, no_dali, job)
    unusable = no_dali if request.backend == "dali" else machine.no_nvdec
    if not unusable:
        return Choice(request.backend, "cuda", "a GPU can decode it")
    if request.backend == "nvdec":
        return Choice("ffmpeg", "cpu", unusable)
    refused = machine.no_dali or refusal(stream, "cpu", machine)
    reason = f"{unusable}; {refused}" if refused and refused != unusable else unusable
    return Choice("ffmpeg" if refused else "dali", "cpu", reason)


def _cheapest(machine: Capabilities, no_dali: str, job: Workload) -> Choice:
    """The CPU, or whoever can decode on the GPU, by what is predicted."""
    reasons = {"nvdec": machine.no_nvdec, "dali": no_dali}
    if all(reasons.values()):
        return Choice("ffmpeg", "cpu", "; ".join(dict.fromkeys(reasons.values())))
    known = {"nvdec": machine.nvdec_costs, "dali": machine.costs}
    costs = {who: one for who, one in known.items() if one is not None and not reasons[who]}
    if not costs:
        return Choice("ffmpeg", "cpu", machine.no_costs)
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
    if codec not in GPU_FORMATS:
        return f"this package gives them {', '.join(GPU_FORMATS)}, not {codec}"
    if form not in GPU_FORMATS[codec]:
        return f"{codec} of {form} is not given to them, only {', '.join(GPU_FORMATS[codec])}"
    return "an odd width or height" if stream.width % 2 or stream.height % 2 else ""


def refusal(stream: StreamInfo, device: Device, machine: Capabilities) -> str:
    """Why DALI does not take a stream on a device; empty where it does.

    >>> from fewframes.media.timeline import example_timeline
    >>> refusal(example_timeline().stream, "cpu", Capabilities())
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
    if not machine.engines:
        return ""
    bits = 10 if form.endswith("10le") else 8
    limits = machine.engines.get((codec, bits), EngineLimits(is_taken=False))
    reason = limits.refusal(stream.height, stream.width)
    return f"{codec} of {bits} bits on this GPU: {reason}" if reason else ""


def decoder_for(
    timeline: Timeline,
    plan: DecodePlan,
    request: DecoderRequest,
    report: DecodeReport,
    *,
    threads: int = 1,
) -> Decoder:
    """Gives the decoder of a plan, and notes in the report why it is this one.

    Raises ValueError, `MissingBackendError` or `UnsupportedStreamError` when it is used, if the one
    asked for is not there or cannot take the stream.
    """
    stream = timeline.stream
    machine = Capabilities() if request.is_settled else _machine(stream, request)
    slices = int(timeline.packets.is_random_access.sum())
    job = Workload(plan.pictures, stream.width * stream.height / 1e6, slices, threads)
    choice = choose(request, stream, machine, job)
    if choice.reason:
        reason = f"{choice.backend} on {choice.device}: {choice.reason}"
        report[Event.CHOSEN, reason] += 1
    return decoder(choice.backend, choice.device)


def _machine(stream: StreamInfo, request: DecoderRequest) -> Capabilities:
    """What there is for a stream; what it takes, too, where that will be asked."""
    is_open = request.device == "auto" and request.backend is None
    machine: Capabilities = Capabilities()
    if request.backend != "dali":
        machine = plugin("nvdec.facts")(machine, stream, measures=is_open)
    if request.backend == "nvdec" or (request.device == "cuda" and not machine.no_nvdec):
        return machine
    dali: Capabilities = plugin("dali.facts_with_costs" if is_open else "dali.facts")()
    return replace(
        dali, nvdec=machine.nvdec, no_nvdec=machine.no_nvdec, nvdec_costs=machine.nvdec_costs
    )
