"""What there is of DALI, a GPU and its video engines is looked up, and what is missing is said."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dali_checks import PyavPipeline, need, play_gpu

import fewframes
import fewframes.errors
from fewframes.bindings import gpu_costs
from fewframes.bindings.dali import capabilities as dali_capabilities
from fewframes.bindings.nvcodec import capabilities as nvcodec_capabilities
from fewframes.bindings.nvcodec import engines as nvcodec_engines
from fewframes.decode import costs
from fewframes.decode.backend_choice import Capabilities, EngineLimits
from fewframes.decode.costs import Costs, Workload
from fewframes.indexing.executor import IndexRun
from fewframes.indexing.options import IndexOptions

VIDEO = "decodes no video .libnvcuvid.so.1 is not found; a container needs NVIDIA_DRIVER_CAPABIL"


@pytest.fixture(autouse=True)
def looked_up_anew(monkeypatch):
    for function in (
        dali_capabilities.machine_facts,
        dali_capabilities.gpu_facts,
        nvcodec_engines.engine_limits,
        gpu_costs._remembered,
    ):
        function.cache_clear()
    yield
    monkeypatch.undo()
    dali_capabilities.machine_facts.cache_clear()
    nvcodec_engines.engine_limits.cache_clear()
    gpu_costs._remembered.cache_clear()


@pytest.fixture
def with_a_gpu(monkeypatch):
    """A GPU of an H100's capability, and DALI; nothing of them is there."""
    monkeypatch.setattr(dali_capabilities, "gpu_facts", lambda: ((9, 0), ""))
    monkeypatch.setattr(dali_capabilities, "_dali", lambda: ("2.4.0", ""))
    monkeypatch.setattr(nvcodec_capabilities, "facts", lambda: ("", "PyNvVideoCodec is not here"))


class Driver:
    """A CUDA driver whose calls succeed, as far as they are not to fail."""

    def __init__(self, failing=()):
        self.failing, self.calls = failing, []

    def __getattr__(self, name):
        def call(*_):
            self.calls.append(name)
            return 999 if name in self.failing else 0

        return call


class Engines:
    """libnvcuvid of an H200 with driver 580: what it said of each codec and depth."""

    SAID: dict = {  # noqa: RUF012
        (4, 0): (7, 1, 4096, 4096, 65536, 48, 16),
        (8, 0): (7, 1, 8192, 8192, 262144, 144, 144),
        (8, 2): (7, 3, 8192, 8192, 262144, 144, 144),
        (9, 0): (7, 1, 4096, 4096, 65536, 48, 16),
        (10, 0): (7, 1, 8192, 8192, 262144, 128, 128),
        (10, 2): (7, 2, 8192, 8192, 262144, 128, 128),
    }

    def cuvidGetDecoderCaps(self, pointer):  # noqa: N802
        request = pointer._obj
        assert request.chroma == 1
        said = self.SAID.get((request.codec, request.bits_minus_8))
        if said:
            request.is_supported = 1
            (
                request.engines,
                request.outputs,
                request.most_width,
                request.most_height,
                request.most_macroblocks,
                request.least_width,
                request.least_height,
            ) = said
        return 0


def libraries(monkeypatch, **there):
    def library(name):
        if name not in there:
            raise OSError(name)
        return there[name]

    monkeypatch.setattr(nvcodec_engines, "_library", library)


def test_the_drivers_structure_is_as_long_as_its_header_says():
    kind = nvcodec_engines._Capabilities
    assert ctypes.sizeof(kind) == 88
    assert [kind.is_supported.offset, kind.most_width.offset, kind.least_width.offset] == [
        24,
        28,
        40,
    ]


def test_limits_are_the_drivers(monkeypatch):
    driver = Driver()
    libraries(monkeypatch, **{"libcuda.so.1": driver, "libnvcuvid.so.1": Engines()})
    limits = nvcodec_engines.engine_limits()
    assert limits["h264", 8] == EngineLimits(
        is_taken=True, engines=7, least=(16, 48), most=(4096, 4096), macroblocks=65536
    )
    assert limits["hevc", 10].is_taken
    assert not limits["vp9", 10].is_taken  # its output would be of 16 bits alone
    assert not limits["av1", 8].is_taken
    assert not limits["h264", 10].is_taken
    assert driver.calls[-3:] == [
        "cuCtxPushCurrent_v2",
        "cuCtxPopCurrent_v2",
        "cuDevicePrimaryCtxRelease_v2",
    ]


@pytest.mark.parametrize(
    "failing", ["cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2"]
)
def test_a_driver_that_says_nothing_sets_no_limits(monkeypatch, failing):
    driver = Driver({failing})
    libraries(monkeypatch, **{"libcuda.so.1": driver, "libnvcuvid.so.1": Engines()})
    assert nvcodec_engines.engine_limits() == {}
    assert "cuCtxPopCurrent_v2" not in driver.calls
    retained = failing == "cuCtxPushCurrent_v2"
    assert ("cuDevicePrimaryCtxRelease_v2" in driver.calls) == retained


@pytest.mark.slow
@pytest.mark.usefixtures("with_a_gpu")
def test_a_driver_without_video_is_an_error_that_says_so(films, monkeypatch):
    libraries(monkeypatch)
    with pytest.raises(fewframes.errors.MissingBackendError, match=VIDEO) as raised:
        fewframes.read(films("x264_pyramid"), frames=[3], backend="dali", device="cuda")
    assert "use device='cpu', or device='auto'" in str(raised.value)
    dali_capabilities.require_gpu()  # stored pictures need no video engine
    assert dali_capabilities.require_here("cuda") == "2.4.0"


@pytest.mark.usefixtures("with_a_gpu")
@pytest.mark.parametrize("backend", [None, "dali"])
def test_without_video_auto_takes_the_cpu_and_measures_nothing(films, monkeypatch, backend):
    libraries(monkeypatch)
    monkeypatch.setattr(gpu_costs, "of_dali", lambda machine: 1 / 0)
    batch = fewframes.read(films("x264_pyramid"), frames=[3], device="auto", backend=backend)
    assert batch.report["decoder"] == "ffmpeg on cpu"
    assert "NVIDIA_DRIVER_CAPABILITIES=video, or all" in batch.report["chosen_because"]


@pytest.mark.usefixtures("with_a_gpu")
def test_what_the_engines_do_not_take_is_an_error_or_goes_to_the_cpu(films, monkeypatch):
    monkeypatch.setitem(Engines.SAID, (4, 0), (7, 1, 200, 200, 65536, 48, 16))
    libraries(monkeypatch, **{"libcuda.so.1": Driver(), "libnvcuvid.so.1": Engines()})
    monkeypatch.setattr(gpu_costs, "of_dali", lambda machine: Costs(1.0, 1e-9, 0.0, 7))
    says = "h264 of 8 bits on this GPU: its engines take 48x16 to 200x200, not 256x144"
    with pytest.raises(fewframes.errors.UnsupportedStreamError, match=says):
        fewframes.read(films("x264_pyramid"), frames=[3], backend="dali", device="cuda")
    batch = fewframes.read(films("x264_pyramid"), frames=[3], device="auto")
    assert batch.report["decoder"] == "ffmpeg on cpu"
    assert says in batch.report["chosen_because"]


def small(monkeypatch):
    for name, value in {
        "GOP": 12,
        "FEW": 3,
        "SLICES": 3,
        "FRAMES": 36,
        "HEIGHT": 48,
        "WIDTH": 64,
    }.items():
        monkeypatch.setattr(gpu_costs, name, value)
    monkeypatch.setattr(gpu_costs, "BY_FFMPEG", 24)


H200 = Capabilities(
    dali="2.4.0",
    capability=(9, 0),
    engines={("h264", 8): EngineLimits(is_taken=True, engines=7)},
)


def test_costs_are_measured_once_and_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWFRAMES_CACHE", str(tmp_path))
    small(monkeypatch)
    play_gpu(monkeypatch)
    found = gpu_costs.of_dali(H200)
    assert min(found.cpu, found.gpu) > 0
    assert 1 <= found.engines <= 7
    assert found.start >= 0
    ((name, known),) = json.loads((tmp_path / "costs.json").read_text()).items()
    assert Costs(**known) == found
    assert "7 engines" in name
    monkeypatch.setattr(gpu_costs, "_measure", lambda who, engines: 1 / 0)
    assert gpu_costs.of_dali(H200) == found
    gpu_costs._remembered.cache_clear()
    assert gpu_costs.of_dali(H200) == found


@pytest.mark.usefixtures("with_a_gpu")
def test_what_dali_did_not_decode_itself_is_no_cost_of_it(films, tmp_path, monkeypatch):
    class Refuses(PyavPipeline):
        def start(self, streams):
            raise RuntimeError("no")

    monkeypatch.setenv("FEWFRAMES_CACHE", str(tmp_path))
    small(monkeypatch)
    libraries(monkeypatch, **{"libcuda.so.1": Driver(), "libnvcuvid.so.1": Engines()})
    play_gpu(monkeypatch, Refuses)
    for _ in range(2):
        batch = fewframes.read(films("x264_pyramid"), frames=[3], device="auto")
        assert batch.report["decoder"] == "ffmpeg on cpu"
        assert "pictures were left to FFmpeg when it was measured" in batch.report["chosen_because"]
        monkeypatch.setattr(gpu_costs, "_measure", lambda who, engines: 1 / 0)  # no second time
    assert not list(tmp_path.glob("costs.json"))


def test_costs_of_a_slice_and_of_many(monkeypatch):
    """More slices than engines take turns."""
    machine = Costs(cpu=0.004, gpu=0.002, start=2.0, engines=4.0)
    assert machine.gpu_seconds(Workload(100, 1.0, 1)) == pytest.approx(2.0 + 0.2)
    assert machine.gpu_seconds(Workload(800, 1.0, 8)) == pytest.approx(2.0 + 0.4)
    assert costs.load("nothing") is None


FOREIGN = """
import sys
from fewframes.bindings.dali import capabilities
facts = capabilities.machine_facts()
import nvidia
print(facts.dali, facts.no_dali, nvidia.MINE)
"""


def by_interpreter(code, *folders):
    links = str(Path(fewframes.__file__).parents[1])
    path = os.pathsep.join([*map(str, folders), links])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_dali_is_found_behind_a_package_of_its_parents_name(tmp_path):
    need("cpu")
    (tmp_path / "nvidia").mkdir()
    (tmp_path / "nvidia" / "__init__.py").write_text("MINE = 'foreign'\n")
    there = dali_capabilities.machine_facts().dali
    assert by_interpreter(FOREIGN, tmp_path) == f"{there}  foreign"


def test_dali_that_is_nowhere_is_still_said_to_be_missing(tmp_path):
    code = (
        "import sys\n"
        "from fewframes.bindings.dali import capabilities\n"
        f"sys.path = [{str(tmp_path)!r}]\n"
        "print(capabilities._dali())\n"
    )
    (tmp_path / "nvidia").mkdir()
    (tmp_path / "nvidia" / "__init__.py").write_text("")
    assert "DALI is not installed; pip install" in by_interpreter(code)


def test_few_processes_share_a_gpu(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert IndexOptions(device="cuda").processes == 2
    assert IndexOptions(device="auto").processes == IndexOptions().processes == 16
    assert IndexOptions(device="cuda", workers=3).processes == 3


@pytest.mark.parametrize(("device", "workers", "count"), [("cuda", None, 2), ("cuda", 5, 5)])
def test_a_run_has_as_many_workers(tmp_path, monkeypatch, device, workers, count):
    from contextlib import ExitStack

    from fewframes.indexing import executor

    class Worker:
        def __init__(self, memory_bytes, load):
            assert memory_bytes == executor.UNBOUNDED

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def stop(self):
            pass

    monkeypatch.setattr(executor, "Worker", Worker)
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    run = IndexRun(tmp_path, IndexOptions(backend="dali", device=device, workers=workers))
    with ExitStack() as stack:
        assert len(run.pool(stack)) == count
