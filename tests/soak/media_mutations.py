"""Seeded ways to break a video file: bytes, boxes and packets."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

ATOMS = tuple(b"moov mvhd trak tkhd mdia mdhd stbl stsd stts ctts stsz stsc stco stss mdat".split())
ATOMS += (b"elst", b"moof", b"traf", b"trun", b"tfdt", b"avcC", b"hvcC", b"ftyp", b"free")
COUNTED = (b"stts", b"ctts", b"stsz", b"stsc", b"stco", b"stss", b"elst", b"trun")
ABSURD = (0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Random = np.random.Generator
Mutation = Callable[[Path, Path, Random], bytes]
"""``(film, other film, random) -> bytes``"""


def flip_bits(film: Path, _: Path, rng: Random) -> bytes:
    """A few bits anywhere."""
    data = bytearray(film.read_bytes())
    for at in rng.integers(len(data), size=int(rng.integers(1, 33))):
        data[at] ^= 1 << int(rng.integers(8))
    return bytes(data)


def garble_stretch(film: Path, _: Path, rng: Random) -> bytes:
    """Random bytes over a stretch, as a bad sector leaves them."""
    data = bytearray(film.read_bytes())
    start = int(rng.integers(len(data)))
    end = min(len(data), start + int(rng.integers(1, 2000)))
    data[start:end] = rng.bytes(end - start) if rng.random() < 0.5 else bytes(end - start)
    return bytes(data)


def cut_tail(film: Path, _: Path, rng: Random) -> bytes:
    """Only the beginning."""
    data = film.read_bytes()
    return data[: int(rng.integers(1, len(data)))]


def cut_middle(film: Path, _: Path, rng: Random) -> bytes:
    """A stretch is gone."""
    data = film.read_bytes()
    start = int(rng.integers(len(data)))
    return data[:start] + data[start + int(rng.integers(1, 3000)) :]


def splice(film: Path, other: Path, rng: Random) -> bytes:
    """The beginning of one file and the end of another."""
    data, rest = film.read_bytes(), other.read_bytes()
    return data[: int(rng.integers(len(data)))] + rest[int(rng.integers(len(rest))) :]


def absurd_box_size(film: Path, _: Path, rng: Random) -> bytes:
    """The size of an MP4 box is nonsense; of other containers, some word near the start."""
    data = bytearray(film.read_bytes())
    places = [data.find(name) - 4 for name in ATOMS if data.find(name) >= 4]
    at = int(rng.choice(places)) if places else int(rng.integers(min(len(data) - 4, 400)))
    data[at : at + 4] = int(rng.choice(ABSURD)).to_bytes(4, "big")
    return bytes(data)


def absurd_count(film: Path, _: Path, rng: Random) -> bytes:
    """The number of entries of an MP4 table is zero or nonsense."""
    data = bytearray(film.read_bytes())
    names = [name for name in COUNTED if data.find(name) >= 0]
    if not names:
        return flip_bits(film, film, rng)
    name = names[int(rng.integers(len(names)))]
    at = data.find(name) + (12 if name == b"stsz" else 8)
    value = 0 if rng.random() < 0.5 else int(rng.choice(ABSURD))
    data[at : at + 4] = value.to_bytes(4, "big")
    return bytes(data)


def shuffle_packets(film: Path, _: Path, rng: Random) -> bytes:
    """Packets are dropped, swapped or there twice, with the times of their places."""
    return _remuxed(film, lambda payloads: _shuffled(payloads, rng), rng)


def strange_packets(film: Path, other: Path, rng: Random) -> bytes:
    """Packets of another film of whatever codec between those of this one."""
    with av.open(str(other)) as container:
        foreign = [bytes(p) for p in container.demux(video=0) if p.size]

    def mixed(payloads: list[bytes]) -> list[bytes]:
        for at in rng.integers(len(payloads), size=int(rng.integers(1, 6))):
            payloads[at] = foreign[int(rng.integers(len(foreign)))]
        return payloads

    return _remuxed(film, mixed, rng)


def damaged_packets(film: Path, _: Path, rng: Random) -> bytes:
    """Bits flipped inside packets only, so that every one of them reaches the decoder."""

    def flipped(payloads: list[bytes]) -> list[bytes]:
        for at in rng.integers(len(payloads), size=int(rng.integers(1, 4))):
            data = bytearray(payloads[at])
            for place in rng.integers(len(data), size=int(rng.integers(1, 9))):
                data[place] ^= 1 << int(rng.integers(8))
            payloads[at] = bytes(data)
        return payloads

    return _remuxed(film, flipped, rng)


MUTATIONS: dict[str, Mutation] = {
    function.__name__: function
    for function in (
        flip_bits,
        garble_stretch,
        cut_tail,
        cut_middle,
        splice,
        absurd_box_size,
        absurd_count,
        shuffle_packets,
        strange_packets,
        damaged_packets,
    )
}


def _shuffled(payloads: list[bytes], rng: Random) -> list[bytes]:
    for _ in range(int(rng.integers(1, 5))):
        a, b = (int(n) for n in rng.integers(len(payloads), size=2))
        kind = int(rng.integers(3))
        if kind == 0:
            payloads[a], payloads[b] = payloads[b], payloads[a]
        elif kind == 1:
            payloads[a] = payloads[b]
        elif len(payloads) > 2:
            del payloads[a]
    return payloads


def _remuxed(film: Path, change: Callable[[list[bytes]], list[bytes]], rng: Random) -> bytes:
    """The film's packets with other payloads, in a container of the same kind."""
    target = film.with_name(f"remuxed-{rng.integers(1 << 62)}{film.suffix}")
    try:
        with av.open(str(film)) as source, av.open(str(target), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            packets = [p for p in source.demux(video=0) if p.size]
            payloads = change([bytes(packet) for packet in packets])
            for packet, payload in zip(packets, payloads, strict=False):
                made = av.Packet(payload)
                made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
                made.time_base, made.is_keyframe = packet.time_base, packet.is_keyframe
                made.stream = stream
                out.mux(made)
        return target.read_bytes()
    except (av.error.FFmpegError, ValueError):
        return target.read_bytes() if target.exists() else flip_bits(film, film, rng)
    finally:
        target.unlink(missing_ok=True)
