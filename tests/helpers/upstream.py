"""The samplers of other runtimes as their installed packages have them, the oracle of `runtime:…`.

Only the sampler is compiled out of a package's source, so neither torchvision nor a GPU is needed;
PyTorch is. `python tests/helpers/upstream.py` writes what they give for `cases()` into
runtimes.json; packages that are not installed keep what is there.
"""

import __future__

import ast
import functools
import hashlib
import importlib.util
import json
import logging
import math
import random
import sys
import time
import types
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest import mock

import numpy as np

GOLDEN = Path(__file__).parent / "runtimes.json"
PACKAGES = {"qwen_vl_utils": "qwen-vl-utils", "transformers": "transformers", "vllm": "vllm"}
READER = "_read_video_decord"


def package_of(runtime):
    """The import name of the package that a runtime belongs to."""
    return next(name for name in PACKAGES if runtime.startswith(name))


def is_installed(name):
    return importlib.util.find_spec(name) is not None


@functools.cache
def source(package, file):
    folder = Path(importlib.util.find_spec(package).submodule_search_locations[0])
    return ast.parse((folder / file).read_text())


def compiled(nodes, **names):
    """Runs definitions and gives their namespace; annotations are not evaluated."""
    import torch

    for node in nodes:
        node.decorator_list = []
    names |= {"np": np, "math": math, "torch": torch, "logger": logging.getLogger("upstream")}
    code = compile(ast.Module(nodes, []), "upstream", "exec", __future__.annotations.compiler_flag)
    exec(code, names)
    return names


def methods(tree, owner, *names, **given):
    """The methods of a class that are among the names, as functions, with its constants."""
    (found,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == owner]
    functions = [n for n in found.body if isinstance(n, ast.FunctionDef) and n.name in names]
    return compiled(functions, **given), constants_in(found)


def constants_in(tree):
    """What a module or a class assigns plain values to, directly."""
    assigned = [n for n in tree.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    return {
        (node.target if isinstance(node, ast.AnnAssign) else node.targets[0]).id: node.value.value
        for node in assigned
        if isinstance(node.value, ast.Constant)
    }


def qwen_vl_utils(frames, fps, budget, rate, span):
    tree = source("qwen_vl_utils", "vision_process.py")
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    needed = {"smart_nframes", "calculate_video_frame_range", READER}
    nodes = [n for n in functions if n.name in needed or n.name.endswith("_by_factor")]
    reader = compiled(nodes, time=time, **constants_in(tree))[READER]

    class VideoReader:
        def __init__(self, path):
            pass

        def __len__(self):
            return frames

        def get_avg_fps(self):
            return fps

        def get_batch(self, numbers):
            return SimpleNamespace(asnumpy=lambda: np.zeros((len(numbers), 1, 1, 3), np.uint8))

    decord = types.ModuleType("decord")
    decord.VideoReader = VideoReader
    request = {"nframes": budget} if rate is None else {"fps": rate, "max_frames": budget}
    ends = dict(zip(("video_start", "video_end"), span or (None, None), strict=True))
    with mock.patch.dict(sys.modules, decord=decord):
        return reader({"video": "film.mp4", **request, **ends})[1]["frames_indices"]


def processor(owner, folder):
    def sample(frames, fps, budget, rate, span):
        tree = source("transformers", f"models/{folder}/video_processing_{folder}.py")
        found, constants = methods(tree, owner, "sample_frames")
        function = found["sample_frames"]
        base = {"num_frames": None, "fps": None} | constants
        film = SimpleNamespace(total_num_frames=frames, fps=fps)
        if rate is None:
            return function(SimpleNamespace(**base), film, num_frames=budget).tolist()
        limited = SimpleNamespace(**base | {"max_frames": budget})
        return function(limited, film, fps=rate).tolist()

    return sample


class Source(NamedTuple):
    """What vLLM's samplers know of a film."""

    total_frames_num: int
    original_fps: float
    duration: float


def loader(owner, default=2, most="", pads=False, **options):
    """A loader of vLLM: its rate unless one is given, its constant that the budget lowers, whether
    it then repeats the last of an odd number of frames, and what else it is told."""

    def sample(frames, fps, budget, rate, span):
        tree = source("vllm", "multimodal/video.py")
        (found,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == owner]
        functions = [n for n in found.body if isinstance(n, ast.FunctionDef)]
        names = compiled(functions, VideoSourceMetadata=Source)
        loading = SimpleNamespace(
            _prepare_source=lambda film: film, **constants_in(found) | tables_in(found)
        )
        for function in functions:
            bound = functools.partial(names[function.name], loading)
            setattr(loading, function.name, bound)
        if most:
            setattr(loading, most, min(budget, getattr(loading, most)))
        film = Source(frames, fps, frames / fps if fps > 0 else 0)
        rate = default if rate is None else rate
        wanted = {"num_frames": budget, "fps": rate, "max_duration": budget / rate}
        given = {"max_frames": budget, **options}
        if "frame_sample_mode" in options:
            given["max_fps"] = rate
        numbers = loading.compute_frames_index_to_sample(film, SimpleNamespace(**wanted), **given)
        return numbers + numbers[-1:] if pads and len(numbers) % 2 else numbers

    return sample


def tables_in(tree):
    """What a class assigns dictionaries of plain values to."""
    assigned = [n for n in tree.body if isinstance(n, ast.AnnAssign)]
    return {
        node.target.id: ast.literal_eval(node.value)
        for node in assigned
        if isinstance(node.value, ast.Dict)
    }


SAMPLERS = {
    "qwen_vl_utils": qwen_vl_utils,
    "transformers_qwen2_vl": processor("Qwen2VLVideoProcessor", "qwen2_vl"),
    "transformers_qwen3_vl": processor("Qwen3VLVideoProcessor", "qwen3_vl"),
    "transformers_internvl": processor("InternVLVideoProcessor", "internvl"),
    "vllm": loader("VideoBackend", default=-1),
    "vllm_qwen2_vl": loader("Qwen2VLVideoBackend"),
    "vllm_qwen3_vl": loader("Qwen3VLVideoBackend"),
    "vllm_opencv_dynamic": loader("DynamicVideoBackend"),
    "vllm_glm46v": loader("GLM46VVideoBackend", most="_MAX_FRAME_COUNT_DYNAMIC"),
    "vllm_glm5next": loader("Glm5NextVideoBackend", default=-1),
    "vllm_glmga": loader("GLMGAVideoBackend", pads=True),
    "vllm_molmo2": loader("Molmo2VideoBackend", frame_sample_mode="uniform_last_frame"),
    "vllm_openpangu": loader("OpenCVDynamicOpenPanguVideoBackend"),
    "vllm_embedding_gemma2": loader("EmbeddingGemma2VideoBackend", default=-1),
    "vllm_clef_omni": loader("ClefOmniVideoBackend", most="MAX_FRAMES", pads=True),
}
"""Name -> the real sampler: ``(frames, fps, budget, rate, span) -> frame numbers``."""


def cases(runtime, count, seed):
    """Films and wishes, awkward ones among them."""
    rng = random.Random(f"{runtime} {seed}")
    for _ in range(count):
        frames = rng.choice([rng.randint(1, 12), rng.randint(12, 2000), rng.randint(2000, 400_000)])
        fps = rng.choice([25.0, 30.0, 24000 / 1001, 30000 / 1001, 0.5, rng.uniform(1, 60), 0.0])
        budget = rng.choice([1, 2, 3, 4, 5, 8, 16, 31, 32, 64, 226, 768, 2000])
        rate = rng.choice([None, None, 2.0, 1.0, 0.1, rng.uniform(0.05, 30), 60.0])
        span = None
        if runtime == "qwen_vl_utils" and rng.random() < 0.3:
            ends = sorted([rng.uniform(-1, 60), rng.uniform(0, 600)])
            span = rng.choice([tuple(ends), (ends[0], None), (None, ends[1])])
        if runtime in ("transformers_internvl", "vllm_glm46v"):
            rate = None
        yield frames, fps, budget, rate, span


def answer(call):
    """The frame numbers (a digest of many), or the name of the error."""
    try:
        return answer_of(call())
    except (ArithmeticError, AssertionError, ValueError) as error:
        return {"error": type(error).__name__}


def answer_of(frame_numbers):
    """The frame numbers, or a digest where there are many."""
    numbers = [int(number) for number in frame_numbers]
    if len(numbers) <= 16:
        return {"frames": numbers}
    return {"count": len(numbers), "sha256": hashlib.sha256(repr(numbers).encode()).hexdigest()}


def main():
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    for runtime, sampler in SAMPLERS.items():
        package = package_of(runtime)
        if not is_installed(package):
            continue
        rows = [
            [list(case), answer(lambda case=case, sampler=sampler: sampler(*case))]
            for case in cases(runtime, 40, seed=0)
        ]
        golden[runtime] = {"version": version(PACKAGES[package]), "cases": rows}
    golden["torch"] = version("torch")
    lines = json.dumps(golden, indent=1)
    GOLDEN.write_text(lines + "\n")


if __name__ == "__main__":
    main()
