"""Jobs forked from one process that has the heavy libraries loaded: their imports are paid once a workflow.

The workflow starts the server and names its socket in ``FACETORY_WARM``; the command `facetory` hands its
arguments, folder, environment and standard streams over (`hand_over`) and waits for the exit status.  Only
third-party libraries are loaded, so a job runs the code that is on disk.  Where there is no socket, as on
another node of a cluster, a job imports for itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

VARIABLE = "FACETORY_WARM"
LIBRARIES = (
    "torch",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.models.autoencoders.autoencoder_kl",
    "transformers.models.auto.modeling_auto",
    "accelerate",
    "safetensors.torch",
    "pydantic",
    "rich.console",
    "typer",
    "PIL.Image",
    "matplotlib.figure",
    "great_tables",
)
STREAMS = 3


def entry() -> None:
    """The command `facetory`: by the server where one is running, else in this process.

    One that ends by EX_TEMPFAIL is started again as it stands.
    """
    try:
        status = hand_over()
        if status is not None:
            sys.exit(status)
        _run()
    except SystemExit as end:
        if end.code != os.EX_TEMPFAIL:
            raise
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def start(libraries: tuple[str, ...] = LIBRARIES) -> Path:
    """Start a server that ends with the calling process, and name its socket to the commands that follow."""
    path = Path(tempfile.mkdtemp(prefix="facetory-")) / "socket"
    os.environ[VARIABLE] = str(path)
    arguments = [sys.executable, "-m", "facetory.cli.warm", str(path), str(os.getpid()), *libraries]
    subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return path


def serve(path: Path, owner: int, libraries: tuple[str, ...], run: Callable[[], None]) -> None:
    """Load the libraries, then fork a process for every job that connects, as long as ``owner`` lives."""
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        try:
            while os.getppid() == owner:
                if select.select([listener], [], [], 0.5)[0]:
                    connection, _ = listener.accept()
                    if os.fork() == 0:
                        listener.close()
                        _job(connection, run)
                    connection.close()
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)


def hand_over() -> int | None:
    """Exit status of this command, run by the server; None where there is none."""
    path = os.environ.get(VARIABLE)
    if not path or not Path(path).exists():
        return None
    request = {"arguments": sys.argv, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    content = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return None
        socket.send_fds(connection, [struct.pack("!I", len(content))], list(range(STREAMS)))
        connection.sendall(content)
        status = connection.recv(1)
    return status[0] if status else 1


def _job(connection: socket.socket, run: Callable[[], None]) -> None:
    """Become the command that was handed over; its end, or the loss of who waits, ends this process."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        size, streams, _, _ = socket.recv_fds(connection, 4, STREAMS)
        content = b""
        while len(content) < struct.unpack("!I", size)[0]:
            content += connection.recv(1 << 16)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        request = json.loads(content)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        del os.environ[VARIABLE]
        sys.argv = request["arguments"]
        sys.modules["__main__"].__package__ = ""
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
            connection.sendall(bytes([status & 255]))
        os._exit(status & 255)


def _end_with(connection: socket.socket) -> None:
    """Kill this job and its children when the waiting command is gone."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os.killpg(0, signal.SIGKILL)


def _run() -> None:
    from facetory.cli.main import run

    run()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]), _run)
