"""The set-up says one thing in all its files."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def pins(lines):
    found = (re.fullmatch(r"([A-Za-z0-9_.-]+)==([^\s;]+)", line.strip()) for line in lines)
    return {m[1].lower().replace("_", "-"): m[2] for m in found if m}


def pip_section(path):
    content = yaml.safe_load((ROOT / path).read_text())
    return next(entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))


def test_both_environments_and_the_constraints_agree():
    constraints = pins((ROOT / "constraints.txt").read_text().splitlines())
    constraints["facenet-pytorch"] = re.search(r"facenet-pytorch==(\S+)", (ROOT / "Makefile").read_text())[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=]", item)[0] for item in project["dependencies"]} | {"facenet-pytorch"}
    for path in ("environment.yml", "envs/facetory.yaml"):
        stated = pins(pip_section(path))
        assert stated.keys() == wanted, path
        assert stated == {name: constraints[name] for name in wanted}, path
    assert "--editable ." in pip_section("environment.yml")


def test_make_help_lists_demo_and_test():
    listing = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make demo" in listing
    assert "make test" in listing


def test_what_snakemake_parses_is_free_of_torch():
    code = (
        "import sys; from pathlib import Path; from facetory.cli.study import load_study; "
        f"load_study(Path({str(ROOT / 'config.yaml')!r})); "
        "sys.exit(', '.join({'torch', 'diffusers', 'transformers', 'matplotlib'} & set(sys.modules)) or None)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_argument_plugin_moves_targets_and_leaves_other_lines_alone():
    from snakemake_logger_plugin_facetory import targets_first

    typed = ["--cores", "8", "--resources", "gpu=2", "all_tables"]
    assert targets_first(typed) == ["all_tables", "--cores", "8", "--resources", "gpu=2"]
    typed = ["--config", "scale=ci", "emodc_fig5", "--cores", "2"]
    assert targets_first(typed) == ["emodc_fig5", "--config", "scale=ci", "--cores", "2"]
    for understood in (
        ["all_tables", "--cores", "8", "--resources", "gpu=2"],
        ["--cores", "8", "--resources", "gpu=2", "mem_mb=100", "--", "all_tables"],
        ["-n", "--set-resources", "train:gpu=1", "--config", "scale=ci"],
        [],
    ):
        assert targets_first(understood) == understood
