"""The MCP server against the SDK's own client, over standard input and output."""

import asyncio
import base64
import json
import sys

import pytest
import simplejpeg

import fewframes as ff
from fewframes.bench.films import Film, write_film

pytest.importorskip("mcp", reason="the MCP SDK is not installed; pip install 'fewframes[mcp]'")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mcp")
    write_film(folder / "case.mp4", Film(size=(48, 64), frames=100))
    ff.index([folder / "case.mp4"], folder / "store.zarr", dedup=0)
    return folder / "store.zarr"


def asked(store, *calls, options=("--max-frames", "5")):
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


def test_a_client_looks_at_a_video_and_is_told_its_mistakes(store):
    tools, results = asked(
        store,
        ("list_videos", {}),
        ("look", {"video": "case", "start": 1, "end": 2, "k": 3}),
        ("look", {"video": "../case", "start": 1, "end": 3}),
        ("look", {"video": "case", "start": 1, "end": 3, "path": "/"}),
        ("look", {"video": "case", "start": 2.5, "end": 3.9, "k": 32}),
        ("glance", {"video": "case", "k": 1}),
    )
    assert [tool.name for tool in tools] == ["list_videos", "glance", "look", "frame_at", "find"]
    listed, looked, outside, strange, rest, spent = results
    assert listed.content[0].text == "case: 4.000 s"
    assert [part.type for part in looked.content] == ["text", "image"] * 3
    assert looked.content[0].text == "Frame 25 at 1.000 s:"
    picture = simplejpeg.decode_jpeg(base64.b64decode(looked.content[1].data))
    assert picture.shape == (48, 64, 3)
    assert len(rest.content) == 4  # two of the five frames of the budget were left
    for refused, words in ((outside, "no video"), (strange, "no argument"), (spent, "all 5")):
        assert refused.is_error
        assert words in refused.content[0].text


def test_with_the_films_a_client_may_zoom_and_each_look_is_logged(store, tmp_path):
    log = tmp_path / "looks.jsonl"
    asked_for = {"video": "case", "seconds": 2, "box": [0.5, 0, 1, 0.5]}
    tools, (part, _) = asked(
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
        ("case", "zoom", 1),
        ("case", "frame_at", 2),
    ]
    assert str(store.parent) not in log.read_text()
