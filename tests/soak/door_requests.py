"""The world that the door fuzzer asks about, what is opened in it, and its requests."""

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
from stored import put

import fewframes as ff
from fewframes.bench.research.films import Film, write_film
from fewframes.bindings.mcp_server import MOST_WORDS
from fewframes.bindings.vllm import plugin as vllm_plugin
from fewframes.store.compaction import compact

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
        key = (*vllm_plugin.NUMBERS, *vllm_plugin.TEXTS, "path", word_of(rng))[int(rng.integers(9))]
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


def repr_of(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return ""


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
