"""A model behind a chat server finds a short event in an hour of film, by its looks alone."""

import asyncio
import base64
import json
import re
import threading
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module

import av
import numpy as np
import pytest
import simplejpeg

import fewframes as ff

pytestmark = pytest.mark.slow

EVENT = 2345.5, 2347.5


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """An hour of slow drift at 2 frames a second, with a green square for two seconds."""
    path = tmp_path_factory.mktemp("hour") / "hour.mp4"
    rng = np.random.default_rng(0)
    ground = rng.integers(90, 150, (48, 64, 3)).astype(np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=2, options={"g": "60", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(7200):
            picture = np.roll(ground, number // 40, axis=1)
            if EVENT[0] <= number / 2 < EVENT[1]:
                picture = picture.copy()
                picture[12:36, 20:44] = (20, 220, 20)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 2)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    ff.index([path], path.with_name("store.zarr"))
    return ff.open(path.with_name("store.zarr"))["hour"]


class Model(BaseHTTPRequestHandler):
    """A chat server whose model sees the outputs of tools and knows nothing else."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        offered = {tool["function"]["name"] for tool in body["tools"]}
        words = json.dumps(self.reply(body["messages"], offered)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(words)

    def reply(self, messages, offered):
        parts = [
            part for message in messages if message["role"] == "tool" for part in message["content"]
        ]
        video = {}
        if "list_videos" in offered:
            if not parts:
                return self.calls("list_videos", {})
            video = {"video": parts[0]["text"].split(":")[0]}
        seen, last = {}, None
        for part in parts:
            if part["type"] == "image_url":
                seen[last] = greenness(base64.b64decode(part["image_url"]["url"].split(",")[1]))
            elif found := re.search(r"at ([\d.]+) s:", part["text"]):
                last = float(found[1])
        green = sorted(second for second, share in seen.items() if share > 0.05)
        if not seen:
            return self.calls("glance", {**video, "k": 24})
        if green and len(seen) <= 24:
            request = {"start": green[0] - 3, "end": green[-1] + 3, "k": 14}
            return self.calls("look", {**video, **request})
        words = f"{green[0]} to {green[-1]}" if green else "nothing"
        return {"choices": [{"message": {"role": "assistant", "content": words}}]}

    def calls(self, name, arguments):
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"id": "1", "type": "function", "function": function}
        return {
            "choices": [{"message": {"role": "assistant", "content": "", "tool_calls": [call]}}]
        }

    def log_message(self, *_):
        pass


def greenness(file: bytes) -> float:
    picture = simplejpeg.decode_jpeg(file).astype(int)
    return float((picture[..., 1] - picture[..., [0, 2]].max(axis=-1) > 60).mean())


@contextmanager
def served():
    """The address of a chat server."""
    server = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def check(video, answer, steps, decoded):
    """The event was found to the frame, within the budget, and nothing was decoded twice."""
    start, end = map(float, answer.split(" to "))
    assert start == EVENT[0]
    assert end == EVENT[1] - 0.5  # the last of the frames that show it
    given = {number for step in steps for number in step["frames"]}
    assert len(steps) <= 4
    assert 24 < len(given) <= 40
    assert decoded == len(set(video.slots[video.rows_of(frames=sorted(given))].tolist()))


def test_a_two_second_event_in_an_hour_is_found_in_few_looks(video):
    session = ff.Session(video, max_frames=40)
    with served() as url:
        told = import_module("agent").run(session, "When is there green?", url=url, model="m")
    check(video, told, session.log(), session.decoded)


@pytest.mark.filterwarnings("ignore")
def test_it_is_found_through_the_model_context_protocol_too(video, tmp_path):
    pytest.importorskip("mcp", reason="the MCP SDK is not installed; pip install 'fewframes[mcp]'")
    store, log = video.commit.folder.parents[3], tmp_path / "looks.jsonl"
    options = ("--max-frames", "40", "--log", str(log))
    with served() as url:
        said = import_module("agent_mcp").run(
            str(store), "When is there green?", url=url, model="m", options=options
        )
        told = asyncio.run(said)
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(steps) + 1 <= 4  # and one call for the list of videos
    check(video, told, steps, steps[-1]["decoded"])
    again = ff.Session.replay(video, steps, max_frames=40)
    assert again.decoded == steps[-1]["decoded"]


def test_the_training_example_goes_on_where_it_stopped(video, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    train = import_module("train_on_clips").train
    store, state = video.commit.folder.parents[3], tmp_path / "state.json"
    whole = train(store, tmp_path / "other.json", batches=4, workers=0)
    first = train(store, state, batches=2, workers=0)
    assert first + train(store, state, batches=2, workers=0) == whole
