"""Sends random and hostile requests to the doors for models and agents, valid ones in between.

``python tests/door_fuzzer.py -n 1000 [--seed 0] [-o result.json]``

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
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import click
import numpy as np
import simplejpeg
from stored import picture_of_row, put

import fewframes as ff
from fewframes.bench.films import Film, write_film
from fewframes.bench.measure import keep_result, machine
from fewframes.bindings import vllm_plugin
from fewframes.bindings.mcp_server import MOST_BYTES, MOST_WORDS, QUALITY, Looks
from fewframes.storage.compacting import compact

THREADS, FRAMES, LIMIT = 8, 100, 5
IDS = ["a", "day 1/case_07", "day 2/x y", "手术/視頻", "..", "CON", "%2e%2e", "-rf", "#1?k=2&x"]
MOST_ERROR = MOST_WORDS + 1
STDIO_SHARE, VLLM_SHARE = 0.04, 0.4
PATHS = ("../", "../../outside", "/etc/passwd", "//etc//passwd", "..\\..\\x", "file:///etc/passwd")
TEXTS = (
    *PATHS,
    "",
    "\0",
    "a\0b",
    "\x1b[2J",
    "line\nbreak",
    "\ud800",
    "\udcff",
    "\u202e",
    "%00",
    "%2e%2e%2f",
    "' or 1=1 --",
    "{0.__class__}",
    "%s%n",
    "A" * 5000,
    "手" * 3000,
    "quoted:%2e%2e%2foutside",
    "quoted:",
    "sharpness",
    "NaN",
)
NUMBERS = (0, -1, 1, 32, 33, 2**31, 2**63, -(2**64), 10**400, 10**5000, 0.5, -0.0, 1e308, -1e308)
NUMBERS += (float("nan"), float("inf"), float("-inf"), 5e-324, True, False)


@dataclass
class World:
    """The stores on this machine: those that may be read, and one that may not."""

    root: Path
    outside: Path
    film: Path
    log: Path
    truth: dict[str, ff.FrameBatch | None] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.root / "corpus.zarr"


def make_world(folder: Path) -> World:
    """Stores small films, some with links that lead out of them, and one film to zoom into."""
    world = World(folder / "root", folder / "outside", folder / "films/film.mp4", folder / "log")
    world.root.mkdir(parents=True)
    world.film.parent.mkdir()
    for number, name in enumerate(IDS):
        put(world.store, name, frames=FRAMES, digest=str(number))
    write_film(world.film, Film(size=(48, 64), frames=50, options={"g": "10"}))
    ff.index([world.film], world.store, fps=5, dedup=0, workers=1)
    compact(world.store)
    put(world.outside / "secret.zarr", "secret", frames=FRAMES)
    (world.root / "link.zarr").symlink_to(world.outside / "secret.zarr")
    (world.root / "notes.txt").write_text("no store")
    for name in ("videos", "group"):
        put(world.root / f"{name}.zarr", "secret", frames=FRAMES)
    secret = next((world.outside / "secret.zarr/videos/secret").iterdir())
    for inside, out in (
        (world.root / "videos.zarr/videos", world.outside / "secret.zarr/videos"),
        (next((world.root / "group.zarr/videos/secret").iterdir()), secret),
    ):
        inside.rename(inside.with_name("was"))
        inside.symlink_to(out)
    return world


# What was opened


class Opened:
    """Collects the paths that this process opens or lists while it is on."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.is_on = False
        sys.addaudithook(self._note)

    def _note(self, event: str, args: tuple) -> None:
        if self.is_on and event in ("open", "os.listdir", "os.scandir"):
            path = args[0]
            if isinstance(path, str | bytes | os.PathLike):
                self.paths.add(os.fsdecode(path))

    @contextmanager
    def noted(self):
        self.is_on = True
        try:
            yield self
        finally:
            self.is_on = False

    def strange(self, world: World) -> list[str]:
        """Those that neither the owner nor Python itself allows."""
        here = Path(ff.__file__).resolve().parents[1]
        allowed = [world.root, world.log, world.film.parent, here]
        allowed += [Path(sys.prefix), Path(sys.base_prefix), Path("/proc"), Path("/sys")]
        allowed += [Path("/dev/null"), Path("/dev/urandom"), Path("/usr")]
        allowed += [Path(os.environ["FEWFRAMES_CACHE"])]
        real = [os.path.realpath(path) for path in allowed]
        found = []
        for path in self.paths:
            at = os.path.realpath(path)
            is_numba = at.endswith((".nbi", ".nbc"))
            if not is_numba and not any(at == one or at.startswith(one + "/") for one in real):
                found.append(path)
        return sorted(found)


OPENED = Opened()


# Requests


def hostile(rng: np.random.Generator, world: World, depth: int = 0):
    """Some value that no tool asks for."""
    kind = int(rng.integers(6))
    if kind == 0:
        return NUMBERS[int(rng.integers(len(NUMBERS)))]
    if kind == 1:
        return TEXTS[int(rng.integers(len(TEXTS)))]
    if kind == 2:
        return str(world.outside / "secret.zarr") if rng.random() < 0.5 else str(world.store)
    if kind == 3 and depth < 3:
        return [hostile(rng, world, depth + 1) for _ in range(int(rng.integers(5)))]
    if kind == 4 and depth < 3:
        return {word_of(rng): hostile(rng, world, depth + 1) for _ in range(int(rng.integers(3)))}
    if kind == 5 and depth == 0 and rng.random() < 0.3:
        deep = []
        for _ in range(int(rng.integers(2, 400))):
            deep = [deep]
        return deep
    return None


def word_of(rng: np.random.Generator) -> str:
    return "".join(chr(int(c)) for c in rng.integers(1, 0x2FFF, int(rng.integers(1, 30))))


def valid_call(rng: np.random.Generator) -> tuple[str, dict]:
    """A call that any server must answer, on a video of `put`."""
    video, start = IDS[int(rng.integers(len(IDS)))], float(rng.random() * 2)
    k = int(rng.integers(1, 6))
    return (
        ("glance", {"video": video, "k": k}),
        ("look", {"video": video, "start": start, "end": start + 1, "k": k}),
        ("frame_at", {"video": video, "seconds": start}),
        ("find", {"video": video, "query": "sharpness", "k": k}),
        ("find_like", {"video": video, "seconds": start, "k": k}),
        ("list_videos", {"limit": k}),
        ("zoom", {"video": "film", "seconds": start / 2, "box": [0, 0, 0.5, 1]}),
    )[int(rng.integers(7))]


def hostile_call(rng: np.random.Generator, world: World) -> tuple[str, dict]:
    """A valid call with something wrong in it, or one of nothing."""
    name, arguments = valid_call(rng)
    arguments = dict(arguments)
    for _ in range(int(rng.integers(1, 3))):
        kind = int(rng.integers(5))
        if kind == 0:
            name = (*TEXTS, "open", "__class__", "output_answer", "replay")[int(rng.integers(23))]
        elif kind == 1 or not arguments:
            key = ("path", "film", "size", "out", "policy", word_of(rng))[int(rng.integers(6))]
            arguments[key] = hostile(rng, world)
        elif kind == 2:
            arguments.pop(list(arguments)[int(rng.integers(len(arguments)))])
        else:
            key = list(arguments)[int(rng.integers(len(arguments)))]
            arguments[key] = hostile(rng, world)
    return name, arguments


def valid_address(rng: np.random.Generator) -> tuple[str, str]:
    """An address that the plug-in must take, and the video that it is of."""
    video, k = IDS[int(rng.integers(len(IDS)))], int(rng.integers(1, 6))
    start = float(rng.random() * 2)
    more = ("", f"&start={start}&end={start + 1}", "&end=0", "&policy=uniform", "&start=0")
    query = f"k={k}{more[int(rng.integers(5))]}"
    return f"fewframes://corpus.zarr/{quote(video, safe='')}?{query}", video


def hostile_address(rng: np.random.Generator, world: World) -> str | bytes:
    """An address with something wrong in it; bytes where it is not even text."""
    address, _ = valid_address(rng)
    stores = ("link.zarr", "videos.zarr", "group.zarr", "outside", "notes.txt", "..", ".", "%2e%2e")
    wrong = hostile(rng, world)
    words = wrong if isinstance(wrong, str) else repr_of(wrong) or "9" * 5000
    kind = int(rng.integers(8))
    if kind == 0:
        store = (*stores, words)[int(rng.integers(9))]
        return f"fewframes://{store}/secret?k=2"
    if kind == 1:
        return f"fewframes://corpus.zarr/{(words, quote(words, errors='replace'))[rng.integers(2)]}"
    if kind == 2:
        key = (*vllm_plugin.KINDS, "path", word_of(rng))[int(rng.integers(9))]
        return f"{address}&{key}={words}"
    if kind == 3:
        return address.replace(
            "fewframes", ("file", "http", "FEWFRAMES", "data", "")[rng.integers(5)]
        )
    if kind == 4:
        return "".join((address[: int(rng.integers(len(address)))], words))
    data = bytearray(address.encode())
    for _ in range(int(rng.integers(1, 4))):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(data)


# Judges


class Judge:
    """What was wrong, and how much of what there was."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tally: Counter[str] = Counter()
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

    def fail(self, number: int, words: str) -> None:
        with self._lock:
            self.failures.append(f"{number}: {words[:300]}")

    def count(self, kind: str, size: int = 0) -> None:
        with self._lock:
            self.tally[kind] += 1
            self.most_bytes = max(self.most_bytes, size)

    def words(self, number: int, words: str, request: object, most: int = MOST_ERROR) -> None:
        """Checks a sentence: no path of this machine, and not long."""
        asked = request if isinstance(request, str) else repr_of(request)
        for folder in self._folders:
            if folder in words and folder not in asked:
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


def repr_of(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return ""


def ask_mcp(judge: Judge, looks: Looks, number: int, seed: int, *, is_limited: bool) -> None:
    """Makes one call in this process, and judges its answer."""
    rng = np.random.default_rng((seed, number))
    is_valid = rng.random() < 0.4
    name, arguments = valid_call(rng) if is_valid else hostile_call(rng, judge.world)
    lines, is_error = looks.answer(name, arguments)
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
    with judge._lock:
        judge.looks[arguments["video"]] += 1
        if is_limited:
            mark = -1 if name == "zoom" else 1
            judge.given[arguments["video"]] |= {mark * (1 + frame) for frame, _, _ in frames}
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
        asked, video = valid_address(rng)
    else:
        asked = hostile_address(rng, judge.world)
    data = asked if isinstance(asked, bytes) else asked.encode("utf-8", "surrogatepass")
    try:
        if is_valid and rng.random() < 0.3:
            data = vllm_plugin.Address.read(asked).pinned().encode()
        frames, facts = loader.load_bytes(data)
    except ValueError as error:
        judge.count(f"vllm {'valid' if is_valid else 'hostile'} refused", len(str(error)))
        with judge._lock:
            judge.errors[type(error).__name__] += 1
        judge.words(number, str(error), data.decode("utf-8", "replace"))
        if is_valid:
            judge.fail(number, f"refused {asked}: {error}")
        return
    except Exception as error:
        judge.fail(number, f"{type(error).__name__}: {error} at {asked!r}")
        return
    judge.count(f"vllm {'valid' if is_valid else 'hostile'} answered", frames.nbytes)
    judge.words(number, repr(facts), data.decode("utf-8", "replace"), 100_000)
    if frames.nbytes > vllm_plugin.MOST_BYTES:
        judge.fail(number, f"{frames.nbytes} bytes at {asked!r}")
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
            "tally": dict(sorted(judge.tally.items())),
            "errors_of_vllm": dict(judge.errors),
            "most_answer_bytes": judge.most_bytes,
            "opened_paths": len(OPENED.paths),
            "failures": judge.failures,
        }


@contextmanager
def environment(folder: Path):
    names = {vllm_plugin.ROOT: str(folder / "root"), vllm_plugin.MODEL: "qwen3-vl"}
    names["FEWFRAMES_CACHE"] = str(folder / "cache")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    OPENED.paths.clear()
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
        for module in [name for name in sys.modules if name.split(".")[0] == "vllm"]:
            del sys.modules[module]


def in_process(judge: Judge, numbers: list[int], seed: int) -> None:
    """Calls from several threads: of one server without a limit of frames, and of one with it."""
    world = judge.world
    films, store = {"film": world.film}, ff.open(world.store)
    free = Looks(store, films=films, log=world.log, hidden=[world.store], most=THREADS)
    tight = Looks(store, films=films, hidden=[world.store], max_frames=LIMIT, most=THREADS)
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
    judge.tally["log lines"] = len(steps)
    judge.tally["sessions let go"] = len({(s["video"], s["session"]) for s in steps}) - len(logged)


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
