"""Every command of the README works as written, in a project where scale ci has run; the rest is listed here.

Commands are the lines of its ```sh blocks and what stands between backticks and starts with a program.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from facetory.cli.study import load_study
from PIL import Image

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
COMMAND = r"(conda|curl|facetory|git|make|mamba|pip|pytest|python3?|snakemake|source) [^…]+"
RUN = r"(facetory|snakemake) .*|make help"

NOT_RUN = {
    r"make demo": "installs from the network and runs scale demo",
    r"make test": "runs this test",
    r"make rehearsal": "runs for an hour; .ci/nightly does it",
    r"python benchmarks/memory.py": "runs for minutes; tests/unit/test_benchmarks_memory.py does it small",
    r"conda env create .*": "installs from the network; test_setup.py compares its pins with pip's",
    r"source \.venv/bin/activate": "enters the environment that make creates",
    r"facetory backbone fetch \S+": "downloads gigabytes",
    r"snakemake --cores \d+ demo_(backbone|faces|identity)": "trains for an hour",
    r"facetory train .*": "trains for minutes; tests/unit/test_emodc_product.py does it small",
    r"facetory predict models/mine .*": "uses the model that is not trained here; the product's tests do",
}
"""Commands that set up, need the network or take hours, and why; make and Snakemake only plan them."""

NEEDS_GPU = r"snakemake .*--config scale=paper\b.*"


def commands(text):
    """The commands of a Markdown text, once each, without their comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    shell = "".join(content for language, content in blocks if language in ("sh", "bash", "shell", "console"))
    lines = re.sub(r"\\\n\s*", "", shell).splitlines()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))
    lines += [span for span in spans if re.fullmatch(COMMAND, span)]
    found = (re.sub(r"(^|\s)#.*", "", line).removeprefix("$ ").strip() for line in lines)
    return list(dict.fromkeys(filter(None, found)))


COMMANDS = commands(README)


def reason_not_to_run(command):
    """Why a command is not run as it is, or None."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.fullmatch(pattern, command)), None)


def test_commands_are_found():
    block = "```sh\nfacetory a  # b\n# c\nsnakemake \\\n  d\n```\n```\ne\n```\n"
    text = f"Type `make\nhelp`, not `make` or `snakemake …`.\n{block}"
    assert commands(text) == ["facetory a", "snakemake d", "make help"]
    assert len(COMMANDS) > 8 and "make test" in COMMANDS


def test_every_exception_is_in_the_readme():
    for pattern in (*NOT_RUN, NEEDS_GPU):
        assert any(re.fullmatch(pattern, command) for command in COMMANDS), f"{pattern} is not in the README"


@pytest.fixture(scope="module")
def own_files(project):
    """photo.jpg and covarep.csv, as the README's reader would have them: here a render and noise."""
    rows = np.random.default_rng(0).normal(size=(5, 74))
    np.savetxt(project.folder / "covarep.csv", rows, delimiter=",", fmt="%.4f")
    render = min((project.folder / "results/ci/datasets/anny_basic/images").glob("*.png"))
    with Image.open(render) as image:
        image.convert("RGB").save(project.folder / "photo.jpg", quality=95)


@pytest.mark.parametrize("command", [c for c in COMMANDS if not reason_not_to_run(c)])
def test_a_command_works_as_written(project, own_files, command):
    assert re.fullmatch(RUN, command), f"{command}: run it here, or say in NOT_RUN why not"
    demo = project.folder / "results" / "demo"
    demo.symlink_to("ci", target_is_directory=True)
    try:
        line = ["env", "CUDA_VISIBLE_DEVICES=", "bash", "-e", "-c", command]
        result = project.run(*line, check=not re.fullmatch(NEEDS_GPU, command))
    finally:
        demo.unlink()
    if re.fullmatch(NEEDS_GPU, command):
        assert result.returncode != 0
        assert "is made for GPUs and none is visible" in " ".join(result.stderr.split())
    elif command.startswith("facetory verify "):
        assert int(re.search(r"(\d+) files match", result.stdout)[1]) > 0


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if reason_not_to_run(c) and c.split()[0] in ("make", "snakemake")]
)
def test_what_is_not_run_can_be_planned(project, command):
    assert project.run("bash", "-e", "-c", f"{command} --dry-run").stdout


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL))
def test_the_readmes_configuration_is_understood(block):
    config = yaml.safe_load(block)
    study = load_study(config)
    assert {study.settings.dataset_of(slot) for slot in config["slots"]} == set(config["slots"].values())
