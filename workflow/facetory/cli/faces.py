"""`facetory faces`: from an index to aligned faces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.pipeline.files import FacetoryError

app = typer.Typer(no_args_is_help=True, help="Faces: detection and alignment by MTCNN.")

ALIGN_HELP = """Detect, crop and resize every face of an index; a face not found is kept whole and flagged.

Examples:

  facetory faces align --index /tmp/fer/index.csv --folder /tmp/fer/faces --align-px 128 --processes 2

  facetory faces align --index index.csv --folder faces --selection most_central --margin 0.3
"""


@app.command(help=ALIGN_HELP)
def align(
    index: Annotated[Path, typer.Option(help="The index.csv of a dataset.")],
    folder: Annotated[Path, typer.Option(help="Where images/, ledger.csv, contact_sheet.png go.")],
    align_px: Annotated[int, typer.Option(help="Side of the aligned faces in pixels.")] = 512,
    margin: Annotated[float, typer.Option(help="Margin as a fraction of the face box's longer side.")] = 0.15,
    selection: Annotated[str, typer.Option(help="largest, most_central or most_probable.")] = "largest",
    min_probability: Annotated[float, typer.Option(help="Least score of a face, 0 to 1.")] = 0.9,
    processes: Annotated[int, typer.Option(help="Processes, each with one thread.")] = 1,
    spec: Annotated[str | None, typer.Option(help="The settings as JSON, as the rules give them.")] = None,
) -> None:
    """See `ALIGN_HELP`."""
    from facetory.faces.align import align as align_index
    from facetory.pipeline.config import Faces

    faces = Faces.model_validate_json(spec) if spec is not None else None
    if faces is not None:
        align_px, margin = faces.px, faces.margin
        selection, min_probability = faces.selection, faces.min_probability
    if not index.is_file():
        raise FacetoryError(f"{index}: no such index. Make it with `facetory data index`.")
    align_index(index, folder, align_px, margin, selection, min_probability, processes)


@app.callback()
def main() -> None:
    """Keep `align` a verb while it is the only one."""
