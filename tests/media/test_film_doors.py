"""A film is a file that holds its own frames: whatever else FFmpeg would open is refused."""

import re
import struct
from pathlib import Path

import av
import pytest
from click.testing import CliRunner

import fewframes as ff
from fewframes.bindings.ffmpeg.opening import HOLDERS, LISTS, OPENING, open_container
from fewframes.checking.verify import verify_film
from fewframes.cli.main import main
from fewframes.errors import UnreadableMediaError

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n"
MPD = '<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL></MPD>'
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
RTPMAP = "a=rtpmap:96 H264/90000\n"
CALLS = {
    "probe": ff.probe,
    "read": lambda path: ff.read(path, frames=[0]),
    "sample": lambda path: ff.sample(path, budget=2),
    "shots": ff.shots,
    "verify_film": lambda path: verify_film(Path(path)),
}


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


def with_reference(data, alias):
    """The boxes of an MP4 file whose data reference is another one."""
    out, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + size]
        if kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
            body = with_reference(body, alias)
        if kind == b"dref":
            body = struct.pack(">II", 0, 1) + alias
        out, at = out + box(kind, body), at + size
    return out


def alias_to(path):
    """A QuickTime alias record that leads to a file by its whole path (type 2)."""
    name, whole = path.name.encode(), str(path).encode()
    record = bytes(14) + bytes([3]) + b"vol".ljust(27, b"\0") + bytes(12)
    record += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    record += struct.pack(">hh", 1, 1) + bytes(16)
    record += struct.pack(">hH", 2, len(whole)) + whole + bytes(len(whole) & 1)
    return box(b"alis", record + struct.pack(">hH", -1, 0) + bytes(20))


@pytest.fixture(scope="session")
def private(films, tmp_path_factory):
    """A film that nobody has named."""
    folder = tmp_path_factory.mktemp("private")
    with av.open(str(films("x264_uneven"))) as source, av.open(f"{folder}/film.ts", "w") as out:
        given = source.streams.video[0]
        stream = out.add_stream_from_template(given)
        for packet in source.demux(given):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return folder / "film.ts"


def _list(name, words):
    def write(folder, private):
        path = folder / name
        path.write_text(words.format(url=private.as_uri(), path=private))
        return path

    return write


def _beside(folder, private):
    """An ffconcat that is called like a film and names its neighbour."""
    (folder / "neighbour.ts").write_bytes(private.read_bytes())
    return _list("evil.mp4", "ffconcat version 1.0\nfile neighbour.ts\n")(folder, private)


def _pattern(folder, private):
    with av.open(str(private)) as container:
        for i, frame in zip(range(3), container.decode(video=0), strict=False):
            with av.open(f"{folder}/still{i}.png", "w", format="image2") as out:
                stream = out.add_stream("png", width=frame.width, height=frame.height)
                stream.pix_fmt = "rgb24"
                out.mux(stream.encode(frame.reformat(format="rgb24")))
    path = folder / "still%d.png"
    path.write_bytes((folder / "still0.png").read_bytes())
    return path


LISTED = {
    "m3u8": (_list("list.m3u8", HLS), r"'list\.m3u8' is a playlist \(HLS\)"),
    "m3u8_named_film": (_list("film.mp4", HLS), r"'film\.mp4' is a playlist \(HLS\)"),
    "m3u8_of_a_stream": (
        _list("net.ts", HLS.replace("{url}", "http://127.0.0.1:9/a.ts")),
        r"'net\.ts' is a playlist \(HLS\)",
    ),
    "mpd": (_list("show.mpd", MPD), r"'show\.mpd' is a playlist \(DASH\)"),
    "ffconcat": (_beside, r"'evil\.mp4' is a list of films \(ffconcat\)"),
    "concat_of_all": (
        _list("all.mkv", "ffconcat version 1.0\nfile '{path}'\n"),
        r"'all\.mkv' is a list of films",
    ),
    "sdp": (_list("camera.sdp", SDP + RTPMAP), r"'camera\.sdp' is the address of network streams"),
    "sdp_named_film": (_list("camera.mp4", SDP + RTPMAP), r"'camera\.mp4' is the address"),
}


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("call", CALLS)
def test_a_list_is_refused_in_a_sentence(tmp_path, private, call, name):
    write, words = LISTED[name]
    path = write(tmp_path, private)
    with pytest.raises(UnreadableMediaError, match=words) as caught:
        CALLS[call](path)
    assert "\n" not in str(caught.value)
    assert "name them, or, where you trust it, join them: ffmpeg -i" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTED)
def test_a_list_is_not_indexed(tmp_path, private, name):
    write, words = LISTED[name]
    report = ff.index(write(tmp_path, private), tmp_path / "store", allow_all_failed=True)
    (outcome,) = report.outcomes
    assert outcome.status == "failed"
    assert re.search(words, outcome.reason)
    assert len(ff.open(tmp_path / "store")) == 0


def test_a_name_with_a_pattern_is_no_row_of_pictures(tmp_path, private):
    path = _pattern(tmp_path, private)
    with pytest.raises(UnreadableMediaError, match=r"'still%d\.png' is a name that FFmpeg takes"):
        ff.probe(path)
    assert len(ff.probe(tmp_path / "still0.png")) == 1


@pytest.mark.parametrize("prefix", ["concat:", "subfile,,start,0,end,0,,:", "lavfi:", "hls+file:"])
def test_a_name_is_a_name(tmp_path, monkeypatch, private, prefix):
    """What is a protocol to FFmpeg is the name of a file to us, and none is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.ts").write_bytes(private.read_bytes())
    with pytest.raises(UnreadableMediaError, match="does not exist"):
        ff.probe(f"{prefix}a.ts")
    Path(f"{prefix}a.ts").write_bytes(private.read_bytes())
    assert len(ff.probe(f"{prefix}a.ts")) > 1


def test_frames_in_another_file_are_not_fetched(tmp_path, films):
    source = films("x264_uneven").read_bytes()
    other, path = tmp_path / "other.mp4", tmp_path / "refers.mp4"
    other.write_bytes(source)
    path.write_bytes(with_reference(source, alias_to(other)))
    allowed = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(path), options=allowed) as container:  # the reference leads there
        assert sum(packet.size for packet in container.demux(video=0)) > 0
    with pytest.raises(UnreadableMediaError, match=r"'refers\.mp4' has frames in another file"):
        ff.probe(path)
    assert OPENING["options"]["enable_drefs"] == OPENING["options"]["use_absolute_path"] == "0"


def test_no_demuxer_that_opens_further_files_is_allowed():
    assert not set(HOLDERS) & {*LISTS, "image2", "lavfi", "svg_pipe"}
    assert OPENING["options"]["protocol_whitelist"] == "file"


def test_what_is_no_film_is_refused_by_its_contents(tmp_path):
    path = tmp_path / "drawing.mp4"
    path.write_text('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>\n')
    with pytest.raises(UnreadableMediaError, match=r"'drawing\.mp4' is not"):
        ff.probe(path)


@pytest.mark.slow
def test_the_command_line_says_it_in_one_line(tmp_path, private):
    path = LISTED["m3u8"][0](tmp_path, private)
    result = CliRunner().invoke(main, ["probe", str(path)])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert line.startswith("Error: 'list.m3u8' is a playlist (HLS): it names other files")


@pytest.mark.slow
@pytest.mark.footage
def test_what_opened_before_opens_as_before(footage):
    """Every file of the footage is opened by the same demuxer, or refused, as without a list."""
    plain = {name: value for name, value in OPENING.items() if name != "options"}
    for path in sorted(footage.iterdir()):
        try:
            with av.open(f"file:{path}", **plain) as container:
                expected = container.format.name
        except (av.error.FFmpegError, OSError):
            continue
        with open_container(path) as container:
            assert container.format.name == expected, path.name
