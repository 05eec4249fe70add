"""GPU leases: physical device ids handed out by ``flock``, freed by the kernel however a job ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from facetory.pipeline.files import FacetoryError

LOCKS = Path(tempfile.gettempdir()) / f"facetory-gpu-leases-{os.getuid()}"


def visible_gpus() -> list[str]:
    """Device ids this process may use: the scheduler's CUDA_VISIBLE_DEVICES, else all of the driver's."""
    assigned = os.environ.get("CUDA_VISIBLE_DEVICES")
    if assigned is not None:
        return [part.strip() for part in assigned.split(",") if part.strip() not in {"", "-1"}]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (FileNotFoundError, subprocess.SubprocessError):
        return []
    return [str(index) for index, line in enumerate(listing.stdout.splitlines()) if line.startswith("GPU ")]


def _try_lock(device: str, locks: Path) -> IO[str] | None:
    handle = (locks / f"{device.replace('/', '_')}.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _try_lease(count: int, devices: list[str], locks: Path) -> tuple[list[str], list[IO[str]]] | None:
    held: list[tuple[str, IO[str]]] = []
    for device in devices:
        if (handle := _try_lock(device, locks)) is not None:
            held.append((device, handle))
        if len(held) == count:
            return [device for device, _ in held], [handle for _, handle in held]
    for _, handle in held:
        handle.close()
    return None


@contextmanager
def lease(count: int, devices: list[str] | None = None, locks: Path = LOCKS) -> Iterator[list[str]]:
    """Hold ``count`` GPUs and point CUDA_VISIBLE_DEVICES at them; wait while others hold them.

    A lease of 0 hides all GPUs, so that a CPU job cannot take memory on one.  Raises `FacetoryError` when
    the machine has fewer GPUs than asked for: waiting would never end.  Enter before torch touches CUDA.
    """
    devices = visible_gpus() if devices is None and count else devices or []
    if count > len(devices):
        raise FacetoryError(
            f"This job asks for {count} GPU(s); this machine offers {len(devices)}"
            f"{' (' + ', '.join(devices) + ')' if devices else ''}. Lower `gpus` in the scale, or set "
            "`device: cpu` together with `allow_cpu: true` in config.yaml."
        )
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    with ExitStack() as stack:
        leased: list[str] = []
        if count:
            locks.mkdir(parents=True, exist_ok=True)
            while (found := _try_lease(count, devices, locks)) is None:
                time.sleep(0.5)
            leased, handles = found
            for handle in handles:
                stack.callback(handle.close)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(leased)
        try:
            yield leased
        finally:
            if before is None:
                os.environ.pop("CUDA_VISIBLE_DEVICES", None)
            else:
                os.environ["CUDA_VISIBLE_DEVICES"] = before
