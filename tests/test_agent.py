"""A model behind a chat server finds a short event in an hour of film, by its looks alone."""

import base64
import importlib.util
import json
import re
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
import simplejpeg

import fewframes as ff

EVENT = 2345.5, 2347.5
EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    """A chat server whose model sees pictures and knows nothing else."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = json.dumps(self.reply(body["messages"])).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(words)

    def reply(self, messages):
        seen, last = {}, None
        for message in messages:
            for part in message["content"] if isinstance(message["content"], list) else ():
                if part["type"] == "text":
                    last = float(re.search(r"[\d.]+", part["text"])[0])
                else:
                    data = part["image_url"]["url"].split(",")[1]
                    seen[last] = greenness(base64.b64decode(data))
        green = sorted(second for second, share in seen.items() if share > 0.05)
        if not seen:
            return self.calls("glance", {"k": 24})
        if green and len(messages) < 5:
            return self.calls("look", {"start": green[0] - 3, "end": green[-1] + 3, "k": 14})
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


def test_a_two_second_event_in_an_hour_is_found_in_few_looks(video):
    server = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        session = ff.Session(video, max_frames=40)
        url = f"http://127.0.0.1:{server.server_port}"
        told = example("agent").run(session, "When is there green?", url=url, model="m")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    start, end = map(float, told.split(" to "))
    assert start == EVENT[0]
    assert end == EVENT[1] - 0.5  # the last of the frames that show it
    given = [number for step in session.history for number in step.frames]
    assert len(session.history) <= 4
    assert len(set(given)) <= 40
    assert session.decoded == len(set(video.slots[video.rows_of(frames=sorted(set(given)))]))


def test_the_training_example_goes_on_where_it_stopped(video, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    train = example("train_on_clips").train
    store, state = video.commit.folder.parents[2], tmp_path / "state.json"
    whole = train(store, tmp_path / "other.json", batches=4, workers=0)
    first = train(store, state, batches=2, workers=0)
    assert first + train(store, state, batches=2, workers=0) == whole
