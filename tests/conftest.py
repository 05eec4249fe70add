"""With several workers (`make test`): one has the tests that share the project at scale ci, from the start.

The other files are each one worker's, because their tests share what is expensive to set up.
"""

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Group the tests and put the workflow's first."""
    for item in items:
        folder = Path(item.path).parent.name
        item.add_marker(pytest.mark.xdist_group("workflow" if folder == "workflow" else item.path.stem))
    items.sort(key=lambda item: Path(item.path).parent.name != "workflow")
