"""`facetory latents`: the faces of a split through a backbone's autoencoder, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facetory.pipeline.files import FacetoryError

app = typer.Typer(no_args_is_help=True, help="Cached latents of aligned faces.")


@app.command("encode")
def encode(
    faces: Annotated[Path, typer.Option(help="ledger.csv of a folder of aligned faces.")],
    backbone: Annotated[Path, typer.Option(help="The backbone's manifest.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")],
    px: Annotated[int, typer.Option(help="Side to which faces are resized before they are encoded.")],
    output: Annotated[str, typer.Option(help="The latents file to write; may hold {corruption}.")],
    corruption: Annotated[
        list[str], typer.Option(help="clean, noise10 … noise50, blur2, blur5, blur10, blur15; repeatable.")
    ] = ["clean"],  # noqa: B006
    images_per_class: Annotated[
        int | None,
        typer.Option(min=1, help="Of each class so many faces, chosen by sample id; all if left out."),
    ] = None,
    noise_seed: Annotated[int, typer.Option(help="Seed of the noise of noise10 … noise50.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"], typer.Option(help="bf16 and fp16 are for a GPU.")
    ] = "fp32",
    batch_size: Annotated[int, typer.Option(help="Faces at a time.")] = 16,
    threads: Annotated[int, typer.Option(help="torch threads on the CPU; 0: as it is.")] = 0,
) -> None:
    """Encode the faces of one split into posterior means and log-variances.

    Clean faces are encoded with their mirror images, for training; corrupted ones serve evaluation alone.
    """
    from facetory.diffusion.encode import encode as run
    from facetory.pipeline.gpu import lease

    outputs = {name: output.replace("{corruption}", name) for name in corruption}
    if len(set(outputs.values())) < len(outputs):
        raise FacetoryError(
            f"{output}: several corruptions would be written to one file. Put {{corruption}} into its path."
        )
    with lease(int(device == "cuda")):
        run(
            faces,
            backbone,
            split,
            px,
            outputs,
            images_per_class,
            noise_seed,
            device,
            precision,
            batch_size,
            threads,
        )
