"""Which frames will a player show, and when, by all that the packets of a stream say?

1. Containers that store presentation times are believed, where these can be true
   (`presentation_order`). Where they cannot, in neighbouring groups of pictures, those are decoded.
2. A stream that reorders pictures, in a container that stores no such times or leaves some out, is
   decoded from end to end for the decoder's order.
3. What stands before the first picture that can be decoded is no frame: a cut anywhere leaves it.
4. Stamps that do not rise are repaired (`repaired_times`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fewframes.arrays import I64, Mask
from fewframes.errors import UnreadableMediaError
from fewframes.media.clocks import agrees, repaired_times, usual_step
from fewframes.media.headers import Headers
from fewframes.media.order import Order, Stretch, merged, presentation_order, settled
from fewframes.media.source import Source
from fewframes.media.timeline import NO_PTS, Packets, StreamInfo, Timeline
from fewframes.plugins import plugin

STORES_PTS = frozenset(
    ("mov", "matroska", "flv", "mpegts", "mpeg", "ogg", "nut", "mxf", "gxf", "ivf", "wtv", "dash")
)
"""Containers whose packets have presentation times of their own; FFmpeg guesses those of others."""
JOINT_REACH = 4
"""A packet that stands so near a joint may only have the joint's continuity error."""
PREFIX_PACKETS = 64
"""How many packets are decoded to see whether pts that never go back are true."""


class Demuxed(NamedTuple):
    """All that the packets of one video stream say."""

    stream: StreamInfo
    packets: Packets
    durations: I64
    """How long the picture of each packet is shown in ticks, ``[p] i64``; 0 where unknown."""
    headers: tuple[Headers, ...]
    damage: list[str]
    """What is wrong with the file, in sentences."""
    notes: list[str]
    """What is no damage, and worth knowing of the file, in sentences."""
    depth: int | None
    """How many pictures the decoder holds back to put them in order (num_reorder_frames), as far as
    it knows by now; None for a codec that never reorders."""
    claimed: frozenset[int] = frozenset()
    """Packets that the container calls keyframes, and whose own bytes do not."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came out of stretches, in the decoder's order."""

    rows: list[int] = field(default_factory=list)
    """The packet of each picture, each packet once."""
    dts: list[int] = field(default_factory=list)
    """The decode time that came with each picture, or `NO_PTS`."""
    refused: set[int] = field(default_factory=set)
    """Packets at which the decoder complained."""

    def columns(self) -> tuple[I64, I64]:
        """Gives rows and decode times, both ``[n] i64``."""
        return np.array(self.rows, np.int64), np.array(self.dts, np.int64)


def predicted(source: Source, film: Demuxed) -> Timeline:
    """Makes the timeline of a demuxed stream, and decodes what is in doubt."""
    packets = film.packets
    has_dts = film.stream.container != "matroska"  # FFmpeg guesses those by the other times
    guess = presentation_order(packets, depth=film.depth, has_dts=has_dts)
    timeline = _provisional(source, film, guess.rows)
    if film.depth is not None and not _has_times(timeline, film):
        return _by_decoder(timeline, film)
    lead_in = _lead_in(packets)
    in_doubt = [*guess.doubtful, *([Stretch(0, lead_in)] if lead_in else [])]
    if not in_doubt:
        return _timed(timeline, film, guess.rows)
    torn = [Stretch(row, row + 1) for row in _next_to_joints(packets, guess)]
    return _with_decoded(timeline, film, guess, _joined([*in_doubt, *torn]))


def _provisional(source: Source, film: Demuxed, rows: I64) -> Timeline:
    """Enough of a timeline to find its packets by."""
    return Timeline(
        source,
        film.stream,
        film.packets,
        rows,
        np.arange(len(rows)),
        0,
        damage=tuple(film.damage),
        notes=(*film.notes, *filter(None, [film.stream.crop_note])),
        headers=film.headers,
    )


def _has_times(timeline: Timeline, film: Demuxed) -> bool:
    """Whether the container says when pictures are shown; a stretch is decoded if in doubt."""
    pts = film.packets.pts[film.packets.is_frame]
    if (pts == NO_PTS).any():
        return False
    if not film.depth:
        return True
    if film.stream.container not in STORES_PTS:
        return False
    if (np.diff(pts) < 0).any():
        return True
    prefix = Stretch(0, min(PREFIX_PACKETS, len(film.packets)))
    rows, _ = _decoded(timeline, [prefix]).columns()
    return bool((np.diff(rows) > 0).all())


def _by_decoder(timeline: Timeline, film: Demuxed) -> Timeline:
    """Takes the order of a decode from end to end, and the times that come with it.

    A packet that gives no picture, without a complaint, is no frame.
    """
    decoded = _decoded(timeline, [Stretch(0, len(film.packets))])
    came, came_with = decoded.columns()
    if not came.size:
        raise UnreadableMediaError(f"no frame of {timeline.source.name!r} can be decoded")
    is_there = np.isin(timeline.order, [*decoded.rows, *decoded.refused])
    rows, stamps = merged(timeline.order[is_there], came), film.packets.pts
    dts = np.full(len(stamps), NO_PTS)
    dts[came] = came_with
    dts = dts[rows]
    shown = stamps[rows] if film.stream.container in STORES_PTS else dts
    step = usual_step(np.diff(np.sort(stamps[stamps != NO_PTS])))
    durations = film.durations[film.durations > 0]
    step = int(np.median(durations)) if durations.size else step
    pts = best_effort_times(shown, dts, step)
    has_stamps = bool((shown != NO_PTS).any())
    last = last_duration(pts, film.durations[rows]) if has_stamps else step
    return replace(timeline, order=rows, pts=pts, duration_pts=last, timing="decoded")


def _lead_in(packets: Packets) -> int:
    """How many packets are decoded to see where the film begins, if not with a keyframe.

    It may also begin with one that has leading pictures, which need what came before it.
    """
    starts = np.flatnonzero(packets.is_random_access)
    if not starts.size:
        return 0
    first, end = int(starts[0]), int(starts[1]) if len(starts) > 1 else len(packets)
    after = packets.pts[first + 1 : end]
    has_leading = bool(((after < packets.pts[first]) & (after != NO_PTS)).any())
    return end if packets.is_frame[:first].any() or has_leading else 0


def _next_to_joints(packets: Packets, order: Order) -> list[int]:
    """Packets called corrupt that a joint may have made so: a parser is some packets behind.

    Whole ones decode all the same.
    """
    rows = np.flatnonzero(packets.is_corrupt).tolist()
    return [row for row in rows if any(-1 <= at - row < JOINT_REACH for at in order.joints)]


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """The same packets, in rising order, each once."""
    joined: list[Stretch] = []
    for one in sorted(stretches, key=lambda one: one.first):
        if joined and one.first <= joined[-1].end:
            joined[-1] = Stretch(joined[-1].first, max(one.end, joined[-1].end))
        else:
            joined.append(one)
    return joined


def _with_decoded(
    timeline: Timeline, film: Demuxed, guess: Order, stretches: list[Stretch]
) -> Timeline:
    """Settles order, beginning and torn packets by what the decoder gives of the stretches."""
    decoded = _decoded(timeline, stretches)
    rows, _ = decoded.columns()
    packets = _mended(film.packets, guess, decoded)
    junk = _before_first(packets, rows)
    if decoded.refused.intersection(film.claimed, junk.tolist()):
        junk = junk[:0]  # a keyframe is broken, not cut off: what it takes along is damage
    order = settled(guess, rows)
    order = order[~np.isin(order, junk)]
    is_frame = packets.is_frame.copy()
    is_frame[junk] = False
    timeline = replace(timeline, packets=replace(packets, is_frame=is_frame))
    if junk.size:
        words = (
            f"the film begins behind {junk.size} pictures that need what was cut off before them"
        )
        of_decoder = f"{film.stream.codec}: "  # it complained of these pictures while it was opened
        damage = [one for one in timeline.damage if not one.startswith(of_decoder)]
        timeline = replace(timeline, damage=tuple(damage), notes=(*timeline.notes, words))
    return _timed(timeline, film, order)


def _mended(packets: Packets, order: Order, decoded: Decoded) -> Packets:
    """Packets at a joint that decode without a complaint are whole, whatever the demuxer says."""
    is_corrupt: Mask = packets.is_corrupt.copy()
    for row in _next_to_joints(packets, order):
        is_corrupt[row] = row in decoded.refused or row not in decoded.rows
    return replace(packets, is_corrupt=is_corrupt)


def _before_first(packets: Packets, decoded: I64) -> I64:
    """Frames of the lead-in, up to its first keyframe as shown, that did not come out."""
    rows = np.flatnonzero(packets.is_frame[: _lead_in(packets)])
    first = int(packets.is_random_access.argmax())
    is_early = (rows < first) | (packets.pts[rows] < packets.pts[first])
    lost: I64 = rows[is_early & ~np.isin(rows, decoded)]
    return lost


def _timed(timeline: Timeline, film: Demuxed, order: I64) -> Timeline:
    """Gives frames in presentation order their times."""
    stamps = film.packets.pts[order]
    if (stamps == NO_PTS).any():
        step = usual_step(np.diff(stamps[stamps != NO_PTS]))
        stamps = best_effort_times(stamps, film.packets.dts[order], step)
    durations = film.durations[order]
    times = repaired_times(stamps, durations, film.stream.time_base)
    scale = times.ticks_per_stamp
    return replace(
        timeline,
        order=order,
        pts=times.pts,
        duration_pts=last_duration(times.pts, durations * scale),
        timing="repaired" if times.repaired.size else "pts",
        repaired=times.repaired,
        ticks_per_stamp=scale,
        notes=(*timeline.notes, *times.notes),
    )


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


def last_duration(pts: I64, durations: I64) -> int:
    """How long the last frame is shown: as its packet says, else the usual step.

    ``durations`` are those of the packets of all frames, in ticks of ``pts``, 0 where unknown. They
    count where they are about as long as the steps between the frames.
    """
    steps: I64 = np.diff(np.sort(pts)).astype(np.int64)
    step = usual_step(steps)
    last = int(durations[-1])
    return last if last > 0 and (len(pts) < 2 or agrees(durations, step)) else step


def _decoded(timeline: Timeline, stretches: list[Stretch]) -> Decoded:
    """Has FFmpeg decode stretches of packets for the order of their pictures."""
    found: Decoded = plugin("ffmpeg.decoded_order")(timeline, stretches)
    return found
