"""What is promised of files that end too soon: it is said, wherever they were cut."""

import re
from dataclasses import replace

import av
import numpy as np
import pytest

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.media.structure import ENDINGS, faults_of

SMALL = Film(frames=48, size=(96, 128), options={"g": "12"})
FILMS = {
    "asf": replace(SMALL, codec="wmv2", suffix=".wmv", ticks=1, options={}),
    "flv": replace(SMALL, suffix=".flv"),
    "matroska": replace(SMALL, suffix=".mkv", muxing={"cluster_time_limit": "400"}),
    "live": replace(SMALL, suffix=".mkv", muxing={"live": "1", "cluster_time_limit": "400"}),
    "webm": replace(SMALL, codec="libvpx", suffix=".webm"),
    "avi": replace(SMALL, codec="mpeg4", suffix=".avi", ticks=1),
    "ogg": replace(SMALL, codec="libvpx", suffix=".ogv"),
    "listed": replace(SMALL, muxing={"movflags": "faststart"}),
    "vp9 in mp4": replace(SMALL, codec="libvpx-vp9", muxing={"movflags": "faststart"}),
    "fragments": replace(SMALL, muxing={"movflags": "frag_keyframe+empty_moov"}),
    "indexed": replace(
        SMALL,
        muxing={"movflags": "frag_keyframe+empty_moov+default_base_moof+global_sidx"},
    ),
    "mpegts": replace(SMALL, suffix=".ts"),
}
PLAYS_ON = ("flv", "ogg")
"""A cut between two parts of these leaves a film that lacks nothing but its last part."""

PADDED = ("asf", "flv")
"""Something follows the last frame in these, and what it was is not known where it was cut."""


@pytest.fixture(scope="module", params=FILMS)
def film(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / f"film{FILMS[request.param].suffix}"
    write_film(path, FILMS[request.param])
    return request.param, path


def packets_of(path):
    """The packets that a plain reader gets; None where it cannot open the file."""
    try:
        with av.open(str(path)) as container:
            return [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
    except (av.error.FFmpegError, IndexError):
        return None


def is_said(timeline):
    return any(text.startswith(("truncated: ", "ends early: ")) for text in timeline.damage)


def cuts_of(size, timeline):
    at_random = np.random.default_rng(size).integers(size * 6 // 10, size, 24).tolist()
    return sorted({*at_random, *timeline.packets.position[-6:].tolist(), size - 30, size - 1})


def seams_of(data, timeline):
    """Where the tags of an FLV file and the pages of an Ogg file begin."""
    tags = timeline.packets.position
    return {*tags.tolist(), *(tags - 4).tolist(), *(p.start() for p in re.finditer(b"OggS", data))}


@pytest.mark.slow
def test_a_cut_is_said(film, tmp_path):
    name, path = film
    if name == "mpegts":
        pytest.skip("recorders end an MPEG-TS anywhere")
    whole, data, timeline = packets_of(path), path.read_bytes(), ff.probe(path, cache=False)
    assert not is_said(timeline)
    assert timeline.notes == ()
    seams, found = seams_of(data, timeline), 0
    for size in cuts_of(len(data), timeline):
        (tmp_path / path.name).write_bytes(data[:size])
        there = packets_of(tmp_path / path.name)
        if not there:
            continue
        short = ff.probe(tmp_path / path.name, cache=False)
        if there == whole and name not in PADDED:
            assert not is_said(short), size
        elif there != whole:
            is_at_seam = name in PLAYS_ON and size in seams
            assert is_said(short) != is_at_seam, size
            assert bool(short.notes) == is_at_seam, size
            found += not is_at_seam
    assert found > 9


@pytest.mark.parametrize(("name", "part"), [("avi", b"idx1"), ("matroska", b"\x1c\x53\xbb\x6b")])
def test_a_cut_in_the_index_is_no_damage(tmp_path, name, part):
    path = tmp_path / f"film{FILMS[name].suffix}"
    write_film(path, FILMS[name])
    data = path.read_bytes()
    for size in (data.rindex(part) + 12, len(data) - 2):
        path.write_bytes(data[:size])
        timeline = ff.probe(path, cache=False)
        assert (len(timeline), is_said(timeline)) == (48, False)
        assert "index" in timeline.notes[0]


def test_half_a_transport_packet_is_a_note(tmp_path):
    write_film(tmp_path / "film.ts", FILMS["mpegts"])
    data = (tmp_path / "film.ts").read_bytes()
    (tmp_path / "film.ts").write_bytes(data[:-88])
    timeline = ff.probe(tmp_path / "film.ts", cache=False)
    assert timeline.damage == ()
    assert timeline.notes == ("the last 100 bytes are no whole packet of 188",)


@pytest.mark.slow
def test_bytes_at_random_are_judged_without_an_error(film, tmp_path):
    _, path = film
    timeline, data = ff.probe(path, cache=False), np.fromfile(path, np.uint8)
    rng = np.random.default_rng(len(data))
    for _ in range(60):
        broken = data[: rng.integers(1, len(data))].copy()
        at = rng.integers(0, len(broken), 1 + len(broken) // 50)
        broken[at] = rng.choice(np.array([0, 1, 0x7F, 0x80, 0xFF], np.uint8), len(at))
        broken.tofile(tmp_path / path.name)
        for container in ENDINGS:
            faults_of(tmp_path / path.name, container, timeline.packets, {})


@pytest.mark.slow
def test_sound_footage_is_not_cut(footage, footage_file):
    assert not is_said(ff.probe(footage / footage_file))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flv", "listed", "fragments", "vp9 in mp4"])
def test_a_film_behind_another_is_said(tmp_path, kind):
    """``cat a.mp4 b.mp4``: FFmpeg reads the first, and says nothing of the second."""
    one, two = (tmp_path / f"{name}{FILMS[kind].suffix}" for name in ("one", "two"))
    write_film(one, FILMS[kind])
    two.write_bytes(one.read_bytes() * 2)
    timeline = ff.probe(two)
    assert kind == "fragments" or len(timeline) == len(ff.probe(one))
    words = f"a second film begins at byte {one.stat().st_size} and is not read"
    assert any(words in note for note in timeline.notes)
    assert not any("second film" in note for note in ff.probe(one).notes)
