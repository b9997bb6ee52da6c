"""What a kernel is: one meaning, one body of loops per device, one name to call.

1. `@Kernel` turns a NumPy reference into the kernel; the reference's docstring is the meaning.
2. `@<kernel>.check` adds the rule its arguments must obey, asked before any body runs.
3. `@<kernel>.cpu` adds the loops that Numba compiles at the first call, not at import, and
   `@<kernel>.helper` a function that these loops call.
4. `@<kernel>.cuda` adds the host function that launches the GPU's loops (`kernels/gpu.py`), and
   `@<kernel>.cuda_each` one that takes many pictures in the launches of one; `batch` calls it.
5. `@<kernel>.numpy` adds plain NumPy calls for the few arrays for which starting Numba costs more.
6. A call runs the body of the device on which the first argument lives. Light bodies run until
   they have taken what starting Numba takes, or until so much work is announced by `expect`.
"""

import functools
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from fewframes.kernels.memory import as_cupy, is_on_gpu, is_on_real_gpu

U8: TypeAlias = npt.NDArray[np.uint8]
U16: TypeAlias = npt.NDArray[np.uint16]
I32: TypeAlias = npt.NDArray[np.int32]
I64: TypeAlias = npt.NDArray[np.int64]
U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]
F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]

LIGHT_SECONDS = 0.3
"""CPU time of importing Numba and loading a kernel from its cache; a light body that has taken as
long in a process has had its turn."""

P = ParamSpec("P")
R = TypeVar("R")
Body = TypeVar("Body", bound=Callable[..., Any])


class Kernel(Generic[P, R]):
    """A numerical function with a NumPy reference and one body per device."""

    __name__: str
    __wrapped__: Callable[P, R]

    def __init__(self, reference: Callable[P, R]) -> None:
        functools.update_wrapper(self, reference)
        self._signature = inspect.signature(reference)
        self._rule: Callable[..., None] = lambda *_: None
        self.bodies: dict[str, Callable[..., Any]] = {}
        """The registered bodies as they were written: `"cpu"`, `"cuda"`, `"cupy"`, `"light"`."""
        self._helpers: list[Callable[..., Any]] = []
        self._light_seconds = 0.0
        self._each: Callable[..., Any] | None = None
        self.pictures = 0
        """How many arguments of `batch` have a leading axis; 0 where there is no such body."""

    def __repr__(self) -> str:
        names = ", ".join(self._signature.parameters)
        return f"<Kernel {self.__name__}({names}) on {', '.join(self.bodies)}>"

    def check(self, rule: Body) -> Body:
        """Registers the function that raises when the arguments break the kernel's rule."""
        self._rule = rule
        return rule

    def cpu(self, body: Body) -> Body:
        """Registers the CPU loops: one self-contained function, which Numba compiles when used."""
        self.bodies["cpu"] = body
        return body

    def helper(self, function: Body) -> Body:
        """Registers a function of the same page for the CPU loops and for later helpers to call."""
        self._helpers.append(function)
        return function

    def cuda(self, body: Body) -> Body:
        """Registers the host function that allocates on the GPU and launches the kernel there."""
        self.bodies["cuda"] = body
        return body

    def cupy(self, body: Body) -> Body:
        """Registers the host function that runs on CuPy's arrays; others on the GPU become such."""
        self.bodies["cupy"] = body
        return body

    def cuda_each(self, pictures: int) -> Callable[[Body], Body]:
        """Registers a GPU body for pictures on a leading axis, `[n, ...]`.

        So many arguments, the first ones, have that axis, and so have all results. A call with one
        picture is the same body's.
        """

        def register(body: Body) -> Body:
            def of_one(*values: Any) -> Any:  # noqa: ANN401 (what the body takes and gives)
                ones = [value.reshape((1, *value.shape)) for value in values[:pictures]]
                made = body(*ones, *values[pictures:])
                return tuple(part[0] for part in made) if isinstance(made, tuple) else made[0]

            self._each, self.pictures, self.bodies["cuda"] = body, pictures, of_one
            return body

        return register

    def batch(self, *args: Any) -> Any:  # noqa: ANN401 (arrays on a GPU)
        """Runs over pictures on a GPU, `[n, ...]` with n >= 1, in the launches of one.

        Results have the leading axis, too. The rule is asked of the first picture.

        Raises:
            TypeError: The kernel has no such body, or the arrays do not lie on a GPU.
            ValueError: There is no picture, or not as many of each array.
        """
        values, pictures = self._in_order(args, {}), self.pictures
        if self._each is None or not is_on_gpu(values[0]):
            raise TypeError(
                f"{self.__name__}.batch takes pictures on a GPU, where the kernel has a body for "
                "many; call it once a picture"
            )
        counts = [len(value) for value in values[:pictures]]
        if min(counts) < 1 or len(set(counts)) > 1:
            raise ValueError(
                f"{self.__name__}.batch got {counts} pictures; pass as many of each, 1 or more"
            )
        self._rule(*(value[0] for value in values[:pictures]), *values[pictures:])
        return self._each(*values)

    def numpy(self, body: Body) -> Body:
        """Registers NumPy calls that give the same as the other bodies, without Numba's start."""
        self.bodies["light"] = body
        return body

    def in_numpy(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the light body, which does not start Numba, under the same rule as the others."""
        values = self._in_order(args, kwargs)
        self._rule(*values)
        result: R = self._timed(*values)
        return result

    def reference(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the NumPy meaning, under the same rule as the bodies."""
        self._rule(*self._in_order(args, kwargs))
        return self.__wrapped__(*args, **kwargs)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the body of the device on which the first argument lives."""
        values = self._in_order(args, kwargs)
        body = self._body_for(values[0])
        if body is self.bodies.get("cupy"):
            values = tuple(map(as_cupy, values))
        self._rule(*values)
        result: R = body(*values)
        return result

    def expect(self, light_seconds: float) -> None:
        """Announces work that would take the light body so long: for much, Numba starts at once."""
        if light_seconds > LIGHT_SECONDS:
            self._compiled  # noqa: B018 (a property that remembers)

    def _in_order(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Every argument by position: Numba would compile once more for each omitted default."""
        if not kwargs and len(args) == len(self._signature.parameters):
            return args
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args

    def _body_for(self, array: Any) -> Callable[..., Any]:  # noqa: ANN401 (any array library's)
        if not is_on_gpu(array):
            is_light = "light" in self.bodies and "numba" not in sys.modules
            has_turn = is_light and self._light_seconds < LIGHT_SECONDS
            return self._timed if has_turn else self._compiled
        if "cupy" in self.bodies and is_on_real_gpu(array):
            return self.bodies["cupy"]
        if "cuda" not in self.bodies:
            raise TypeError(
                f"{self.__name__} has no GPU body; got an array on a GPU; "
                "copy it with cupy.asnumpy(...)"
            )
        return self.bodies["cuda"]

    def _timed(self, *values: Any) -> Any:  # noqa: ANN401 (what the light body takes and gives)
        started = time.thread_time()
        result = self.bodies["light"](*values)
        self._light_seconds += time.thread_time() - started
        return result

    @functools.cached_property
    def _compiled(self) -> Callable[..., Any]:
        from numba import njit  # half a second that an import of the package must not pay

        compiled = njit(cache=True, nogil=True)
        names: dict[str, Callable[..., Any]] = {}
        for helper in self._helpers:
            names[helper.__name__] = compiled(with_names(helper, names))
        body: Callable[..., Any] = compiled(with_names(self.bodies["cpu"], names))
        return body


def with_names(function: Callable[..., Any], names: Mapping[str, Any]) -> Callable[..., Any]:
    """The same function, for which some global names mean something else."""
    if not names:
        return function
    bound = FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)
    return functools.update_wrapper(bound, function)


def require(name: str, value: Any, form: str) -> None:  # noqa: ANN401 (what it judges)
    """Raises TypeError unless `value` is an array of a form like `[h, w] u8`.

    >>> require("plane", np.zeros((2, 3), np.float32), "[h, w] u8")
    Traceback (most recent call last):
    ...
    TypeError: plane must be [h, w] u8, got [2, 3] float32; pass a 2-D array of uint8
    """
    dimensions, dtype = _parsed(form)
    found = getattr(value, "dtype", None)
    if found == dtype and value.ndim == dimensions:
        return
    got = type(value).__name__ if found is None else f"{list(value.shape)} {found}"
    raise TypeError(f"{name} must be {form}, got {got}; pass a {dimensions}-D array of {dtype}")


def require_planes(luma: U8, blue: U8, red: U8) -> None:
    """Raises TypeError unless planes are `[h, w] u8`, and ValueError unless they are 4:2:0.

    >>> grey = np.zeros((4, 6), np.uint8)
    >>> require_planes(grey, grey[:2, :3], grey)
    Traceback (most recent call last):
    ...
    ValueError: luma is [4, 6], blue [2, 3], red [4, 6]; pass 4:2:0 chroma planes [2, 3]
    """
    for name, plane in (("luma", luma), ("blue", blue), ("red", red)):
        require(name, plane, "[h, w] u8")
    half = tuple(-(-size // 2) for size in luma.shape)
    if not blue.shape == red.shape == half:
        raise ValueError(
            f"luma is {list(luma.shape)}, blue {list(blue.shape)}, red {list(red.shape)}; "
            f"pass 4:2:0 chroma planes {list(half)}"
        )


def require_rows(chosen: I64, table: str, n: int) -> None:
    """Raises ValueError unless `chosen` are rows of a table of n.

    >>> require_rows(np.array([1, 4]), "features", 4)
    Traceback (most recent call last):
    ...
    ValueError: chosen has rows from 1 to 4, but features has 4 rows; pass row numbers from 0 to 3
    """
    if len(chosen) and not 0 <= chosen.min() <= chosen.max() < n:
        raise ValueError(
            f"chosen has rows from {chosen.min()} to {chosen.max()}, but {table} has {n} rows; "
            f"pass row numbers from 0 to {n - 1}"
        )


def require_unchosen(count: int, chosen: I64, n: int) -> None:
    """Raises ValueError unless `count` rows of n are left beside those in `chosen`.

    >>> require_unchosen(4, np.array([1, 1]), 4)
    Traceback (most recent call last):
    ...
    ValueError: count=4 rows cannot be picked: 4 rows, 1 already chosen; pass count from 0 to 3
    """
    left = n - len(np.unique(chosen))
    if not 0 <= count <= left:
        raise ValueError(
            f"count={count} rows cannot be picked: {n} rows, {n - left} already chosen; "
            f"pass count from 0 to {left}"
        )


@functools.cache
def _parsed(form: str) -> tuple[int, Any]:
    """Number of dimensions and dtype of a form."""
    shape, _, code = form.rpartition(" ")
    return shape.count(",") + 1, np.dtype(f"{code[0]}{int(code[1:]) // 8}")  # NumPy counts bytes
