"""Films for the tests: made by recipe, or real footage where its folder is there."""

import csv
import logging
import os
import sys
import urllib.request
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fewframes.bench.research.films import RECIPES, write_film

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # so that tests can import media_fuzzer

from cuda_on_cpu import put, real_gpu, stand_in  # noqa: E402, F401 (fixtures)
from nvdec_engines import engines, on_gpu  # noqa: E402, F401 (fixtures)

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # a slow machine is no fault of the code

NO_FOOTAGE = "no real footage: set FEWFRAMES_FOOTAGE to its folder, or put it at ../shared/videos"
DAMAGED = ("broken", "derived_trunc", "derived_bitflips", "derived_empty", "derived_text")
MOST_FRAMES = 5000
"""Footage longer than this is read with FEWFRAMES_ALL=1 only: the oracle decodes all of it."""


def footage_folder() -> Path | None:
    chosen = os.environ.get("FEWFRAMES_FOOTAGE")
    folder = Path(chosen) if chosen else HERE.parent / "../shared/videos"
    return folder.resolve() if (folder / "MANIFEST.tsv").is_file() else None


def sound_footage() -> list[str]:
    """Names of the files that decode without an error, up to 1920 samples wide."""
    folder = footage_folder()
    if folder is None:
        return []
    with (folder / "MANIFEST.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    films = [row for row in rows if row["decode_errors"] == "0"]
    films = [row for row in films if not row["file"].startswith(DAMAGED)]
    films = [row for row in films if int(row["size"].split("x")[0]) <= 1920]
    if os.environ.get("FEWFRAMES_ALL") != "1":
        films = [row for row in films if int(row["decoded_frames"]) <= MOST_FRAMES]
    return [row["file"] for row in films]


def pytest_generate_tests(metafunc):
    """Gives every test that takes ``footage_file`` the names of the sound files.

    A test that takes ``decodable`` gets the recipes of its class of decoder tests.
    """
    if "decodable" in metafunc.fixturenames:
        metafunc.parametrize("decodable", metafunc.cls.recipes)
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


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Gives the path of a film by the name of its recipe; each is made once."""
    folder = tmp_path_factory.mktemp("films")

    def film(name: str) -> Path:
        path = folder / f"{name}{RECIPES[name].suffix}"
        if not path.exists():
            write_film(path, RECIPES[name])
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
    moto = pytest.importorskip(
        "moto.server", reason="moto's server is not installed; pip install 'moto[server]'"
    )
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    names = {
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "FEWFRAMES_CACHE": str(tmp_path_factory.mktemp("cache")),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        yield running
    running.stop()


@pytest.fixture
def bucket(server) -> str:
    """The URL of a prefix in a new bucket."""
    host, port = server.get_host_and_port()
    name = f"b{uuid.uuid4().hex[:12]}"
    request = urllib.request.Request(f"http://{host}:{port}/{name}", method="PUT")
    with urllib.request.urlopen(request):
        return f"s3://{name}/my/corpus"
