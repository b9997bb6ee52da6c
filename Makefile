.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python

help: ## list what can be done
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready build/links ## make .venv with the package (editable) and the tools

$(VENV)/.ready: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet --editable . --group dev
	@touch $@

demo: setup ## a generated film, 16 adaptive frames of it, a contact sheet and a JSON in demo/
	$(PY) -m fewframes.bench.demo --out demo

# Otherwise every process that a test starts compiles the package, and pytest rewrites each file.
test test-quick: export PYTHONDONTWRITEBYTECODE :=

test: setup ## all tests, on all cores
	$(PY) -m pytest -n logical --dist worksteal

test-quick: setup ## those that take no longer than a second or so: a minute in all
	$(PY) -m pytest -n logical --dist worksteal -m "not slow" tests tests

ON_GPU := tests/kernels/test_kernels.py tests/indexing/test_on_gpu.py tests/store/test_stored_on_gpu.py

sim: setup ## GPU bodies of the kernels in Numba's simulator, and compiled for real GPUs where possible
	NUMBA_ENABLE_CUDASIM=1 REQUIRE_GPU=1 $(PY) -m pytest -m gpu $(ON_GPU)
	$(PY) -m pytest tests/kernels/test_gpu_compile.py

lint: setup ## ruff, format, rules, and pyright as editors run it
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright --pythonpath $(PY)

types: setup ## mypy --strict, under the package's import name
	$(PY) -m mypy

build/links: ## a folder named after the package, for tools that read files and not import hooks
	@rm -rf $@ && mkdir -p $@/fewframes
	@ln -s $(CURDIR)/engine/* $@/fewframes/
	@ln -s $(CURDIR)/kernels $(CURDIR)/bindings $(CURDIR)/bench $@/fewframes/

bench: setup ## time kernels and whole jobs beside their peers, on FILM=… (default: a generated film)
	$(PY) -m pip install --quiet --group peers
	$(PY) -m pytest bench/suite --benchmark-enable --benchmark-only
	$(PY) -m fewframes.bench.throughput $(FILM)

numbers: setup ## measure README's "Measured" again: FOOTAGE=folder of short films, FILMS="--film a.mp4 …"
	$(PY) -m pip install --quiet --group peers
	$(PY) -m fewframes.bench.research.numbers $(FOOTAGE) -w build/numbers $(FILMS)

N ?= 10000
fuzz: setup ## break N=10000 films; each frame must be true, marked or refused
	$(PY) tests/soak/media_fuzzer.py -n $(N)

soak: setup ## the long runs: broken films, hostile requests, disturbed stores; results in bench/results
	$(PY) tests/soak/media_fuzzer.py -n 10000 --seed 900000 -o bench/results/fuzz.json
	$(PY) tests/soak/door_fuzzer.py -n 10000 --seed 20261128 -o bench/results/doors.json
	$(PY) tests/soak/durability.py -o bench/results/durability.json
	$(PY) tests/soak/hostile_stores.py -n 1000 -o bench/results/hostile_stores.json
	$(PY) tests/soak/corpus_soak.py --films 1000 -o bench/results/corpus_soak.json
	$(PY) -m pip install --quiet "ray>=2.40"
	$(PY) tests/soak/ray_trials.py --films 100 --disturbances 10 -o bench/results/ray_soak.json
	$(PY) tests/soak/kill_soak.py -o bench/results/kill_soak.json

check: lint types test ## lint, types and tests, which must pass before a commit

.PHONY: help setup demo test test-quick sim lint types build/links bench numbers fuzz soak check
