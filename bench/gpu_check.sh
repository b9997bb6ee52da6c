#!/usr/bin/env bash
# On a machine with a GPU: are the kernels, DALI's decoders and what is built on them right there,
# and how fast?
#
#   bench/gpu_check.sh [--wheels FOLDER] [FILM ...]
#   PYTHON=.venv/bin/python bench/gpu_check.sh --dry-run [FILM ...]
#
# Installs this package with the extra `gpu` into .venv-gpu (from FOLDER of wheels alone, where one
# is given; else from what pip finds), runs every GPU test with skips as failures, and prints a
# table. Exit status: 0 all right, 1 something is wrong, 3 there is no GPU and nothing was run.
#
# --dry-run needs no GPU: Numba's simulator and DALI's CPU decoders take its place, in the
# environment of PYTHON, where DALI is installed. It shows that this script runs, no more.
set -uo pipefail
films=() pip_options=() is_dry=""
while [ $# -gt 0 ]; do
  case "$1" in
    --wheels) pip_options=(--no-index --find-links "$(realpath "$2")"); shift ;;
    --dry-run) is_dry=1 ;;
    *) films+=("$(realpath "$1")") ;;
  esac
  shift
done
cd "$(dirname "$0")/.."

if [ -n "$is_dry" ]; then
  echo "DRY RUN: nothing below was run on a GPU"
  python="${PYTHON:-.venv/bin/python}" device=cpu
elif nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null; then
  venv=.venv-gpu python=.venv-gpu/bin/python device=cuda
  [ -x "$python" ] || python3 -m venv --system-site-packages "$venv" || exit 1
  "$python" -m pip install --quiet "${pip_options[@]}" --editable '.[gpu]' pytest \
    pytest-benchmark hypothesis imageio-ffmpeg || exit 1
else
  echo "NO GPU: nvidia-smi finds none. Not run:"
  echo "  - GPU bodies of the kernels beside their NumPy meaning   (tests/test_kernels.py)"
  echo "  - pictures that stay on the GPU, from decoder to table   (tests/test_on_gpu.py)"
  echo "  - stored pictures decoded on the GPU                     (tests/test_stored_on_gpu.py)"
  echo "  - films decoded and indexed there, beside FFmpeg         (tests/test_dali.py)"
  echo "  - decode; decode + signals; index; store to GPU; 1, 4, 7, 14 slices in flight; memory;"
  echo "    'auto'; DALI on whole files, PyNvVideoCodec, TorchCodec (python -m fewframes.bench.gpu)"
  exit 3
fi

status=0
step() { printf '\n== %s\n' "$1"; shift; "$@" || { status=1; echo "WRONG: $*"; }; }
pytest() { "$python" -m pytest -q "$@"; }
on_gpu() { REQUIRE_GPU=1 NUMBA_ENABLE_CUDASIM="${is_dry:-0}" pytest -m gpu "$@"; }
export REQUIRE_DALI=1
step "GPU bodies of the kernels" on_gpu tests/test_kernels.py
step "pictures that stay on the GPU" on_gpu tests/test_on_gpu.py tests/test_stored_on_gpu.py
if [ -z "$is_dry" ]; then export REQUIRE_GPU=1; fi
step "GPU bodies, compiled" pytest tests/test_gpu_compile.py
step "DALI beside FFmpeg" pytest tests/test_dali.py tests/test_dali_refusals.py \
  tests/test_dali_slices.py tests/test_dali_jpeg.py
step "how fast" "$python" -m fewframes.bench.gpu --device "$device" "${films[@]}"
exit "$status"
