"""Jobs forked from the warm process: same output, status and end as a command of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from facetory.cli import warm

FACETORY = Path(sys.executable).with_name("facetory")


def wait_for(happened, seconds=30):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server():
    before = os.environ.get(warm.VARIABLE)
    path = warm.start(("json", "no_such_library"))
    wait_for(path.exists)
    yield path
    os.environ.pop(warm.VARIABLE, None)
    if before:
        os.environ[warm.VARIABLE] = before


def command(*arguments, **options):
    return subprocess.run([FACETORY, *arguments], capture_output=True, text=True, **options)


@pytest.mark.parametrize("arguments", [("data", "list"), ("verify", "nowhere"), ("no-such-verb",)])
def test_a_handed_over_command_prints_and_ends_as_usual(server, tmp_path, arguments):
    usual = command(*arguments, cwd=tmp_path, env={k: v for k, v in os.environ.items() if k != warm.VARIABLE})
    warmed = command(*arguments, cwd=tmp_path)
    assert (warmed.stdout, warmed.stderr) == (usual.stdout, usual.stderr)
    assert warmed.returncode == usual.returncode == (0 if arguments[0] == "data" else usual.returncode)


def test_the_folder_and_the_environment_are_the_callers(server, tmp_path):
    (tmp_path / "results").mkdir()
    assert "0 files match" in command("verify", "results", cwd=tmp_path).stdout
    wide = command("data", "list", cwd=tmp_path, env=os.environ | {"COLUMNS": "250"}).stdout
    assert max(map(len, wide.splitlines())) > 200


def test_a_killed_command_takes_its_job_with_it(server, tmp_path):
    """The job waits on a pipe that nobody writes; it must be gone once the command is killed."""
    pipe = tmp_path / "config.yaml"
    os.mkfifo(pipe)
    waiting = subprocess.Popen([FACETORY, "status", "--config", str(pipe)], cwd=tmp_path)

    def jobs():
        return [
            p
            for p in Path("/proc").glob("[0-9]*/cwd")
            if _is(p, tmp_path) and p.parent.name != str(waiting.pid)
        ]

    wait_for(jobs)
    waiting.send_signal(signal.SIGKILL)
    waiting.wait()
    wait_for(lambda: not jobs())


def test_the_server_ends_with_its_owner(tmp_path):
    code = "from facetory.cli import warm; print(warm.start(('json',)))"
    script = f"{code}; import time; time.sleep(3)"
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    path = Path(owner.stdout.readline().strip())
    wait_for(path.exists)
    owner.kill()
    owner.wait()
    wait_for(lambda: not path.parent.exists())


def test_without_a_server_the_command_runs_by_itself(tmp_path):
    lost = os.environ | {warm.VARIABLE: str(tmp_path / "no-socket")}
    assert command("data", "list", cwd=tmp_path, env=lost).returncode == 0


def _is(link, folder):
    try:
        return link.readlink() == folder
    except OSError:
        return False
