"""What a file holds according to the ffmpeg command line: nothing of this package decodes it.

The binary is imageio-ffmpeg's, another build of FFmpeg than the one PyAV carries. It decodes the
whole file in order, on one thread, and hashes the luma plane of every picture.
"""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

from fewframes.arrays import U8
from fewframes.decode.batch import FrameBatch

OPTIONS = ("-nostdin", "-v", "error", "-threads", "1", "-noautorotate", "-copyts")
FRAMEHASH = (
    *("-fps_mode", "passthrough", "-enc_time_base", "demux", "-vf", "extractplanes=y"),
    *("-f", "framehash", "-hash", "md5", "-"),
)


def _ffmpeg() -> str:
    from imageio_ffmpeg import get_ffmpeg_exe

    path: str = get_ffmpeg_exe()
    return path


@cache
def sequential(path: Path, stream_index: int = 0) -> list[tuple[int, str]]:
    """Gives the pts and the MD5 of the luma of every frame, in the order they are shown."""
    command = [_ffmpeg(), *OPTIONS, "-i", str(path), "-map", f"0:{stream_index}", *FRAMEHASH]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [line.split(",") for line in done.stdout.splitlines() if line[:1] not in ("#", "")]
    return [(int(row[2]), row[5].strip()) for row in rows]


def luma_md5(batch: FrameBatch) -> list[str]:
    """Gives the MD5 of each frame's luma in a batch read with ``format="yuv"``."""
    luma = batch.planes[0]
    little = luma.astype(luma.dtype.newbyteorder("<"), copy=False)
    return [hashlib.md5(np.ascontiguousarray(plane).data).hexdigest() for plane in little]


def first_grey(path: Path, height: int, width: int) -> U8:
    """Gives the first picture as a player shows it, turned, ``[height, width] u8`` luma."""
    command = [_ffmpeg(), "-nostdin", "-v", "error", "-i", str(path), "-frames:v", "1"]
    shown = [*command, "-vf", "extractplanes=y", "-f", "rawvideo", "-"]
    done = subprocess.run(shown, capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(height, width)
