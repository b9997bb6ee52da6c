"""Every kernel gives on every device what its NumPy reference says, and refuses misuse."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from kernel_arguments import ARGUMENTS, IN_SIMULATOR, same
from on_gpu import need_gpu, to_device, to_host

from fewframes.kernels import KERNELS

EXAMPLES = {"cpu": 60, "light": 60, "cuda": 12 if IN_SIMULATOR else 60}
BODIES = [
    pytest.param(name, body, marks=[pytest.mark.gpu] if body == "cuda" else [], id=f"{name}-{body}")
    for name, kernel in KERNELS.items()
    for body in kernel.bodies
    if body != "cupy"  # tests/kernels/test_cupy.py
]


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_kernel_gives_what_its_reference_says(name, body):
    import numba  # noqa: F401 (the light body runs until it is there)

    kernel = KERNELS[name]
    if body == "cuda":
        need_gpu()

    @settings(
        derandomize=True,
        deadline=None,
        max_examples=EXAMPLES[body],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(ARGUMENTS[name])
    def agrees(arguments):
        call = kernel.in_numpy if body == "light" else kernel
        got, wanted = call(*(to_device(a, body) for a in arguments)), kernel.reference(*arguments)
        several = isinstance(wanted, tuple)
        assert isinstance(got, tuple) == several
        for one, other in zip(*((got, wanted) if several else ([got], [wanted])), strict=True):
            assert type(to_host(one)) is type(other)
            same(to_host(one), other)

    agrees()


MANY = [name for name, kernel in KERNELS.items() if kernel.pictures]


@pytest.mark.gpu
@pytest.mark.parametrize("name", MANY)
def test_many_pictures_on_a_gpu_give_what_each_of_them_gives(name):
    kernel = KERNELS[name]
    need_gpu()

    @settings(derandomize=True, deadline=None, max_examples=6, database=None)
    @given(ARGUMENTS[name])
    def agrees(arguments):
        pictures, rest = arguments[: kernel.pictures], arguments[kernel.pictures :]
        several = [[plane, plane[::-1].copy(), plane[:, ::-1].copy()] for plane in pictures]
        wanted = [kernel.reference(*(one[at] for one in several), *rest) for at in range(3)]
        got = kernel.batch(*(to_device(np.stack(one), "cuda") for one in several), *rest)
        if not isinstance(got, tuple):
            wanted, got = [(one,) for one in wanted], (got,)
        for part, ones in zip(got, zip(*wanted, strict=True), strict=True):
            same(to_host(part), np.stack(ones))

    agrees()


def test_importing_the_kernels_does_not_import_numba():
    code = "import sys, fewframes.kernels; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
