#!/usr/bin/env bash
# Snakemake runs this once in a new environment, from the project's folder.
set -euo pipefail
python -m pip install --no-deps --editable .
