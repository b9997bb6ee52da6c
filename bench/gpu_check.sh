#!/usr/bin/env bash
# On a machine with a GPU: are the kernels and DALI's decoder right there, and how fast?
#
#   bench/gpu_check.sh [--wheels FOLDER] [FILM …]
#
# Installs this package with the extra `gpu` into .venv-gpu (from FOLDER of wheels alone, where one
# is given; else from what pip finds), runs every GPU test with skips as failures, and prints a
# table. Exit status: 0 all right, 1 something is wrong, 3 there is no GPU and nothing was run.
set -uo pipefail
cd "$(dirname "$0")/.."

pip_options=()
if [ "${1:-}" = "--wheels" ]; then
  pip_options=(--no-index --find-links "$(realpath "$2")")
  shift 2
fi
films=()
for film in "$@"; do films+=("$(realpath "$film")"); done

if ! nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null; then
  echo "NO GPU: nvidia-smi finds none. Not run:"
  echo "  - GPU bodies of the kernels beside their NumPy meaning  (pytest -m gpu tests/test_kernels.py)"
  echo "  - films decoded and indexed on the GPU beside FFmpeg     (pytest -m gpu tests/test_dali.py)"
  echo "  - decode, decode + signals, index, store to GPU; 1, 4, 7, 14 slices in flight"
  echo "  - DALI on whole files, PyNvVideoCodec, TorchCodec        (python -m fewframes.bench.gpu)"
  exit 3
fi

venv=.venv-gpu python=.venv-gpu/bin/python
[ -x "$python" ] || python3 -m venv --system-site-packages "$venv" || exit 1
"$python" -m pip install --quiet "${pip_options[@]}" --editable '.[gpu]' pytest pytest-benchmark \
  hypothesis imageio-ffmpeg || exit 1

status=0
step() { printf '\n== %s\n' "$1"; shift; "$@" || { status=1; echo "WRONG: $*"; }; }
export REQUIRE_GPU=1 REQUIRE_DALI=1
step "GPU bodies of the kernels" "$python" -m pytest -q -m gpu tests/test_kernels.py
step "GPU bodies, compiled" "$python" -m pytest -q tests/test_gpu_compile.py
step "DALI on the GPU beside FFmpeg" "$python" -m pytest -q tests/test_dali.py
step "how fast" "$python" -m fewframes.bench.gpu "${films[@]}"
exit "$status"
