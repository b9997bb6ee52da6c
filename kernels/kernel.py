"""What a kernel is: one meaning, one body of loops per device, one name to call.

1. `@Kernel` turns a NumPy reference into the kernel; the reference's docstring is the meaning.
2. `@<kernel>.check` adds the rule its arguments must obey, asked before any body runs.
3. `@<kernel>.cpu` adds the loops that Numba compiles at the first call, not at import.
4. `@<kernel>.cuda` adds the host function that launches the GPU's loops.
5. A call runs the body of the device on which the first argument lives.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

U8: TypeAlias = npt.NDArray[np.uint8]
U16: TypeAlias = npt.NDArray[np.uint16]
I64: TypeAlias = npt.NDArray[np.int64]
U64: TypeAlias = npt.NDArray[np.uint64]
F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]

_DTYPES = {
    "u8": np.dtype(np.uint8),
    "u16": np.dtype(np.uint16),
    "i64": np.dtype(np.int64),
    "u64": np.dtype(np.uint64),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
}

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
        """The registered bodies as they were written, by device: `"cpu"`, `"cuda"`."""

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

    def cuda(self, body: Body) -> Body:
        """Registers the host function that allocates on the GPU and launches the kernel there."""
        self.bodies["cuda"] = body
        return body

    def reference(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the NumPy meaning, under the same rule as the bodies."""
        self._rule(*self._in_order(args, kwargs))
        return self.__wrapped__(*args, **kwargs)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the body of the device on which the first argument lives."""
        values = self._in_order(args, kwargs)
        body = self._body_for(values[0])
        self._rule(*values)
        result: R = body(*values)
        return result

    def _in_order(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Every argument by position: Numba would compile once more for each omitted default."""
        if not kwargs and len(args) == len(self._signature.parameters):
            return args
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.args

    def _body_for(self, array: Any) -> Callable[..., Any]:  # noqa: ANN401 (any array library's)
        if not hasattr(array, "__cuda_array_interface__"):
            return self._compiled
        if "cuda" not in self.bodies:
            raise TypeError(
                f"{self.__name__} has no GPU body; got an array on a GPU; "
                "copy it with cupy.asnumpy(...)"
            )
        return self.bodies["cuda"]

    @functools.cached_property
    def _compiled(self) -> Callable[..., Any]:
        from numba import njit  # half a second that an import of the package must not pay

        body: Callable[..., Any] = njit(cache=True, nogil=True)(self.bodies["cpu"])
        return body


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


@functools.cache
def _parsed(form: str) -> tuple[int, Any]:
    """Number of dimensions and dtype of a form."""
    shape, _, code = form.rpartition(" ")
    return shape.count(",") + 1, _DTYPES[code]
