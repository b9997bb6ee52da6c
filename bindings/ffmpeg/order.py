"""PyAV: in which order does the decoder give the pictures of a stretch of packets?"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from fewframes.bindings.ffmpeg.cursor import Cursor, LandingError
from fewframes.bindings.ffmpeg.log import drain_log, is_harmless
from fewframes.media.order import Stretch
from fewframes.media.prediction import Decoded
from fewframes.media.timeline import NO_PTS, Timeline


def decoded_order(timeline: Timeline, stretches: Sequence[Stretch]) -> Decoded:
    """Decodes stretches of packets, in rising order, with what their decoders must have seen.

    A stretch begins one group of pictures early. Packets that cannot be found again after a seek
    are decoded from the first one on.
    """
    cursor, found = Cursor(timeline), Decoded()
    try:
        for stretch in stretches:
            before = bisect_left(cursor.starts, stretch.first)
            first = cursor.starts[before - 1] if before and cursor.starts_anywhere() else 0
            if not _decode(cursor, first, stretch, found) and first:
                _decode(cursor, 0, stretch, found)
    finally:
        cursor.close()
        drain_log().clear()
    return found


def _decode(cursor: Cursor, first: int, stretch: Stretch, found: Decoded) -> bool:
    """Decodes from a packet on, and notes what is of the stretch; False where packets are lost."""
    log, seen = drain_log(), set(found.rows)
    settled = next((start for start in cursor.starts if start > first), stretch.end)
    try:
        for row, pictures, _ in cursor.decoded(np.arange(first, stretch.end)):
            if pictures is None or (log and not (row < settled and all(map(is_harmless, log)))):
                found.refused.add(row)
            log.clear()
            for picture in pictures or ():
                shown = picture.pts
                if shown is None or shown in seen or not stretch.first <= shown < stretch.end:
                    continue
                seen.add(shown)
                found.rows.append(shown)
                found.dts.append(NO_PTS if picture.dts is None else picture.dts)
    except LandingError:
        cursor.close()
        return False
    return True
