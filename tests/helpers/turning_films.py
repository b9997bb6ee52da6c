"""Films that change their size in mid-stream, encoded here."""

from fractions import Fraction

import av
import numpy as np

LANDSCAPE, PORTRAIT, HALF = (180, 320), (320, 180), (90, 160)
EACH = 8
FILMS = {
    "libvpx": (".webm", "yuv420p", {"deadline": "realtime", "b": "2M"}),
    "libvpx-vp9": (".webm", "yuv420p", {"deadline": "realtime", "cpu-used": "8", "b": "2M"}),
    "libx264": (".ts", "yuv420p", {"g": "8", "bf": "0"}),
    "mjpeg": (".mkv", "yuvj420p", {}),
}
"""Codecs of which a stream may change its size, and a container that lets it."""


def picture(size, number):
    """A white disc on green, and at its centre a block whose level counts the frames."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    rgb = np.full((height, width, 3), (30, 160, 60), np.uint8)
    rgb[np.hypot(y - height / 2, x - width / 2) < min(size) / 3] = 235
    rgb[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4] = 40 + 8 * number
    return rgb


def write(path, name, sizes):
    """Encodes a stretch of `EACH` frames of each size into one stream, by an encoder each."""
    _, pixel_format, options = FILMS[name]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=25, options=options)
        stream.height, stream.width = sizes[0]
        stream.pix_fmt = pixel_format
        for part, size in enumerate(sizes):
            encoder = stream
            if part:
                encoder = av.CodecContext.create(name, "w")
                encoder.height, encoder.width = size
                encoder.pix_fmt, encoder.time_base = pixel_format, Fraction(1, 25)
                encoder.options = options
            for number in range(EACH * part, EACH * (part + 1)):
                frame = av.VideoFrame.from_ndarray(picture(size, number), format="rgb24")
                frame = frame.reformat(format=pixel_format, threads=1)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                mux(container, stream, encoder.encode(frame))
            mux(container, stream, encoder.encode(None))
    return path


def mux(container, stream, packets):
    for packet in packets:
        packet.stream = stream
        container.mux(packet)
