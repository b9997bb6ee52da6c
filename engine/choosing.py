"""Which decoder decodes a film, and where? Asked for by name, or chosen by what it would cost."""

from dataclasses import dataclass

from fewframes.decoding import Device
from fewframes.timeline import StreamInfo

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


def refusal(stream: StreamInfo, device: Device, capability: tuple[int, int]) -> str:
    """Why DALI does not take a stream on a device; empty where it does.

    >>> from fewframes.timeline import example_timeline
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
