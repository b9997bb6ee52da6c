"""MP4: indexed frames as a film whose every picture keeps its own time.

1. The track's time scale is the denominator of the video's time base, so that a tick of the film
   is a whole number of ticks of the track: none is rounded, however uneven the frames are. The
   movie has the same scale, since a late start is an edit in ticks of the movie.
2. A frame lasts until the next one; the last one until the film's end. That may be 2**31 - 1 ticks:
   where it is more, ticks are as long as all times allow, or the film does not fit.
3. H.264 without B-frames, a keyframe every tenth frame, BT.601 in limited range, and tagged so.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Any

import av
import numpy as np

from fewframes.arrays import I64, U8
from fewframes.store.video import Video

READ_ROWS = 64
MOST_TICKS = (1 << 31) - 1
"""What FFmpeg's muxer takes of a frame's duration and of a second."""
CODER = {"crf": "18", "bf": "0", "g": "10", "preset": "medium"}
BT601, LIMITED = 6, 1
"""SMPTE 170M, in numbers of Rec. ITU-T H.273, and FFmpeg's AVCOL_RANGE_MPEG."""


def write_mp4(video: Video, path: Path, *, zero_pts: int = 0) -> None:
    """Writes a row a frame, in bounded memory; the pts ``zero_pts`` is 0 in the file.

    Raises:
        CorruptStoreError: A picture is damaged.
        ValueError: A frame lasts longer than an MP4 can say.
    """
    ticks, ends, time_base = track_times(video, zero_pts=zero_pts)
    scale = str(time_base.denominator)
    options = {"video_track_timescale": scale, "movie_timescale": scale}
    with av.open(f"file:{path}", "w", options=options) as container:  # a colon may be in it
        stream = _stream(container, video, time_base)
        lasting = dict(zip(ticks.tolist(), (ends - ticks).tolist(), strict=True))
        for rgb, pts in zip(_pictures(video), ticks.tolist(), strict=True):
            _mux(container, stream, stream.encode(_frame(rgb, pts, stream)), lasting)
        _mux(container, stream, stream.encode(None), lasting)


def first_pts(video: Video) -> int:
    """The pts that is 0 in a film that keeps its times: 0, or where that is earlier, the start.

    What an MP4 has before 0, no player shows.
    """
    return min(0, int(video.facts["start_pts"]))


def track_times(video: Video, *, zero_pts: int) -> tuple[I64, I64, Fraction]:
    """Gives when each row begins and ends, ``[n] i64``, in ticks of ``1 / time scale``.

    Raises ValueError where a frame lasts longer than an MP4 can say.
    """
    facts, table = video.facts, video.table
    base = Fraction(facts["time_base"])
    last = max(facts["end_pts"], int(table.pts[-1]) + 1)
    edges, scale = (np.append(table.pts, last) - zero_pts) * base.numerator, base.denominator
    if max(scale, int(np.diff(edges).max())) > MOST_TICKS:
        common = gcd(scale, *edges[:-1].tolist())
        edges, scale = edges // common, scale // common
        edges[-1] = max(edges[-1], edges[-2] + 1)
    row = int(np.diff(edges).argmax())
    longest = int(edges[row + 1] - edges[row])
    if max(scale, longest) > MOST_TICKS:
        raise ValueError(
            f"frame {table.frame_numbers[row]} of {video.id!r} lasts {longest / scale:.3f} s, or "
            f"{longest} ticks of 1/{scale} s, and an MP4 holds {MOST_TICKS} of either; export it "
            "as jpeg or webdataset"
        )
    return edges[:-1], edges[1:], Fraction(1, scale)


def _stream(container: Any, video: Video, time_base: Fraction) -> Any:  # noqa: ANN401
    height, width = video.frame_size
    is_even = height % 2 == 0 and width % 2 == 0
    stream = container.add_stream("libx264", options=CODER)
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p" if is_even else "yuv444p"
    stream.codec_context.time_base = stream.time_base = time_base
    stream.codec_context.colorspace, stream.codec_context.color_range = BT601, LIMITED
    return stream


def _pictures(video: Video) -> Iterator[U8]:
    for first in range(0, len(video.slots), READ_ROWS):
        rows = range(first, min(first + READ_ROWS, len(video.slots)))
        yield from video.read(rows=list(rows))


def _frame(rgb: U8, pts: int, stream: Any) -> av.VideoFrame:  # noqa: ANN401
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame = frame.reformat(format=stream.pix_fmt, dst_colorspace="ITU601", dst_color_range="MPEG")
    frame.pts, frame.time_base = pts, stream.codec_context.time_base
    return frame


def _mux(container: Any, stream: Any, packets: Any, lasting: dict[int, int]) -> None:  # noqa: ANN401
    for packet in packets:
        packet.stream = stream
        packet.duration = lasting[packet.pts]
        container.mux(packet)
