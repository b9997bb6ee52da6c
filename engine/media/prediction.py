"""Which frames will a player show, and when, by all that the packets of a stream say?

1. Containers that store presentation times are believed, where these can be true
   (`presentation_order`). Where they cannot, in neighbouring groups of pictures, those are decoded.
2. A stream that reorders pictures, in a container that stores no such times or leaves some out, is
   decoded from end to end for the decoder's order.
3. What stands before the first picture that can be decoded is no frame: a cut anywhere leaves it.
4. Stamps that do not rise are repaired (`repaired_times`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fewframes.arrays import I64, Mask
from fewframes.errors import UnreadableMediaError
from fewframes.media.clocks import agrees, repaired_times, usual_step
from fewframes.media.demuxed import Decoded, Demuxed
from fewframes.media.order import Order, Stretch, merged, presentation_order, settled
from fewframes.media.source import Source
from fewframes.media.timeline import NO_PTS, Packets, Timeline
from fewframes.plugins import plugin

STORES_PTS = frozenset(
    ("mov", "matroska", "flv", "mpegts", "mpeg", "ogg", "nut", "mxf", "gxf", "ivf", "wtv", "dash")
)
"""Containers whose packets have presentation times of their own; FFmpeg guesses those of others."""
JOINT_REACH = 4
"""A packet that stands so near a joint may only have the joint's continuity error."""
PREFIX_PACKETS = 64
"""How many packets are decoded to see whether pts that never go back are true."""


def predicted(source: Source, film: Demuxed) -> Timeline:
    """Makes the timeline of a demuxed stream, and decodes what is in doubt."""
    packets = film.packets
    guess = presentation_order(packets, depth=film.depth, has_dts=_has_dts(film))
    timeline = _provisional(source, film, guess.rows)
    if film.depth is not None and not _has_times(timeline, film):
        return _by_decoder(timeline, film)
    in_doubt = [*guess.doubtful, *_lead_in(packets)]
    if not in_doubt:
        return _timed(timeline, film, guess.rows)
    return _with_decoded(timeline, film, guess, _joined([*in_doubt, *_torn(packets, guess)]))


def _has_dts(film: Demuxed) -> bool:
    """Whether decode times are the container's; FFmpeg guesses those of Matroska by the others."""
    return film.stream.container != "matroska"


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


def _lead_in(packets: Packets) -> list[Stretch]:
    """What is decoded to see where the film begins: a start that does not begin with a keyframe.

    That is also one whose first keyframe has leading pictures, which need what came before it.
    """
    starts = np.flatnonzero(packets.is_random_access)
    if not starts.size:
        return []
    first, end = int(starts[0]), int(starts[1]) if len(starts) > 1 else len(packets)
    after = packets.pts[first + 1 : end]
    has_leading = bool(((after < packets.pts[first]) & (after != NO_PTS)).any())
    return [Stretch(0, end)] if packets.is_frame[:first].any() or has_leading else []


def _torn(packets: Packets, order: Order) -> list[Stretch]:
    """Packets next to a joint that the demuxer calls corrupt: whole ones decode all the same."""
    return [Stretch(row, row + 1) for row in _next_to_joints(packets, order).tolist()]


def _next_to_joints(packets: Packets, order: Order) -> I64:
    """Packets called corrupt that a joint may have made so: a parser is some packets behind."""
    rows = np.flatnonzero(packets.is_corrupt)
    is_near = [any(0 <= joint - row + 1 <= JOINT_REACH for joint in order.joints) for row in rows]
    near: I64 = rows[np.array(is_near, bool)]
    return near


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
    for row in _next_to_joints(packets, order).tolist():
        is_corrupt[row] = row in decoded.refused or row not in decoded.rows
    return replace(packets, is_corrupt=is_corrupt)


def _before_first(packets: Packets, decoded: I64) -> I64:
    """Frames of the lead-in that did not come out."""
    junk = [
        row
        for stretch in _lead_in(packets)
        for row in range(stretch.first, stretch.end)
        if packets.is_frame[row]
    ]
    starts = np.flatnonzero(packets.is_random_access)
    first = int(starts[0]) if starts.size else 0
    is_early = [row < first or packets.pts[row] < packets.pts[first] for row in junk]
    rows: I64 = np.array(junk, np.int64)[np.array(is_early, bool)]
    lost: I64 = rows[~np.isin(rows, decoded)]
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
