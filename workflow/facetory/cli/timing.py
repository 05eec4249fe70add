"""`facetory emodc time`: how fast EmoDC and the discriminative classifiers are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import Folder, SpecText, spec_of
from facetory.emodc.timing_spec import EmoDCTimingSpec


def timing(
    spec: SpecText,
    faces: Annotated[Path, typer.Option(help="ledger.csv of a folder of aligned faces.")],
    text: Annotated[Path, typer.Option(help="Text embeddings of the dataset's prompts.")],
    backbone: Annotated[
        Path, typer.Option(help="Backbone: its manifest, or its folder in diffusers' layout.")
    ],
    run: Annotated[Path, typer.Option(help="The EmoDC run's folder.")],
    folder: Folder,
    classifier: Annotated[
        list[Path] | None,
        typer.Option(help="A discriminative classifier's folder; one for each of the spec's, in its order."),
    ] = None,
) -> None:
    """Measure milliseconds a face and frames a second, alone on the machine (Table IX)."""
    from facetory.emodc.timing import time_emodc
    from facetory.pipeline.gpu import lease

    asked = spec_of(EmoDCTimingSpec, spec)
    with lease(int(asked.device == "cuda")):
        time_emodc(asked, faces, text, backbone, run, classifier or [], folder, asked.device)
