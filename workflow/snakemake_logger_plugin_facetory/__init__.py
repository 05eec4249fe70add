"""Lets ``snakemake --cores 8 --resources gpu=2 all_tables`` find its target.

Snakemake's ``--resources`` and ``--config`` take one or more values, so argparse hands them the target too
and stops with an error.  Snakemake imports every installed ``snakemake_logger_plugin_*`` package before it
reads ``sys.argv``; this one moves the words after these options that are no ``NAME=VALUE`` to the front,
where argparse takes them for targets.  A line that Snakemake understands already is left as it is.  The log
handler itself adds nothing to Snakemake's own output.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase

OPTIONS = {"--resources", "--res", "--config", "-C"}


def targets_first(arguments: list[str]) -> list[str]:
    """Move the bare words that follow ``--resources`` or ``--config NAME=VALUE …`` to the front."""
    targets: list[str] = []
    kept: list[str] = []
    among_values = False
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*targets, *kept, *arguments[position:]]
        if argument.startswith("-"):
            among_values = argument in OPTIONS
        if among_values and not argument.startswith("-") and "=" not in argument:
            targets.append(argument)
        else:
            kept.append(argument)
    return [*targets, *kept]


class LogHandler(LogHandlerBase):
    """A handler that writes nothing; it exists because Snakemake's plugin registry asks for one."""

    def __post_init__(self) -> None:
        """Nothing to set up."""

    def emit(self, record: logging.LogRecord) -> None:
        """Drop the record: Snakemake's own handlers print it."""

    @property
    def writes_to_stream(self) -> bool:
        """Not to a stream."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """Nor to a file."""
        return False

    @property
    def has_filter(self) -> bool:
        """No filter of its own."""
        return True

    @property
    def has_formatter(self) -> bool:
        """No formatter of its own."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No need of the rule graph."""
        return False


if sys.argv and Path(sys.argv[0]).name in {"snakemake", "snakemake.exe"}:
    sys.argv[1:] = targets_first(sys.argv[1:])
