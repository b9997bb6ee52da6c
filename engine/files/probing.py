"""probe: from a file to its Timeline, read once and remembered.

1. The file is identified by size, modification time and a hash of its first and last MiB.
2. A timeline remembered for that identity and these FFmpeg versions is used as it is.
3. Otherwise all packets are read, without decoding.
4. Where packets cannot say the order or the times, what is in doubt is decoded once
   (`prediction`).
"""

from pathlib import Path

import xxhash

from fewframes.errors import UnreadableMediaError
from fewframes.media import timeline_cache
from fewframes.media.prediction import Demuxed, predicted
from fewframes.media.source import Source, check_film_file
from fewframes.media.timeline import Timeline
from fewframes.plugins import plugin

EDGE_BYTES = 1 << 20


def probe(
    path: str | Path, *, stream: int | None = None, cache: bool = True, verify: bool = False
) -> Timeline:
    """Reads which frames a video shows and when, without decoding it.

    ``stream`` picks a video stream by its index in the container; the default is the container's
    default one, else the largest. ``cache=False`` neither reads nor writes the remembered
    timelines. ``verify=True`` decodes the whole file once and corrects the prediction: order,
    and frames that do not come out. Raises `UnreadableMediaError` for what is not a video.

    >>> import fewframes as ff
    >>> ff.probe("film.mp4")
    Timeline('film.mp4': 250 frames, 0.00 s to 10.00 s, h264 320x240, predicted)
    """
    source = identify(Path(path))
    timeline = timeline_cache.load(source, stream) if cache else None
    if timeline is None or (verify and timeline.state != "verified"):
        timeline = read_timeline(source, stream, verify=verify)
        if cache:
            timeline_cache.save(timeline, stream)
    return timeline


def identify(path: Path) -> Source:
    """Says which file this is, cheaply."""
    check_film_file(path)
    stat = path.stat()
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        digest.update(file.read(EDGE_BYTES))
        if stat.st_size > EDGE_BYTES:
            file.seek(max(EDGE_BYTES, stat.st_size - EDGE_BYTES))
            digest.update(file.read(EDGE_BYTES))
    return Source(path, stat.st_size, stat.st_mtime_ns, digest.hexdigest())


def read_timeline(source: Source, stream: int | None = None, *, verify: bool = False) -> Timeline:
    """Reads a timeline from the packets of a file, and decodes it only where it must."""
    film: Demuxed = plugin("ffmpeg.read_packets")(source, stream)
    if not film.packets.is_frame.any():
        raise UnreadableMediaError(f"{source.name!r} has a video stream without a single frame")
    timeline = predicted(source, film)
    if verify:
        from fewframes.files.verified import verified

        return verified(timeline)
    return timeline
