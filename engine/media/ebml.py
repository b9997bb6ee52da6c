"""Does a Matroska or WebM file end inside one of its elements?

1. The cluster that holds the last packet of the video is found by its id, read backwards.
2. From there on, elements are gone over: clusters that do not end in the file are entered,
   everything else is stepped over.
3. A block or a cluster that reaches beyond the end of the file was cut. So was a segment, unless
   the file ends where its seek head says that the cues begin, or inside another element.
"""

from fewframes.media.endings import INDEX_CUT, WHOLE, Bytes, Ending, cut

SEGMENT, CLUSTER = 0x18538067, 0x1F43B675
FIRST_IN_CLUSTER = (0xE7, 0xBF, 0xEC)
"""A cluster begins with its time, a CRC-32 or void."""
IN_CLUSTER = {0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0xBF, 0xEC, 0x5854}
"""Elements of a cluster: its time, blocks, encrypted blocks, positions, CRC-32 and void."""
CUES_SEEK = bytes.fromhex("53ab841c53bb6b53ac")
"""How a seek head begins to say where the cues are."""
UNKNOWN = -1
BACKWARDS = 64
"""How many MiB are searched for the begin of the last cluster."""
STEPS = 1 << 18


def matroska_ending(data: Bytes, last_position: int) -> Ending:
    """Says how a Matroska file ends, whose last packet begins at a position."""
    segment = _segment(data)
    cluster = _cluster_before(data, last_position)
    if segment is None or cluster < 0:
        return WHOLE
    begin, end = segment
    found, stopped = _walk(data, cluster)
    if found or stopped < data.size or end <= data.size:
        return found or WHOLE
    if _cues_at(data, begin) == data.size:
        return INDEX_CUT
    return cut("the segment", end, data.size)


def _walk(data: Bytes, at: int) -> tuple[Ending | None, int]:
    """Goes over the elements up to the end: what is cut, and where that came to a stop."""
    cluster_end = 0
    for _ in range(STEPS):
        first = data.at(at, 12)
        name, length, head = element(first)
        if head == 0 and at + 12 > data.size and _width(first[:1], 4):
            return Ending(f"truncated: the file ends at byte {data.size}, in an element's head"), at
        if head == 0:
            break
        if name == CLUSTER and (length == UNKNOWN or at + head + length > data.size):
            cluster_end = at + head + length if length != UNKNOWN else 0
            at += head
            continue
        if length == UNKNOWN:
            break
        at += head + length
        if at > data.size:
            part = "the last block" if name in IN_CLUSTER else ""
            return (cut(part, at, data.size) if part else INDEX_CUT), at
    if at >= data.size and cluster_end > data.size:
        return cut("the last cluster", cluster_end, data.size), at
    return None, at


def element(head: bytes) -> tuple[int, int, int]:
    """Id, length and size of the header of an element; a size of 0 where it is none."""
    name_bytes = _width(head[:1], 4)
    size_bytes = _width(head[name_bytes : name_bytes + 1], 8) if name_bytes else 0
    whole = name_bytes + size_bytes
    if not size_bytes or len(head) < whole:
        return 0, 0, 0
    name = int.from_bytes(head[:name_bytes], "big")
    mask = (1 << 7 * size_bytes) - 1
    length = int.from_bytes(head[name_bytes:whole], "big") & mask
    return name, UNKNOWN if length == mask else length, whole


def _width(first: bytes, most: int) -> int:
    """How many bytes a number has by its first one; 0 where that is none."""
    width = 9 - first[0].bit_length() if first else 0
    return width if width <= most else 0


def _segment(data: Bytes) -> tuple[int, int] | None:
    """Where the segment's elements begin and end; 0 for an end that was never written."""
    _, length, head = element(data.at(0, 12))
    at = head + length
    name, length, head = element(data.at(at, 12))
    if name != SEGMENT:
        return None
    return at + head, 0 if length == UNKNOWN else at + head + length


def _cluster_before(data: Bytes, position: int) -> int:
    """Finds the last cluster that begins before a byte; -1 where there is none near."""
    mark = CLUSTER.to_bytes(4, "big")
    end = min(position, data.size)
    for _ in range(BACKWARDS):
        if end <= 0:
            break
        first = max(0, end - (1 << 20) + 32)
        part = data.at(first, end - first + 24)
        at = part.rfind(mark, 0, end - first + 4)
        while at >= 0:
            _, _, head = element(part[at : at + 12])
            if head and element(part[at + head : at + head + 12])[0] in FIRST_IN_CLUSTER:
                return first + at
            at = part.rfind(mark, 0, at)
        end = first
    return -1


def _cues_at(data: Bytes, begin: int) -> int:
    """Where the cues begin, as the seek head at the begin of a segment says; -1 if it does not."""
    start = data.at(begin, 4096)
    at = start.find(CUES_SEEK)
    if at < 0:
        return -1
    at += len(CUES_SEEK)
    width = _width(start[at : at + 1], 8)
    length = start[at] & 0xFF >> width if width else 0
    return begin + int.from_bytes(start[at + width : at + width + length], "big")
