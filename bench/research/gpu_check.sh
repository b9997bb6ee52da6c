#!/usr/bin/env bash
# On a machine with a GPU: are the kernels, the decoders there and what is built on them right, and
# how fast?
#
#   bench/research/gpu_check.sh [--packs FOLDER] [--films FOLDER] [--out FOLDER] [PART ...]
#   bench/research/gpu_check.sh --dry-run [PART ...]
#
# PART is a, b or c (default: all three; fewframes.bench.research.gpu_check says what is in each). Every step
# is a process of its own under a time limit and leaves one line of JSON, at once, in OUT/PART.jsonl
# (default: build/gpu), so that a step that fails costs itself alone.
#
# Uses python3 and what is installed for it. FOLDER of packs holds what is not: *.txz of unpacked
# packages and wheels/*.whl; nothing is fetched. --dry-run needs no GPU: it goes through every step
# and runs those that can be run without one.
# Exit status: 0 all right, 1 something is wrong, 3 there is no GPU and nothing was run.
set -uo pipefail
packs="" films="" out="" rest=()
while [ $# -gt 0 ]; do
  case "$1" in
    --packs) packs=$(realpath "$2"); shift ;;
    --films) films=$(realpath "$2"); shift ;;
    --out) out=$(realpath -m "$2"); shift ;;
    *) rest+=("$1") ;;
  esac
  shift
done
cd "$(dirname "$0")/../.." || exit 1
python=${PYTHON:-python3} out=${out:-$PWD/build/gpu} site=$PWD/build/gpu-site
mkdir -p "$site/fewframes" "$out"
ln -sfn "$PWD"/engine/* "$PWD/kernels" "$PWD/bindings" "$PWD/bench" "$site/fewframes/"
if [ -n "$packs" ]; then
  for pack in "$packs"/*.txz; do [ -e "$pack" ] && tar xf "$pack" -C "$site"; done
  for wheel in "$packs"/wheels/*.whl; do [ -e "$wheel" ] && "$python" -m zipfile -e "$wheel" "$site"; done
fi
# A package that ships nvidia/__init__.py hides every other folder of this name.
theirs=$("$python" -c 'import nvidia; print(nvidia.__path__[0] if nvidia.__file__ else "")' \
  2>/dev/null)
for part in "$site"/nvidia/*/; do
  [ -n "$theirs" ] && [ -d "$part" ] && [ ! -e "$theirs/$(basename "$part")" ] \
    && ln -s "$part" "$theirs/"
done
export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export FEWFRAMES_FOOTAGE="${films:-${FEWFRAMES_FOOTAGE:-}}"
exec "$python" -m fewframes.bench.research.gpu_check --out "$out" ${films:+--films "$films"} "${rest[@]}"
