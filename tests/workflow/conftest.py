"""A copy of the project in which the whole DAG has run once at scale ci."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Project:
    """A working copy with its own results; edits here never touch the real tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results" / "ci"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(folder / "workflow"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, *line: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command line in the project's folder."""
        result = subprocess.run(
            line, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=1500
        )
        assert not check or result.returncode == 0, result.stdout[-4000:] + result.stderr[-8000:]
        return result

    def planned(self, *targets: str) -> dict[str, int]:
        """Jobs by rule that a dry run would execute."""
        result = self.run("snakemake", "--cores", "2", "--dry-run", *targets)
        table = re.findall(r"^(\w+) +(\d+)$", result.stdout, flags=re.MULTILINE)
        return {rule: int(count) for rule, count in table if rule != "total"}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text that must be there."""
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} does not hold {old!r}"
        file.write_text(text.replace(old, new))


def copy_project(folder: Path) -> Project:
    """Copy the tracked and new files of the working tree."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return Project(folder)


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The project after the users' line `snakemake … all_tables` and then everything, at scale ci."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    project.edit("config.yaml", "scale: demo ", "scale: ci ")
    project.first = project.run(*["snakemake", "--cores", "8", "--resources", "gpu=2", "all_tables"])
    project.run("snakemake", "--cores", "2")
    return project


@pytest.fixture
def edited(project, request):
    """The project, with the files named by the test restored afterwards."""
    before = {}

    def remember(path):
        before[path] = ((project.folder / path).read_bytes(), (project.folder / path).stat())

    project.remember = remember
    yield project
    for path, (content, stat) in before.items():
        (project.folder / path).write_bytes(content)
        os.utime(project.folder / path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
