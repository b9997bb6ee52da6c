"""CUDA C++ run on a CPU: a stand-in for CuPy, whose arrays are NumPy's by another name.

Its functions are NumPy's, and give arrays that say they lie on a GPU, so that all behind them is
dispatched as there.
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
static unsigned atomicAdd(unsigned* at, unsigned by) { return (*at += by) - by; }
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


class Array(np.ndarray):
    """An array that says it lies on a GPU."""

    __cuda_array_interface__ = property(lambda array: {"version": 3, "shape": array.shape})
    copies = 0
    """How many came to memory."""
    alive = 0
    """How many lie there still."""

    def __array_finalize__(self, other):
        Array.alive += 1

    def __del__(self):
        Array.alive -= 1

    def get(self):
        Array.copies += 1
        return np.array(self)


def there(value):
    """Arrays, also those of a tuple, as the stand-in's; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(there, value))
    return value.view(Array) if type(value) is np.ndarray else value


def _function(name):
    """NumPy's function of a name, whose arrays lie there."""
    found = getattr(np, name)
    if isinstance(found, type) or not callable(found):
        return found
    return lambda *given, **how: there(found(*given, **how))


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
def stand_in(monkeypatch):
    """Puts the stand-in where CuPy would be imported; gives what puts arrays there."""
    from fewframes.kernels import raw

    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler: `c++` is not found")
    module = types.ModuleType("cupy")
    module.__getattr__ = _function
    module.RawModule = RawModule
    module.freed = []
    pool = types.SimpleNamespace(free_all_blocks=lambda: module.freed.append(Array.alive))
    module.get_default_memory_pool = lambda: pool
    monkeypatch.setitem(sys.modules, "cupy", module)
    for count in ("copies", "alive"):
        monkeypatch.setattr(Array, count, 0)
    caches = (raw._module, raw._compiled)
    for cache in caches:
        cache.cache_clear()
    yield there
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def real_gpu():
    """What puts arrays on a GPU; skips where there is none, fails there under REQUIRE_GPU=1."""
    try:
        import cupy

        cupy.zeros(1)
    except Exception as error:  # CuPy has its own for each library that is missing
        outcome = pytest.fail if os.environ.get("REQUIRE_GPU") == "1" else pytest.skip
        outcome(f"no GPU for CuPy here: {type(error).__name__}: {error}".splitlines()[0])
    return lambda value: cupy.asarray(value) if isinstance(value, np.ndarray) else value


@pytest.fixture(params=["stand_in", pytest.param("real_gpu", marks=pytest.mark.gpu)])
def put(request):
    """What puts arrays where CuPy takes them: the stand-in's, and a real GPU's."""
    return request.getfixturevalue(request.param)
