"""Readers: how each library gives the pictures of known frames, in its fastest exact setting.

A reader is a function of a film, frame numbers in rising order and a number of threads (0: as it
comes), and a row of `READERS`. It gives one picture a number, ``[h, w, 3] u8`` RGB at the film's
own size, in that order. `fewframes.bench.correctness` checks that they are the right ones. Decoders
on a GPU are measured by `fewframes.bench.research.gpu`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fewframes.arrays import I64, U8

CHUNK = 64
"""Pictures that are held at once, by libraries that give many together."""

Reader = Callable[[str, I64, int], Iterator[U8]]


def ours(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """Reads with fewframes as `ours_again` does, at its first sight of the film."""
    os.environ["FEWFRAMES_CACHE"] = "off"
    return ours_again(film, numbers, threads)


def ours_again(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """Reads with fewframes and a remembered timeline; many frames by its decoder's stream."""
    import fewframes as ff
    from fewframes.decode.decoder import DecodeReport, decoder
    from fewframes.decode.plan import plan_frames

    if len(numbers) <= 2 * CHUNK:
        yield from ff.read(film, frames=numbers, workers=threads or None).frames
        return
    timeline = ff.probe(film)
    runs = plan_frames(timeline, numbers).runs
    for batch in decoder()(timeline, runs, format="rgb", size=None, report=DecodeReport()):
        yield from batch.frames


def pyav_in_order(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """Plain PyAV, decoding on and on; only what is wanted becomes RGB."""
    import av

    wanted, last = set(numbers.tolist()), int(numbers[-1])
    with av.open(film) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        for number, frame in enumerate(container.decode(stream)):
            if number in wanted:
                yield frame.to_ndarray(format="rgb24")
            if number == last:
                return


def pyav_seeking(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """Plain PyAV, seeking to the keyframe before each frame; the times are known."""
    import av

    import fewframes as ff

    pts = ff.probe(film).pts[numbers].tolist()
    with av.open(film) as container:
        stream: Any = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        for tick in pts:
            container.seek(tick, stream=stream)
            shown = (f for f in container.decode(stream) if f.pts is not None and f.pts >= tick)
            frame = next(shown, None)
            if frame is not None:
                yield frame.to_ndarray(format="rgb24")


def decord2(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """Takes decord2's batch reader."""
    import decord

    reader = decord.VideoReader(film, num_threads=threads)
    for first in range(0, len(numbers), CHUNK):
        yield from reader.get_batch(numbers[first : first + CHUNK].tolist()).asnumpy()


def opencv_in_order(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """OpenCV, grabbing what is not wanted; to RGB."""
    import cv2

    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    capture, at = cv2.VideoCapture(film, cv2.CAP_FFMPEG, options), 0
    for number in numbers.tolist():
        while at < number and capture.grab():
            at += 1
        is_there, picture = capture.read()
        at += 1
        if is_there:
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def opencv_seeking(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """OpenCV, seeking by frame number; to RGB."""
    import cv2

    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    capture = cv2.VideoCapture(film, cv2.CAP_FFMPEG, options)
    for number in numbers.tolist():
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        is_there, picture = capture.read()
        if is_there:
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def torchcodec(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """TorchCodec's batch reader, exact mode."""
    from torchcodec.decoders import VideoDecoder

    options = {"dimension_order": "NHWC", "seek_mode": "exact", "num_ffmpeg_threads": threads}
    decoder = VideoDecoder(film, **options)
    for first in range(0, len(numbers), CHUNK):
        frames = decoder.get_frames_at(numbers[first : first + CHUNK].tolist())
        yield from frames.data.numpy()


def scenedetect(film: str, numbers: I64, _threads: int) -> Iterator[U8]:
    """PySceneDetect's video stream, by OpenCV: reads on to the next frame, else seeks; to RGB."""
    import cv2
    from scenedetect import open_video

    stream, at = open_video(film, backend="opencv"), 0
    for number in numbers.tolist():
        if number != at:
            stream.seek(number)
        picture = stream.read()
        at = number + 1
        if picture is not False:
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def video_reader_rs(film: str, numbers: I64, threads: int) -> Iterator[U8]:
    """Takes video-reader-rs' batch reader."""
    from video_reader import PyVideoReader

    reader = PyVideoReader(film, threads=threads or None)
    for first in range(0, len(numbers), CHUNK):
        yield from reader.get_batch(numbers[first : first + CHUNK].tolist())


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of `READERS`."""

    reader: Reader
    threads: int
    """0: as many as the library takes by itself."""
    package: str | None = None
    """The package to install, if another's."""


READERS: dict[str, Setting] = {
    "fewframes workers=1": Setting(ours, 1),
    "fewframes default": Setting(ours, 0),
    "fewframes, seen before": Setting(ours_again, 1),
    "PyAV in order, 1 thread": Setting(pyav_in_order, 1, "av"),
    "PyAV in order": Setting(pyav_in_order, 0, "av"),
    "PyAV seeking, 1 thread": Setting(pyav_seeking, 1, "av"),
    "decord2 num_threads=1": Setting(decord2, 1, "decord2"),
    "decord2 default": Setting(decord2, 0, "decord2"),
    "opencv in order, 1 thread": Setting(opencv_in_order, 1, "opencv-python-headless"),
    "opencv seeking, 1 thread": Setting(opencv_seeking, 1, "opencv-python-headless"),
    "opencv seeking": Setting(opencv_seeking, 0, "opencv-python-headless"),
    "torchcodec exact": Setting(torchcodec, 1, "torchcodec"),
    "scenedetect": Setting(scenedetect, 0, "scenedetect-headless"),
    "video-reader-rs": Setting(video_reader_rs, 0, "video-reader-rs"),
}
"""Name -> setting; names of ours begin with "fewframes"."""
OURS = "fewframes workers=1"


def least_cpu() -> list[str]:
    """The rows that take least CPU time: those of one thread, where a library has the choice.

    >>> "decord2 default" in least_cpu(), "scenedetect" in least_cpu()
    (False, True)
    """
    single = {setting.reader for setting in READERS.values() if setting.threads == 1}
    return [name for name, row in READERS.items() if row.threads == 1 or row.reader not in single]


"""What a peer's time is compared with."""
