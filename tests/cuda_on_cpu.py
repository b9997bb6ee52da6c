"""CUDA C++ run on a CPU: a stand-in for CuPy whose arrays are NumPy's.

A C++ compiler takes the very source that NVRTC would. The threads of a block are fibers: each runs
until its next barrier, in an order that can be reversed, so that a barrier that is missing shows as
a result that depends on the order. Blocks run one after the other.
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import pytest

FLAGS = ["-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-Wno-unknown-pragmas"]
ENTRY = re.compile(r'extern "C" __global__ void (\w+)\((.*?)\)\s*\{', re.DOTALL)
PRELUDE = r"""
#include <ucontext.h>
#include <cmath>
#include <cstring>
#include <vector>
struct Index { unsigned x; };
static Index threadIdx, blockIdx, blockDim, gridDim;
#define __global__
#define __device__ static
#define __shared__ static
static double __longlong_as_double(long long bits) {
  double value;
  std::memcpy(&value, &bits, 8);
  return value;
}
static unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
static unsigned atomicAdd(unsigned* at, unsigned by) { const unsigned had = *at; *at += by; return had; }
static void __threadfence() {}
static std::vector<char> dynamic_shared;
static ucontext_t scheduler;
static ucontext_t* running;
static void __syncthreads() { swapcontext(running, &scheduler); }
static void (*body)(void**);
static void** arguments;
static bool has_ended;
static void one_thread() { body(arguments); has_ended = true; swapcontext(running, &scheduler); }
static void launch(void (*kernel)(void**), void** given, unsigned blocks, unsigned threads,
                   size_t bytes, int is_reversed) {
  const size_t stack = 64 << 10;
  std::vector<char> stacks(stack * threads);
  std::vector<ucontext_t> fibers(threads);
  body = kernel, arguments = given, gridDim.x = blocks, blockDim.x = threads;
  for (unsigned block = 0; block < blocks; block++) {
    blockIdx.x = is_reversed ? blocks - 1 - block : block;
    dynamic_shared.assign(bytes + 1, char(0xAB));
    std::vector<bool> is_alive(threads, true);
    for (unsigned at = 0; at < threads; at++) {
      getcontext(&fibers[at]);
      fibers[at].uc_stack.ss_sp = &stacks[stack * at];
      fibers[at].uc_stack.ss_size = stack;
      makecontext(&fibers[at], one_thread, 0);
    }
    for (unsigned alive = threads; alive > 0;)
      for (unsigned turn = 0; turn < threads; turn++) {
        const unsigned at = is_reversed ? threads - 1 - turn : turn;
        if (!is_alive[at]) continue;
        threadIdx.x = at, running = &fibers[at], has_ended = false;
        swapcontext(&scheduler, running);
        if (has_ended) is_alive[at] = false, alive--;
      }
  }
}
"""


class RawModule:
    """What `cupy.RawModule` is, by a C++ compiler."""

    is_reversed = False
    """Whether blocks and threads run last first."""

    def __init__(self, *, code, options):
        assert "--fmad=false" in options
        code = re.sub(
            r"extern __shared__ (\w+) (\w+)\[\];", r"\1* \2 = (\1*)dynamic_shared.data();", code
        )
        entries = "".join(_entry(*found) for found in ENTRY.findall(code))
        text = PRELUDE + code + entries
        name = hashlib.sha256((text + str(FLAGS)).encode()).hexdigest()[:16]
        library = Path(tempfile.gettempdir()) / f"cuda_on_cpu_{os.getuid()}_{name}.so"
        if not library.exists():
            _build(text, library)
        self._library = ctypes.CDLL(str(library))

    def get_function(self, name):
        entry = getattr(self._library, f"run_{name}")

        def launch(blocks, threads, arguments, *, shared_mem=0):
            held = [_as_argument(value) for value in arguments]
            given = (ctypes.c_void_p * len(held))(*(ctypes.addressof(one) for one in held))
            shape = (ctypes.c_uint(*blocks), ctypes.c_uint(*threads), ctypes.c_size_t(shared_mem))
            entry(given, *shape, ctypes.c_int(RawModule.is_reversed))

        return launch


def _entry(name, parameters):
    """A function that unpacks pointers to arguments, as a launch does."""
    kinds = [re.sub(r"\s*\w+\s*$", "", one).strip() for one in parameters.split(",")]
    values = ", ".join(f"*({kind}*)a[{at}]" for at, kind in enumerate(kinds))
    return (
        f"static void call_{name}(void** a) {{ {name}({values}); }}\n"
        f'extern "C" void run_{name}(void** a, unsigned blocks, unsigned threads, size_t bytes, '
        f"int is_reversed) {{ launch(call_{name}, a, blocks, threads, bytes, is_reversed); }}\n"
    )


def _build(text, library):
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "page.cpp", Path(folder) / "page.so"
        source.write_text(text)
        words = ["c++", *FLAGS, "-o", str(made), str(source)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        shutil.move(made, library)


def _as_argument(value):
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous, "a kernel was given an array that is not packed"
        return ctypes.c_void_p(value.ctypes.data)
    return ctypes.c_longlong(value) if isinstance(value, int) else ctypes.c_double(value)


@pytest.fixture
def cupy_on_cpu(monkeypatch):
    """Puts the stand-in where CuPy would be imported."""
    from fewframes.kernels import raw

    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler: `c++` is not found")
    stand_in = types.ModuleType("cupy")
    stand_in.__getattr__ = lambda name: getattr(np, name)
    stand_in.RawModule = RawModule
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    caches = (raw._module, raw._compiled)
    for cache in caches:
        cache.cache_clear()
    yield stand_in
    for cache in caches:
        cache.cache_clear()
