"""With several workers (`make test`): one has the tests that share the project at scale ci, from the start.

The other files are each one worker's, because their tests share what is expensive to set up.
"""

import os

import pytest

WORKFLOW = "tests/workflow/"

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """Put the workflow's tests first."""
    items.sort(key=lambda item: not item.nodeid.startswith(WORKFLOW))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Deal out files, those of the workflow together."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return WORKFLOW if nodeid.startswith(WORKFLOW) else nodeid.partition("::")[0]

    return Files(config, log)
