"""The MCP server against the SDK's own client, over standard input and output."""

import asyncio
import base64
import json
import sys
from importlib.util import find_spec

import pytest
import simplejpeg
from stored import home_of, put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.store.compaction import compact

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(
        find_spec("mcp") is None,
        reason="the MCP SDK is not installed; pip install 'fewframes[mcp]'",
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mcp")
    write_film(folder / "case.mp4", Film(size=(48, 64), frames=100))
    ff.index([folder / "case.mp4"], folder / "store.zarr", dedup=0)
    return folder / "store.zarr"


def request(store, *calls, options=("--max-frames", "5")):
    """Starts the server, makes calls, and gives the tools and the results."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    arguments = ["-m", "fewframes", "mcp", str(store), *options]

    async def talk():
        server = StdioServerParameters(command=sys.executable, args=arguments)
        async with stdio_client(server) as streams, ClientSession(*streams) as client:
            await client.initialize()
            tools = await client.list_tools()
            return tools.tools, [await client.call_tool(*call) for call in calls]

    return asyncio.run(talk())


@pytest.mark.slow
def test_a_client_looks_at_a_video_and_is_told_its_mistakes(store):
    tools, results = request(
        store,
        ("list_videos", {}),
        ("look", {"video": "case", "start": 1, "end": 2, "k": 3}),
        ("look", {"video": "../case", "start": 1, "end": 3}),
        ("look", {"video": "case", "start": 1, "end": 3, "path": "/"}),
        ("look", {"video": "case", "start": 2.5, "end": 3.9, "k": 32}),
        ("glance", {"video": "case", "k": 1}),
    )
    names = ["list_videos", "glance", "look", "frame_at", "find", "find_like"]
    assert [tool.name for tool in tools] == names
    listed, looked, outside, strange, rest, spent = results
    assert listed.content[0].text == "case.mp4: 4.000 s"
    assert [part.type for part in looked.content] == ["text", "image"] * 3
    assert looked.content[0].text == "Frame 25 at 1.000 s:"
    picture = simplejpeg.decode_jpeg(base64.b64decode(looked.content[1].data))
    assert picture.shape == (48, 64, 3)
    assert len(rest.content) == 4  # two of the five frames of the budget were left
    for refused, words in ((outside, "no video"), (strange, "no argument"), (spent, "all 5")):
        assert refused.is_error
        assert words in refused.content[0].text


@pytest.mark.slow
def test_with_the_films_a_client_may_zoom_and_each_look_is_logged(store, tmp_path):
    log = tmp_path / "looks.jsonl"
    asked_for = {"video": "case", "seconds": 2, "box": [0.5, 0, 1, 0.5]}
    tools, (part, _) = request(
        store,
        ("zoom", asked_for),
        ("frame_at", {"video": "case", "seconds": 2}),
        options=("--film", str(store.parent / "case.mp4"), "--log", str(log)),
    )
    assert "zoom" in [tool.name for tool in tools]
    picture = simplejpeg.decode_jpeg(base64.b64decode(part.content[1].data))
    assert picture.shape == (24, 32, 3)
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(step["video"], step["action"], step["decoded"]) for step in steps] == [
        ("case.mp4", "zoom", 1),
        ("case.mp4", "frame_at", 2),
    ]
    assert str(store.parent) not in log.read_text()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "s.zarr"
    names = [f"day {n % 3}/case_{n:02}" for n in range(23)] + ["caf\udce9", "two\nlines"]
    for number, name in enumerate(names):
        put(path, name, digest=str(number))
    compact(path)
    return path


@pytest.mark.slow
def test_a_list_comes_by_the_page_and_opens_no_video(many, monkeypatch):
    from fewframes.bindings.mcp_server import StoreTools
    from fewframes.store import catalogue, manifest, store

    tools = StoreTools(ff.open(many))
    monkeypatch.setattr(store, "Video", None)
    for module in (catalogue, manifest, store):
        for name in ("commit_at", "commits_of"):
            monkeypatch.setattr(module, name, None, raising=False)
    found, request = [], {"limit": 10}
    for _ in range(3):
        *lines, last = (line for line, _ in tools.call("list_videos", request))
        if "there are more videos" not in last:
            lines.append(last)
        else:
            request = json.loads(last[last.index("{") :])
        found += lines
    shown = sorted([f"day {n % 3}/case_{n:02}" for n in range(23)])
    assert sorted(found) == sorted(
        f"{name}: 1.600 s" for name in [*shown, "quoted:caf%E9", "quoted:two%0Alines"]
    )
    assert tools.call("list_videos", {"cursor": "zzz"}) == [("there are no more videos", None)]
    assert len(tools.call("list_videos", {})) == 25
    for wrong in ({"limit": 0}, {"limit": 201}, {"cursor": 5}, {"page": 1}, {"cursor": "\ud800"}):
        assert tools.answer("list_videos", wrong)[1]


@pytest.mark.slow
def test_an_id_that_cannot_be_sent_as_it_is_can_be_asked_for(many):
    from fewframes.bindings.mcp_server import StoreTools

    tools = StoreTools(ff.open(many))
    for name in ("quoted:caf%E9", "quoted:two%0Alines"):
        assert len(tools.call("glance", {"video": name, "k": 2})) == 2


@pytest.mark.slow
def test_a_record_that_is_damaged_does_not_end_the_list(tmp_path):
    from fewframes.bindings.mcp_server import StoreTools

    put(tmp_path / "s.zarr", "a")
    put(tmp_path / "s.zarr", "b", digest="d2")
    (home_of(tmp_path / "s.zarr", "b") / "commit.json").write_text("{}")
    lines = [line for line, _ in StoreTools(ff.open(tmp_path / "s.zarr")).call("list_videos", {})]
    assert lines == ["a: 1.600 s", "b: its record is damaged"]


@pytest.mark.slow
def test_no_absolute_path_reaches_a_client(tmp_path, store):
    from fewframes.bindings.mcp_server import StoreTools

    film = tmp_path / "a folder" / "case.mp4"
    film.parent.mkdir()
    film.write_bytes((store.parent / "case.mp4").read_bytes())
    tools = StoreTools(ff.open(store), films={"case": film}, hidden=[store])
    box = {"video": "case", "box": [0, 0, 1, 1]}
    tools.call("zoom", {**box, "seconds": 0})
    film.rename(film.with_name("other.mp4"))
    for _ in range(2):
        ((words, _),), is_error = tools.answer("zoom", {**box, "seconds": 3})
        assert is_error
        assert "'case.mp4' is not there any more" in words
    again = StoreTools(ff.open(store), films={"case": film}, hidden=[store])
    ((words, _),), is_error = again.answer("zoom", {**box, "seconds": 3})
    assert is_error
    assert "case.mp4" in words
    for folder in (tmp_path, store.parent):
        assert str(folder) not in words


@pytest.mark.slow
def test_a_fault_of_the_server_is_told_without_its_words(store, monkeypatch, capsys):
    from fewframes.bindings.mcp_server import StoreTools

    def broken(*_args, **_options):
        raise RuntimeError(f"a secret of {store}")

    monkeypatch.setattr(ff.Session, "glance", broken)
    ((words, _),), is_error = StoreTools(ff.open(store)).answer("glance", {"video": "case"})
    assert is_error
    assert words == "the server failed at this call (RuntimeError); its owner can see why"
    assert f"a secret of {store}" in capsys.readouterr().err


@pytest.mark.slow
def test_an_answer_has_a_bounded_number_of_bytes(store, monkeypatch):
    from fewframes.bindings import mcp_server

    tools = mcp_server.StoreTools(ff.open(store))
    monkeypatch.setattr(mcp_server, "MOST_BYTES", 4000)
    with pytest.raises(ValueError, match=r"8 pictures are \d+ bytes, more than the 4000") as told:
        tools.call("glance", {"video": "case", "k": 8})
    fewer = int(str(told.value).rsplit("=", 1)[1])
    assert 1 <= fewer < 8
    assert tools.call("glance", {"video": "case", "k": fewer})
