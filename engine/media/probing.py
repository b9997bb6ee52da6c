"""probe: from a file to its Timeline, read once and remembered.

1. The file is identified by size, modification time and a hash of its first and last MiB.
2. A timeline remembered for that identity and these FFmpeg versions is used as it is.
3. Otherwise all packets are read, without decoding.
4. Where packets cannot say the order or the times (pts missing, or the same as decode order in a
   stream that reorders pictures), the file is decoded once and the decoder's order is taken.
"""

from pathlib import Path

import numpy as np
import xxhash

from fewframes.arrays import I64
from fewframes.errors import UnreadableMediaError
from fewframes.media import timeline_cache
from fewframes.media.timeline import NO_PTS, Packets, Source, StreamInfo, Timeline

EDGE_BYTES = 1 << 20
PREFIX_PACKETS = 64
"""How many packets are decoded to see whether pts that never go back are true."""


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
    if not path.is_file():
        reason = "is a folder; pass a video file" if path.is_dir() else "does not exist"
        raise UnreadableMediaError(f"{str(path)!r} {reason}")
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
    from fewframes.bindings.ffmpeg import read_packets

    info, packets, durations, damage, reorders = read_packets(source, stream)
    if not packets.is_frame.any():
        raise UnreadableMediaError(f"{source.name!r} has a video stream without a single frame")
    is_trusted = _can_predict(source, info, packets, reorders=reorders)
    if verify or not is_trusted:
        return _decoded_timeline(source, info, packets, durations, damage, is_trusted=is_trusted)
    order, pts = _by_pts(packets)
    last = _last_duration(pts, int(durations[order[-1]]))
    return Timeline(source, info, packets, order, pts, last, damage=tuple(damage))


def _can_predict(source: Source, info: StreamInfo, packets: Packets, *, reorders: bool) -> bool:
    """Whether pts give the order of presentation; a stretch is decoded where that is in doubt."""
    from fewframes.bindings.ffmpeg_decode import presentation

    pts = packets.pts[packets.is_frame]
    if (pts == NO_PTS).any():
        return False
    if not reorders or (np.diff(pts) < 0).any():
        return True
    rows, _ = presentation(source.path, info.index, limit=PREFIX_PACKETS)
    return bool((np.diff(rows) > 0).all())


def _decoded_timeline(
    source: Source,
    info: StreamInfo,
    packets: Packets,
    durations: I64,
    damage: list[str],
    *,
    is_trusted: bool,
) -> Timeline:
    """Verifies a timeline by decoding the whole file; takes its order where pts are no good."""
    from fewframes.bindings.ffmpeg_decode import presentation

    rows, dts = _first_pictures(*presentation(source.path, info.index))
    if is_trusted:
        order, pts = _by_pts(packets)
    else:
        shown = dts if info.container == "avi" else packets.pts[rows]  # AVI stores no pts
        step = _last_duration(packets.pts[packets.pts != NO_PTS], int(np.median(durations)))
        order, pts = rows, best_effort_times(shown, dts, step)
    missing = np.flatnonzero(~np.isin(order, rows))
    if missing.size:
        damage = [*damage, f"{missing.size} of {len(order)} frames cannot be decoded"]
    return Timeline(
        source,
        info,
        packets,
        order,
        pts,
        _last_duration(pts, int(durations[order[-1]])) if len(order) else 0,
        timing="pts" if is_trusted else "decoded",
        state="verified",
        damage=tuple(damage),
        undecodable=missing,
    )


def _first_pictures(rows: I64, dts: I64) -> tuple[I64, I64]:
    """Keeps the first picture of each packet; a broken one may give two."""
    firsts = np.sort(np.unique(rows, return_index=True)[1])
    return rows[firsts], dts[firsts]


def _by_pts(packets: Packets) -> tuple[I64, I64]:
    """The packets of frames in order of pts, and their pts."""
    rows = np.flatnonzero(packets.is_frame)
    order = rows[np.argsort(packets.pts[rows], kind="stable")]
    return order, packets.pts[order]


def best_effort_times(pts: I64, dts: I64, step: int) -> I64:
    """Gives times to frames in presentation order whose pts are missing or out of order.

    Uses what FFmpeg calls best-effort timestamps: pts, unless they have gone back more often than
    decode times have; a frame without either is one ``step`` after the one before it.

    >>> best_effort_times(np.array([0, 30, 20, 40]), np.array([0, 10, 20, 30]), 10).tolist()
    [0, 30, 40, 50]
    """
    times: list[int] = []
    last_pts, last_dts, pts_faults, dts_faults = NO_PTS, NO_PTS, 0, 0
    for shown, decoded in zip(pts.tolist(), dts.tolist(), strict=True):
        if decoded != NO_PTS:
            dts_faults += decoded <= last_dts
            last_dts = decoded
        elif shown != NO_PTS:
            last_dts = shown
        if shown != NO_PTS:
            pts_faults += shown <= last_pts
            last_pts = shown
        elif decoded != NO_PTS:
            last_pts = decoded
        use_pts = (pts_faults <= dts_faults or decoded == NO_PTS) and shown != NO_PTS
        time = shown if use_pts else decoded
        before = times[-1] if times else -step
        times.append(time if time != NO_PTS and (not times or time > before) else before + step)
    return np.array(times, np.int64)


def _last_duration(pts: I64, from_packet: int) -> int:
    """How long the last frame is shown: what its packet says, else the usual step."""
    if from_packet > 0:
        return from_packet
    return int(np.median(np.diff(np.sort(pts)))) if len(pts) > 1 else 1
