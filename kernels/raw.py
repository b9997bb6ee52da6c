"""CUDA C++ through CuPy: kernels from a page's source, and their launch.

1. What is written with `memory.array_module` is one function for NumPy and CuPy, and tests run that
   very function on NumPy arrays.
2. A loop that no call of such a library says well, or fast, is CUDA C++ in a string of its page
   (`Source`). NVRTC compiles it for the GPU at hand when it is first launched.
3. Products are rounded before they are summed (`--fmad=false`), as on the CPU: where a page adds in
   a stated order, a GPU gives the same bits.

CuPy is imported where arrays lie on a GPU and nowhere else. Its memory comes from its pool. Its
kernels and Numba's are launched on the same stream, so that each sees what the other wrote.
"""

import functools
from dataclasses import dataclass
from typing import Any, TypeAlias

from fewframes.kernels.memory import cupy

CupyArray: TypeAlias = Any
"""An array of CuPy's on the GPU."""
OPTIONS = ("--std=c++17", "--fmad=false")
THREADS = 256
"""In a block of every kernel here; the sources call it `THREADS`."""


@dataclass(frozen=True, slots=True)
class Source:
    """CUDA C++ of one page, every kernel `extern "C"`."""

    text: str
    """What NVRTC compiles, without the constants that all pages share."""

    @property
    def whole(self) -> str:
        """The text behind the constants that it may use."""
        return f"#define THREADS {THREADS}\n{_SHARED}{self.text}"

    def launch(self, name: str, blocks: int, *arguments: Any, bytes_shared: int = 0) -> None:  # noqa: ANN401
        """Runs a kernel on so many blocks of `THREADS` threads.

        Whole numbers go as `long long`, other numbers as `double`, arrays as pointers.
        """
        if blocks:
            kernel = _compiled(self.whole, name)
            kernel((blocks,), (THREADS,), arguments, shared_mem=bytes_shared)


@functools.cache
def _compiled(text: str, name: str) -> Any:  # noqa: ANN401 (CuPy's)
    return _module(text).get_function(name)


@functools.cache
def _module(text: str) -> Any:  # noqa: ANN401 (CuPy's)
    return cupy().RawModule(code=text, options=OPTIONS)


def blocks_for(count: int) -> int:
    """Blocks that have a thread for each of `count`."""
    return -(-count // THREADS)


_SHARED = r"""
#define TILE 1024
#define INF __longlong_as_double(0x7ff0000000000000LL)
typedef long long i64;
typedef unsigned long long u64;
"""
