"""Raw films in every pixel format, and independent readings of their samples."""

import re
import subprocess
from fractions import Fraction

import av
import numpy as np
from av.video.format import VideoFormat, names
from imageio_ffmpeg import get_ffmpeg_exe

HARDWARE = re.compile(
    r"amf|cuda|d3d|drm|dxva|mediacodec|mmal|ohcodec|opencl|qsv|vaapi|vdpau|videotoolbox|vulkan"
)
NOT_IN_NUT = re.compile(
    r"ayuv64|gbrap32|gbrp1\dmsb|gray32|grayf|nv[24][024]|nv16|p[024]1[026]|rgba?f?(96|128|16|32)[bl]e"
    r"|rgba?f|v30xbe|vuyx|x2|xv30be|xv36|xv48be|y21\dbe|y212|ya16|yaf|yuv440p1|yuv444p1\dmsb|yuvj"
)
"""Formats that no raw film of NUT has a name for; their planes are tested on pictures alone."""
KNOWN = sorted(name for name in names if not HARDWARE.match(name))
FORMATS = [name for name in KNOWN if not NOT_IN_NUT.match(name)]


def write_raw_film(path, name, size):
    """Writes a smooth and a random picture in a pixel format; says whether the file can hold it."""
    height, width = size
    try:
        with av.open(str(path), "w", options={"strict": "-2"}) as container:
            stream = container.add_stream("rawvideo", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, name
            for number, frame in enumerate((smooth(name, size), noise(name, size))):
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with av.open(str(path)) as container:
            read = [frame.format.name for frame in container.decode(video=0)]
    except (av.error.FFmpegError, ValueError, TypeError):
        return False
    return read == [name, name]


def smooth(name, size):
    """A gradient of colours; noise in a format that swscale does not make."""
    y, x = np.mgrid[: size[0], : size[1]]
    rgb = np.stack([60 + x, 200 - y, 80 + (x + y) // 2], axis=-1).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    try:
        if name != "uyyvyy411":
            return picture.reformat(format=name, threads=1)
    except av.error.FFmpegError:
        return noise(name, size)
    parts = [packed(picture.reformat(format="yuv411p", threads=1), at=at) for at in range(3)]
    y, u, v = (part[:, :used] for part, used in zip(parts, (68, 17, 17), strict=True))
    groups = np.stack([u, y[:, ::4], y[:, 1::4], v, y[:, 2::4], y[:, 3::4]], axis=-1)
    return _filled(av.VideoFrame(size[1], size[0], name), groups.reshape(size[0], -1))


def _filled(frame, rows):
    """A picture of one plane with these bytes."""
    plane = frame.planes[0]
    padded = np.zeros((frame.height, plane.line_size), np.uint8)
    padded[:, : rows.shape[1]] = rows
    plane.update(padded.tobytes())
    return frame


def noise(name, size):
    """Random samples; those of planar formats are within their bits."""
    frame, random = av.VideoFrame(size[1], size[0], name), np.random.default_rng(7)
    layout = frame.format
    for at, plane in enumerate(frame.planes):
        data = random.integers(0, 256, plane.buffer_size, dtype=np.uint8)
        bits = [one.bits for one in layout.components if one.plane == at]
        is_low = re.search(r"p\d+[lb]e|gray\d+|nv20", name) and not name.startswith("p")
        if bits and 8 < bits[0] < 16 and is_low:
            kind = ">u2" if layout.is_big_endian else "<u2"
            data = (data.view(kind) & ((1 << bits[0]) - 1)).astype(kind).view(np.uint8)
        plane.update(data.tobytes())
    return frame


def by_command(path, *formats):
    """Each frame of a film in these pixel formats as bytes, by the ffmpeg command."""
    found = []
    for name in formats:
        how = ["-fps_mode", "passthrough", "-pix_fmt", name, "-sws_flags", "accurate_rnd+bitexact"]
        command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path), *how, "-f", "rawvideo", "-"]
        done = subprocess.run(command, capture_output=True, check=True)
        half = len(done.stdout) // 2
        found.append([done.stdout[:half], done.stdout[half:]])
    return found


def packed(frame, dtype="u1", at=0):
    """The samples of a plane as high as the picture, row by row, ``[h, n]``."""
    plane = frame.planes[at]
    return np.frombuffer(memoryview(plane), dtype).reshape(frame.height, -1)


def _pairs(y, u, v):
    def planes(frame):
        rows, chroma = packed(frame), -(-frame.width // 2)
        return rows[:, y::2][:, : frame.width], rows[:, u::4][:, :chroma], rows[:, v::4][:, :chroma]

    return planes


def _semiplanar(down, across, *, dtype="u1", shift=0, is_swapped=False):
    def planes(frame):
        height, width = -(-frame.height // down), -(-frame.width // across)
        luma, both = (np.frombuffer(memoryview(plane), dtype) for plane in frame.planes)
        luma = luma.reshape(frame.height, -1)[:, : frame.width]
        both = both.reshape(height, -1)[:, : 2 * width].reshape(height, width, 2)
        u, v = (1, 0) if is_swapped else (0, 1)
        return luma >> shift, both[..., u] >> shift, both[..., v] >> shift

    return planes


def _quads(*places, dtype="u1", shift=0):
    def planes(frame):
        rows = packed(frame, dtype)[:, : 4 * frame.width].reshape(frame.height, frame.width, 4)
        return tuple(rows[..., at] >> shift for at in places)

    return planes


def _triples(*places):
    def planes(frame):
        rows = packed(frame)[:, : 3 * frame.width].reshape(frame.height, frame.width, 3)
        return tuple(rows[..., at] for at in places)

    return planes


def _planar(shift, dtype):
    def planes(frame):
        return tuple(packed(frame, dtype, at)[:, : frame.width] >> shift for at in range(3))

    return planes


def _y210(frame):
    rows, chroma = packed(frame, "<u2") >> 6, -(-frame.width // 2)
    return rows[:, ::2][:, : frame.width], rows[:, 1::4][:, :chroma], rows[:, 3::4][:, :chroma]


def _tens(shift):
    def planes(frame):
        words = packed(frame, "<u4")[:, : frame.width] >> shift
        return words >> 10 & 1023, words & 1023, words >> 20 & 1023

    return planes


def _uyyvyy(frame):
    groups = packed(frame)[:, : frame.width * 3 // 2].reshape(frame.height, -1, 6)
    luma = np.stack([groups[..., at] for at in (1, 2, 4, 5)], axis=-1)
    return luma.reshape(frame.height, -1), groups[..., 0], groups[..., 3]


def _bits(white):
    def planes(frame):
        bits = np.unpackbits(packed(frame), axis=1)[:, : frame.width]
        return (np.where(bits == white, 255, 0),)

    return planes


def _swapped(frame):
    sizes = [(one.height, one.width) for one in frame.format.components]
    planes = [np.frombuffer(memoryview(plane), ">u2") for plane in frame.planes]
    return [p.reshape(h, -1)[:, :w] for p, (h, w) in zip(planes, sizes, strict=True)]


UNPACKED = {
    "uyvy422": _pairs(1, 0, 2),
    "yuyv422": _pairs(0, 1, 3),
    "yvyu422": _pairs(0, 3, 1),
    "nv12": _semiplanar(2, 2),
    "nv21": _semiplanar(2, 2, is_swapped=True),
    "nv16": _semiplanar(1, 2),
    "nv24": _semiplanar(1, 1),
    "nv42": _semiplanar(1, 1, is_swapped=True),
    "p010le": _semiplanar(2, 2, dtype="<u2", shift=6),
    "p010be": _semiplanar(2, 2, dtype=">u2", shift=6),
    "p012le": _semiplanar(2, 2, dtype="<u2", shift=4),
    "p016be": _semiplanar(2, 2, dtype=">u2"),
    "p210le": _semiplanar(1, 2, dtype="<u2", shift=6),
    "p410be": _semiplanar(1, 1, dtype=">u2", shift=6),
    "y210le": _y210,
    "xv30le": _tens(0),
    "v30xle": _tens(2),
    "vyu444": _triples(1, 2, 0),
    "xv48le": _quads(1, 0, 2, dtype="<u2"),
    "xv48be": _quads(1, 0, 2, dtype=">u2"),
    "nv20le": _semiplanar(1, 2, dtype="<u2"),
    "nv20be": _semiplanar(1, 2, dtype=">u2"),
    "p210be": _semiplanar(1, 2, dtype=">u2", shift=6),
    "p212le": _semiplanar(1, 2, dtype="<u2", shift=4),
    "p216be": _semiplanar(1, 2, dtype=">u2"),
    "p412be": _semiplanar(1, 1, dtype=">u2", shift=4),
    "p416le": _semiplanar(1, 1, dtype="<u2"),
    "yuv444p10msble": _planar(6, "<u2"),
    "yuv444p12msbbe": _planar(4, ">u2"),
    "xv36le": _quads(1, 0, 2, dtype="<u2", shift=4),
    "ayuv": _quads(1, 2, 3),
    "vuya": _quads(2, 1, 0),
    "vuyx": _quads(2, 1, 0),
    "uyva": _quads(1, 0, 2),
    "ayuv64le": _quads(1, 2, 3, dtype="<u2"),
    "ya8": lambda frame: (packed(frame)[:, : 2 * frame.width : 2],),
    "ya16be": lambda frame: (packed(frame, ">u2")[:, : 2 * frame.width : 2],),
    "gray16be": _swapped,
    "gray10be": _swapped,
    "yuv420p10be": _swapped,
    "yuv444p16be": _swapped,
    "uyyvyy411": _uyyvyy,
    "monow": _bits(0),
    "monob": _bits(1),
}
"""Planes of common formats by their published layouts."""


def sampling(name):
    """Which planar format the ffmpeg command is asked for; None for RGB and what is not exact."""
    layout = VideoFormat(name, 16, 16)
    colours = [one for one in layout.components if not one.is_alpha]
    if layout.is_rgb or layout.has_palette or re.search(r"bayer|xyz|f16|f32|y?32[lb]e", name):
        return None
    steps = (16 // colours[-1].height, 16 // colours[-1].width)
    digits = {(1, 1): "444", (1, 2): "422", (2, 2): "420", (2, 1): "440", (1, 4): "411"}
    stem = f"yuv{digits.get(steps, '410')}p" if len(colours) == 3 else "gray"
    return stem + (f"{colours[0].bits}le" if colours[0].bits > 8 else "")
