"""Garbled AV1 packets that dav1d takes without a word, and films that are not coded strictly."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from durability import contents
from media_fuzzer import luma_hash

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.bindings.ffmpeg.decode import LINEAR_TRIES
from fewframes.decode.decoder import DecodeReport, Event, decoder
from fewframes.decode.plan import plan_frames
from fewframes.errors import DamagedFrameError
from fewframes.indexing.options import FilmTask
from fewframes.indexing.pipeline import Scan
from fewframes.indexing.tasks import execute
from fewframes.store.recipes import Recipe

GROUP = 7
FILM = Film(
    size=(48, 80),
    frames=36,
    codec="libsvtav1",
    options={"preset": "8", "crf": "24", "svtav1-params": f"keyint={GROUP}:lp=1"},
)
KEY = 2 * GROUP
"""A keyframe behind damage. Two packets before it is the last that holds more than a repeat."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("av1") / "sound.mp4"
    write_film(path, FILM)
    starts = np.flatnonzero(ff.probe(path, cache=False).packets.is_random_access)
    assert starts.tolist() == list(range(0, FILM.frames, GROUP))
    return path


def shown(path: Path, *, first: int = 0) -> dict[int, str]:
    """The luma of the picture of each packet, by plain PyAV on one thread from a packet on."""
    lumas = {}
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        context.thread_count = 1
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for row, packet in enumerate(packets[first:], first):
            try:
                pictures = context.decode(packet)
            except av.error.FFmpegError:
                continue
            if pictures:
                lumas[row] = luma_of(pictures[0])
    return lumas


def luma_of(picture: av.VideoFrame) -> str:
    rows = np.frombuffer(picture.planes[0], np.uint8).reshape(-1, picture.planes[0].line_size)
    return luma_hash(rows[: picture.height, : picture.width])


def read(path: Path, rows: list[int]) -> dict[int, str]:
    """What is read of frames, marked ones left out; frames of the film are shown as coded."""
    batch = ff.read(path, frames=rows, format="yuv", allow_damaged=True, workers=1)
    marked = np.zeros(len(rows), bool) if batch.is_damaged is None else batch.is_damaged
    lumas = [luma_hash(luma) for luma in batch.planes[0]]
    return {row: luma for row, luma, is_bad in zip(rows, lumas, marked, strict=True) if not is_bad}


def read_alone(path: Path) -> dict[int, str]:
    """The same of every frame, each read by itself; those that are refused are left out."""
    lumas = {}
    for row in range(FILM.frames):
        try:
            lumas |= read(path, [row])
        except DamagedFrameError:
            continue
    return lumas


def garbled(sound: Path, path: Path, seeds: dict[int, int]) -> Path:
    """The film with four bits flipped in some packets, as the seed of each says.

    In the packet behind a keyframe they lie in its last picture, which few others need.
    """
    packets, data = ff.probe(sound, cache=False).packets, bytearray(sound.read_bytes())
    for row, seed in seeds.items():
        start, size = int(packets.position[row]), int(packets.size_bytes[row])
        first = start + (size * 7 // 8 if row % GROUP == 1 else size // 8)
        rng = np.random.default_rng(seed)
        for at in rng.integers(first, start + size, 4):
            data[at] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)
    return path


@pytest.fixture(params=[KEY - 2, GROUP - 2], ids=["just before", "a group before"])
def refused(request, sound, tmp_path):
    """Where damage makes dav1d, in order, refuse the whole keyframe ``KEY``; and its seed."""
    for seed in range(100):
        path = garbled(sound, tmp_path / "refused.mp4", {request.param: seed})
        if KEY not in shown(path):
            return {request.param: seed}
    pytest.fail("no damage makes dav1d refuse the keyframe behind it")


@pytest.fixture
def garbled_behind(sound, refused, tmp_path):
    """The same film, with a packet of that group and of the next two garbled in silence.

    Decoded from the keyframe on, all packets give pictures. In order, those of the groups before
    are shown again, since they are still in memory.
    """
    seeds, path = refused, tmp_path / "garbled.mp4"
    for key in (KEY, KEY + GROUP, KEY + 2 * GROUP):
        for seed in range(100):
            garbled(sound, path, seeds | {key + 1: seed})
            in_order, anew = shown(path), shown(path, first=key)
            is_silent = all(row in anew for row in range(key, key + GROUP))
            if is_silent and any(in_order.get(row, anew[row]) != anew[row] for row in anew):
                break
        else:
            pytest.fail(f"no damage behind keyframe {key} is taken in silence")
        seeds |= {key + 1: seed}
    return garbled(sound, path, seeds)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["alone", "together"])
def test_a_garbled_packet_behind_a_keyframe_that_is_refused_in_order_is_damage(
    garbled_behind, sound, how
):
    in_order, true = shown(garbled_behind), shown(sound)
    if how == "alone":
        given = read_alone(garbled_behind)
    else:
        rows = [row for row in range(KEY, FILM.frames) if 0 < row % GROUP < GROUP - 2]
        given, report = decoded(garbled_behind, rows)
        assert report[Event.PLANNED] > LINEAR_TRIES
        assert not set(report.missing) & set(range(KEY + 2 * GROUP, FILM.frames))
    for row in range(KEY, FILM.frames):
        if row % GROUP == 0 and how == "alone":
            assert given[row] == true[row]
        elif row in given:
            assert row not in in_order, f"frame {row} is not marked"
            assert given[row] == true[row], f"frame {row} is wrong, unmarked"


def decoded(path: Path, rows: list[int]) -> tuple[dict[int, str], DecodeReport]:
    """The unmarked frames among those that come out, whatever else does not, and the report."""
    timeline, report, given = ff.probe(path, cache=False), DecodeReport(), {}
    runs = plan_frames(timeline, rows).runs
    for batch in decoder()(timeline, runs, format="yuv", size=None, report=report):
        if batch.is_damaged is None or not batch.is_damaged.any():
            given[int(batch.frame_numbers[0])] = luma_hash(batch.planes[0][0])
    return given, report


def test_frames_behind_a_keyframe_that_is_refused_in_order_are_given_whoever_else_is_read(
    refused, sound, tmp_path
):
    """Damage before it costs none of them, in one run with the damaged ones either."""
    given, report = decoded(garbled(sound, tmp_path / "loud.mp4", refused), range(FILM.frames))
    behind, true = range(KEY, FILM.frames), shown(sound)
    assert {row: given.get(row) for row in behind} == {row: true[row] for row in behind}
    assert report[Event.PLANNED] == 1
    assert set(report.missing) <= set(range(KEY))


@pytest.fixture
def silent(request, sound, tmp_path):
    """A film with one packet garbled, of which dav1d, in order, gives every picture."""
    for seed in range(100):
        path = garbled(sound, tmp_path / "garbled.mp4", {request.param: seed})
        if len(shown(path)) == FILM.frames and shown(path) != shown(sound):
            return path
    pytest.fail("no damage is taken in silence")


@pytest.mark.slow
@pytest.mark.parametrize("silent", [1, KEY + 1], indirect=True)
def test_what_garbles_a_film_in_silence_gives_what_a_decode_in_order_gives(silent):
    path, in_order = silent, shown(silent)
    assert read_alone(path) == in_order
    assert read(path, list(range(FILM.frames))) == in_order
    timeline = ff.probe(path, cache=False, verify=True)
    assert timeline.damage == ()
    assert timeline.order.tolist() == list(range(FILM.frames))


@pytest.fixture
def lax(sound, tmp_path):
    """A film with a bit behind the last symbol of each packet that the standard does not allow."""
    packets, data = ff.probe(sound, cache=False).packets, bytearray(sound.read_bytes())
    for start, size in zip(packets.position.tolist(), packets.size_bytes.tolist(), strict=True):
        data[start + size - 1] |= size > 3
    path = tmp_path / "lax.mp4"
    path.write_bytes(data)
    return path


@pytest.mark.slow
def test_a_film_whose_encoder_is_not_strict_is_sound(sound, lax):
    true = shown(sound)
    assert read_alone(lax) == true
    assert ff.probe(lax, cache=False, verify=True).damage == ()
    rows = [GROUP + 3, KEY + 3, KEY + GROUP + 3]
    batch = ff.read(lax, frames=rows, format="yuv", workers=1)
    assert [luma_hash(luma) for luma in batch.planes[0]] == [true[row] for row in rows]
    assert batch.report["from_start"] == LINEAR_TRIES, "a film is not decoded again for each frame"


def test_a_sound_film_is_decoded_once(sound):
    batch = ff.read(sound, frames=range(FILM.frames), format="yuv", workers=1)
    assert batch.report["pictures"] == FILM.frames
    assert (
        batch.report["no_drop"] + batch.report["previous_keyframe"] + batch.report["from_start"]
        == 0
    )


@pytest.mark.slow
@pytest.mark.parametrize("silent", [GROUP - 2], indirect=True)
def test_a_film_that_is_garbled_in_silence_is_stored_alike_however_it_is_cut(silent, tmp_path):
    recipe, fine = Recipe(fps=None, size="native"), 1e-6
    assert execute(FilmTask(silent, tmp_path / "whole", "a", recipe)).status == "ok"
    cut = FilmTask(silent, tmp_path / "cut", "a", recipe, range_seconds=fine)
    ranges = Scan.of(ff.probe(silent), cut).ranges
    assert len(ranges) > 1
    for part in (*range(len(ranges)), None):
        execute(replace(cut, part=part))
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
