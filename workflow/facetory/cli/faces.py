"""`facetory faces`: from an index to aligned faces, and from a generator to synthetic ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import unwrapped
from facetory.cli.synthetic_faces import FACES_HELP, ModelFirst, make
from facetory.pipeline.files import FacetoryError

app = typer.Typer(
    cls=ModelFirst,
    no_args_is_help=True,
    help="Faces: `facetory faces MODEL --out DIR` draws synthetic identities (`facetory faces make --help`); "
    "the commands below detect and align the faces of datasets by MTCNN.",
)
app.command("make", help=unwrapped(FACES_HELP))(make)

ALIGN_HELP = """Detect, crop and resize every face of an index; a face not found is kept whole and flagged.

Examples:

  facetory faces align --index /tmp/fer/index.csv --folder /tmp/fer/faces --align-px 128 --processes 2

  facetory faces align --index index.csv --folder faces --selection most_central --margin 0.3

  facetory faces align --index index.csv --folder faces_noise30 --corruption noise30 --images-per-class 100
"""


@app.command(help=ALIGN_HELP)
def align(
    index: Annotated[Path, typer.Option(help="The index.csv of a dataset.")],
    folder: Annotated[Path, typer.Option(help="Where images/, ledger.csv, contact_sheet.png go.")],
    align_px: Annotated[int, typer.Option(help="Side of the aligned faces in pixels.")] = 512,
    margin: Annotated[float, typer.Option(help="Margin as a fraction of the face box's longer side.")] = 0.15,
    selection: Annotated[
        str, typer.Option(help="largest, most_central, most_probable; none: they come aligned.")
    ] = "largest",
    min_probability: Annotated[float, typer.Option(help="Least score of a face, 0 to 1.")] = 0.9,
    processes: Annotated[int, typer.Option(help="Processes, each with one thread.")] = 1,
    corruption: Annotated[
        str, typer.Option(help="Corrupt each picture before faces are looked for in it (noise10 … blur15).")
    ] = "clean",
    noise_seed: Annotated[int, typer.Option(help="Seed of the noise of noise10 … noise50.")] = 0,
    images_per_class: Annotated[
        int | None, typer.Option(min=1, help="Of each class of a split so many pictures; all if left out.")
    ] = None,
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
    align_index(
        index,
        folder,
        align_px,
        margin,
        selection,
        min_probability,
        processes,
        corruption=corruption,
        noise_seed=noise_seed,
        images_per_class=images_per_class,
    )


@app.command()
def corruptions(
    faces: Annotated[Path, typer.Option(help="ledger.csv of a folder of aligned faces.")],
    output: Annotated[Path, typer.Option(help="The PNG to write.")],
    sample: Annotated[str | None, typer.Option(help="sample_id; the first aligned face if left out.")] = None,
    noise_seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
) -> None:
    """Draw one face under every corruption, at the resolution at which it was aligned."""
    from facetory.faces.contact_sheet import write_corruptions

    write_corruptions(output, faces, sample, noise_seed)
