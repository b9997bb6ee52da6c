"""Films for the tests: made by recipe, or real footage where its folder is there."""

import fcntl
import os
from pathlib import Path

import pytest
from cuda_on_cpu import put, real_gpu, stand_in  # noqa: F401 (fixtures)
from hypothesis import HealthCheck, settings
from nvdec_engines import engines, on_gpu  # noqa: F401 (fixtures)
from places import new_bucket, served
from real_footage import NO_FOOTAGE, footage_folder, sound_footage

from fewframes.bench.research.films import RECIPES, write_film

QUICK = ("x264_pyramid", "vp9", "mjpeg")
"""Recipes of the decoders' tests that `make test-quick` takes."""

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # a slow machine is no fault of the code


def pytest_generate_tests(metafunc):
    """Gives every test that takes ``footage_file`` the names of the sound files.

    A test that takes ``decodable`` gets the recipes of its class of decoder tests.
    """
    if "decodable" in metafunc.fixturenames:
        slow = {name: () if name in QUICK else pytest.mark.slow for name in metafunc.cls.recipes}
        each = [pytest.param(name, marks=marks) for name, marks in slow.items()]
        metafunc.parametrize("decodable", each)
    if "footage_file" in metafunc.fixturenames:
        names = sound_footage() or [pytest.param("none", marks=pytest.mark.skip(NO_FOOTAGE))]
        metafunc.parametrize("footage_file", names)


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real footage."""
    folder = footage_folder()
    if folder is None:
        pytest.skip(NO_FOOTAGE)
    return folder


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all workers of this run have in common."""
    is_alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (factory.getbasetemp() if is_alone else factory.getbasetemp().parent) / name
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Gives the path of a film by the name of its recipe; each is made once, whoever asks first."""
    folder = shared_folder(tmp_path_factory, "films")

    def film(name: str) -> Path:
        path = folder / f"{name}{RECIPES[name].suffix}"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                made = path.with_name(f"unfinished-{path.name}")
                write_film(made, RECIPES[name])
                made.rename(path)
        return path

    return film


@pytest.fixture(scope="session", autouse=True)
def timelines_stay_in_tmp(tmp_path_factory):
    """Keeps the user's cache folder out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWFRAMES_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An S3 server on loopback, which obstore finds by the environment."""
    pytest.importorskip("obstore", reason="obstore is not installed; pip install 'fewframes[s3]'")
    pytest.importorskip(
        "moto.server", reason="moto's server is not installed; pip install 'moto[server]'"
    )
    with served(tmp_path_factory.mktemp("cache")) as running:
        yield running


@pytest.fixture
def bucket(server) -> str:
    """The URL of a prefix in a new bucket."""
    return f"{new_bucket()}/my/corpus"


@pytest.fixture(params=["folder", pytest.param("url", marks=pytest.mark.slow)])
def where(request, tmp_path) -> Path | str:
    """Where a store may be: a folder that is not there yet, and a URL."""
    if request.param == "folder":
        return tmp_path / "corpus"
    return request.getfixturevalue("bucket")
