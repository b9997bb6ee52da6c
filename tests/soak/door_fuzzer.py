"""Sends random and hostile requests to the doors for models and agents, valid ones in between.

``python tests/soak/door_fuzzer.py -n 1000 [--seed 0] [-o result.json]``

The doors are the MCP server's tools, called by threads at once and through standard input and
output, and the addresses that the plug-in of vLLM takes. Of every answer it is checked that

1. a mistake is a sentence of an expected type, and the server goes on;
2. no file outside of what the owner allows was opened, or folder listed, by Python's audit events
   (what Arrow and FFmpeg open by themselves raises none);
3. no path of this machine is in it, but one that the request itself has named;
4. its bytes are bounded;
5. what a valid request was given are the frames it asked for, byte for byte;
6. the log has each look once, in order, and no video gave more frames than its limit.
"""

import base64
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import click
import numpy as np
import simplejpeg
from door_requests import (
    IDS,
    LIMIT,
    MOST_ERROR,
    OPENED,
    STDIO_SHARE,
    TEXTS,
    THREADS,
    VLLM_SHARE,
    World,
    environment,
    hostile,
    hostile_address,
    hostile_call,
    make_world,
    repr_of,
    valid_address,
    valid_call,
)
from stored import picture_of_row

import fewframes as ff
from fewframes.agents.tools import QUALITY
from fewframes.bench.measure import keep_result, machine
from fewframes.bindings.mcp_server import MOST_BYTES, StoreTools
from fewframes.bindings.vllm import plugin as vllm_plugin
from fewframes.store.store import id_in

# Judges


class Judge:
    """What was wrong, and how much of what there was."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tracker: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.failures: list[str] = []
        self.most_bytes = 0
        self.given: dict[str, set[int]] = defaultdict(set)
        self.looks: Counter[str] = Counter()
        self._lock = threading.Lock()
        folders = (
            world.root.parent,
            Path(ff.__file__).resolve().parents[1],
            sys.prefix,
            Path.home(),
        )
        self._folders = [str(folder) for folder in folders if len(str(folder)) > 2]

    def id_of(self, video: str) -> str:
        """The id of a video, which may be called by its stem."""
        return id_in(ff.open(self.world.store), video)

    def fail(self, number: int, words: str) -> None:
        with self._lock:
            self.failures.append(f"{number}: {words[:300]}")

    def count(self, kind: str, size: int = 0) -> None:
        with self._lock:
            self.tracker[kind] += 1
            self.most_bytes = max(self.most_bytes, size)

    def words(self, number: int, words: str, request: object, most: int = MOST_ERROR) -> None:
        """Checks a sentence: no path of this machine, and not long."""
        request = request if isinstance(request, str) else repr_of(request)
        for folder in self._folders:
            if folder in words and folder not in request:
                self.fail(number, f"{folder} is in {words!r}")
        if len(words) > most:
            self.fail(number, f"{len(words)} letters: {words!r}")

    def frames(self, number: int, video: str, frames: list[tuple[int, float, object]]) -> None:
        """Checks frame numbers, times and pictures: JPEGs as bytes, or pixels."""
        for frame, seconds, picture in frames:
            true = picture_of_row(frame // 2)
            if isinstance(picture, bytes):
                coded = simplejpeg.encode_jpeg(
                    np.ascontiguousarray(true), quality=QUALITY, colorsubsampling="420"
                )
                is_same = picture == coded
            else:
                is_same = np.array_equal(picture, true)
            if frame % 2 or abs(seconds - frame / 25) > 1e-3 or not is_same:
                self.fail(number, f"frame {frame} at {seconds} of {video!r} is another one")


def ask_mcp(judge: Judge, tools: StoreTools, number: int, seed: int, *, is_limited: bool) -> None:
    """Makes one call in this process, and judges its answer."""
    rng = np.random.default_rng((seed, number))
    is_valid = rng.random() < 0.4
    name, arguments = valid_call(rng) if is_valid else hostile_call(rng, judge.world)
    lines, is_error = tools.answer(name, arguments)
    size = sum(len(words) + len(file or b"") for words, file in lines)
    kind = f"mcp {'valid' if is_valid else 'hostile'} {'refused' if is_error else 'answered'}"
    judge.count(kind, size)
    for words, _ in lines:
        judge.words(number, words, (name, arguments), 3 * 4096 + 100)
    if size > MOST_BYTES + 40 * 4096:
        judge.fail(number, f"an answer of {size} bytes")
    if is_error:
        judge_refusal(judge, number, lines[0][0], (name, arguments), is_valid, is_limited)
    elif name != "list_videos":
        judge_look(judge, number, lines, name, arguments, is_valid, is_limited)


def judge_refusal(judge, number, words, request, is_valid, is_limited) -> None:
    """Of a refusal: it is a short sentence of an expected kind, and the request was wrong."""
    judge.words(number, words, request)
    if words.startswith("the server failed"):
        judge.fail(number, f"{words} at {repr_of(request)}")
    if is_valid and not (is_limited and "of the session's budget" in words):
        judge.fail(number, f"refused {request}: {words}")


def judge_look(judge, number, lines, name, arguments, is_valid, is_limited) -> None:
    """Of an answer: the frames are true, and are counted."""
    given = [(words.split(), file) for words, file in lines if file is not None]
    frames = [(int(w[1]), float(w[3]), file) for w, file in given]
    video = judge.id_of(arguments["video"])
    with judge._lock:
        judge.looks[video] += 1
        if is_limited:
            mark = -1 if name == "zoom" else 1
            judge.given[video] |= {mark * (1 + frame) for frame, _, _ in frames}
    if arguments["video"] in IDS and name != "zoom":
        judge.frames(number, arguments["video"], frames)
    if is_valid and not frames:
        judge.fail(number, f"no frame of {name} {arguments}")


def fake_vllm() -> None:
    """Modules in vLLM's place, with what the plug-in's loader is made of."""
    video = types.ModuleType("vllm.multimodal.video")
    video.VideoLoader = type("VideoLoader", (), {})
    names = {"vllm": types.ModuleType("vllm"), "vllm.multimodal": types.ModuleType("m")}
    sys.modules.update(names | {"vllm.multimodal.video": video})


def ask_vllm(judge: Judge, loader: type, number: int, seed: int) -> None:
    """Loads one address, and judges what comes."""
    rng = np.random.default_rng((seed, number))
    is_valid, video = rng.random() < 0.4, ""
    if is_valid:
        request, video = valid_address(rng)
    else:
        request = hostile_address(rng, judge.world)
    data = request if isinstance(request, bytes) else request.encode("utf-8", "surrogatepass")
    try:
        if is_valid and rng.random() < 0.3:
            data = vllm_plugin.Address.read(request).pinned().encode()
        frames, facts = loader.load_bytes(data)
    except ValueError as error:
        judge.count(f"vllm {'valid' if is_valid else 'hostile'} refused", len(str(error)))
        with judge._lock:
            judge.errors[type(error).__name__] += 1
        judge.words(number, str(error), data.decode("utf-8", "replace"))
        if is_valid:
            judge.fail(number, f"refused {request}: {error}")
        return
    except Exception as error:
        judge.fail(number, f"{type(error).__name__}: {error} at {request!r}")
        return
    judge.count(f"vllm {'valid' if is_valid else 'hostile'} answered", frames.nbytes)
    judge.words(number, repr(facts), data.decode("utf-8", "replace"), 100_000)
    if frames.nbytes > vllm_plugin.MOST_BYTES:
        judge.fail(number, f"{frames.nbytes} bytes at {request!r}")
    if is_valid:
        times = np.array(facts["frames_indices"]) / facts["fps"]
        rows = zip(np.round(times * 25).astype(int).tolist(), times, frames, strict=True)
        judge.frames(number, video, list(rows))


# Through standard input and output


def raw_lines(rng: np.random.Generator, world: World, number: int) -> str:
    """A line for the server: a hostile call, or no call at all."""
    name, arguments = hostile_call(rng, world)
    call = {"name": name, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call}
    kind = int(rng.integers(6))
    if kind == 0:
        body["method"] = TEXTS[int(rng.integers(len(TEXTS)))]
    if kind == 1:
        body["params"] = hostile(rng, world)
    try:
        line = json.dumps(body)
    except (ValueError, RecursionError):
        line = json.dumps({**body, "params": {"name": name, "arguments": {"k": None}}})
        line = line.replace("null", "9" * 6000)
    if kind == 2:
        line = line[: int(rng.integers(len(line)))]
    if kind == 3:
        line = '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ' + "[" * 5000
    return line


class Server:
    """``fewframes mcp`` in a process of its own, spoken to by lines."""

    def __init__(self, world: World) -> None:
        arguments = [sys.executable, "-m", "fewframes", "mcp", str(world.store)]
        self.log = world.log.with_name("stdio.jsonl")
        arguments += ["--film", str(world.film), "--log", str(self.log)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.errors = world.log.with_name("stderr.txt").open("wb+")
        self.process = subprocess.Popen(arguments, **pipes, stderr=self.errors)
        self.lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        about = {"protocolVersion": "2025-06-18", "capabilities": {}}
        about["clientInfo"] = {"name": "fuzzer", "version": "1"}
        self.send(json.dumps({"jsonrpc": "2.0", "id": -1, "method": "initialize", "params": about}))
        self.answer(-1)
        self.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)

    def send(self, line: str) -> None:
        self.process.stdin.write(line.encode("utf-8", "surrogatepass") + b"\n")
        self.process.stdin.flush()

    def answer(self, wanted: int, each=lambda line: None) -> dict:
        """The answer to a request; ``each`` is told of every line that comes before it, too."""
        while True:
            line = self.lines.get(timeout=300)
            each(line)
            body = json.loads(line)
            if body.get("id") == wanted:
                return body

    def close(self) -> int:
        self.process.stdin.close()
        code = self.process.wait(timeout=120)
        self.errors.close()
        return code


def ask_by_pipe(judge: Judge, server: Server, number: int, seed: int) -> None:
    """Sends a hostile line and then a valid call, whose answer must come and be right."""
    rng = np.random.default_rng((seed, number))
    sent = raw_lines(rng, judge.world, 2 * number)
    server.send(sent.replace("\n", " "))
    name, arguments = valid_call(rng)
    call = {"name": name, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 2 * number + 1, "method": "tools/call", "params": call}
    server.send(json.dumps(body))
    judge.count("stdio hostile")

    def each(line: bytes) -> None:
        judge.words(number, line.decode(), sent, 4 * MOST_BYTES)

    result = server.answer(2 * number + 1, each).get("result", {})
    judge.count("stdio valid answered")
    content = result.get("content", [])
    if result.get("isError") or not content:
        judge.fail(number, f"refused {name} {arguments}: {content}")
    if arguments.get("video") not in IDS:
        return
    given, said = [], []
    for part in content:
        if part["type"] == "text":
            said = part["text"].split()
        else:
            given.append((int(said[1]), float(said[3]), base64.b64decode(part["data"])))
    judge.frames(number, arguments["video"], given)


# All of it


def fuzz(count: int, *, seed: int = 0) -> dict:
    """Makes so many requests of a seed; gives the tally, and a line for each failure."""
    fake_vllm()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, environment(Path(name)):
        world = make_world(Path(name))
        judge, wrong = Judge(world), StringIO()
        numbers = np.random.default_rng(seed).permutation(count).tolist()
        by_pipe = numbers[: max(1, int(count * STDIO_SHARE))]
        rest = numbers[len(by_pipe) :]
        vllm, mcp = np.split(np.array(rest), [int(count * VLLM_SHARE)])
        compiled = len(ff.open(world.store)["a"].sample(budget=2))  # before files are watched
        assert compiled == 2
        with redirect_stderr(wrong), OPENED.noted():
            in_process(judge, mcp.tolist(), seed)
            loader = vllm_plugin._loader()
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(lambda n: ask_vllm(judge, loader, n, seed), vllm.tolist()))
        strange = OPENED.strange(world)
        judge.failures += [f"opened {path}" for path in strange]
        judge.failures += [f"said {wrong.getvalue()[:500]}"] if wrong.getvalue() else []
        through_pipes(judge, by_pipe, seed)
        return {
            "requests": count,
            "seed": seed,
            "threads": THREADS,
            "seconds": round(time.monotonic() - started, 1),
            "tally": dict(sorted(judge.tracker.items())),
            "errors_of_vllm": dict(judge.errors),
            "most_answer_bytes": judge.most_bytes,
            "opened_paths": len(OPENED.paths),
            "failures": judge.failures,
        }


def in_process(judge: Judge, numbers: list[int], seed: int) -> None:
    """Calls from several threads: of one server without a limit of frames, and of one with it."""
    world = judge.world
    films, store = {"film.mp4": world.film}, ff.open(world.store)
    free = StoreTools(store, films=films, log=world.log, hidden=[world.store], most=THREADS)
    tight = StoreTools(store, films=films, hidden=[world.store], max_frames=LIMIT, most=THREADS)
    half = len(numbers) * 3 // 4
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda n: ask_mcp(judge, free, n, seed, is_limited=False), numbers[:half]))
        logged = Counter(judge.looks)
        list(pool.map(lambda n: ask_mcp(judge, tight, n, seed, is_limited=True), numbers[half:]))
    for video, given in judge.given.items():
        if len(given) > LIMIT:
            judge.fail(-1, f"{len(given)} frames of {video!r}, more than {LIMIT}")
    steps = [json.loads(line) for line in world.log.read_text().splitlines()]
    if Counter(step["video"] for step in steps) != logged:
        judge.fail(-1, f"{len(steps)} lines of the log, but {sum(logged.values())} looks")
    for video in logged:
        mine = [(s["session"], s["step"]) for s in steps if s["video"] == video]
        for session in {number for number, _ in mine}:
            order = [step for number, step in mine if number == session]
            if order != list(range(len(order))) or mine != sorted(mine):
                judge.fail(-1, f"the log of {video!r} is out of order")
    judge.tracker["log lines"] = len(steps)
    judge.tracker["sessions let go"] = len({(s["video"], s["session"]) for s in steps}) - len(
        logged
    )


def through_pipes(judge: Judge, numbers: list[int], seed: int) -> None:
    server = Server(judge.world)
    try:
        for number in numbers:
            ask_by_pipe(judge, server, number, seed)
    except queue.Empty:
        judge.fail(-1, "the server does not answer")
        server.process.kill()
    if code := server.close():
        judge.fail(-1, f"the server ended with {code}")


@click.command()
@click.option("-n", "count", default=1000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the JSON goes.")
def main(count: int, seed: int, output: Path | None) -> None:
    """Sends requests to the doors."""
    result = fuzz(count, seed=seed)
    click.echo(json.dumps(result, indent=1))
    keep_result({"machine": machine(), **result}, output)
    raise SystemExit(bool(result["failures"]))


if __name__ == "__main__":
    main()
