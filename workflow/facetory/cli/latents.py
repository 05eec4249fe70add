"""`facetory latents`: the faces of a split through a backbone's autoencoder, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="Cached latents of aligned faces.")


@app.command("encode")
def encode(
    faces: Annotated[Path, typer.Option(help="ledger.csv of a folder of aligned faces.")],
    backbone: Annotated[Path, typer.Option(help="The backbone's manifest.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")],
    px: Annotated[int, typer.Option(help="Side to which faces are resized before they are encoded.")],
    output: Annotated[Path, typer.Option(help="The latents file to write (safetensors).")],
    corruption: Annotated[str, typer.Option(help="What was done to the faces.")] = "clean",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"], typer.Option(help="bf16 and fp16 are for a GPU.")
    ] = "fp32",
    batch_size: Annotated[int, typer.Option(help="Faces at a time.")] = 16,
    threads: Annotated[int, typer.Option(help="torch threads on the CPU; 0: as it is.")] = 0,
) -> None:
    """Encode the faces of one split, and their mirror images, into posterior means and log-variances."""
    from facetory.diffusion.encode import encode as run
    from facetory.pipeline.gpu import lease

    with lease(int(device == "cuda")):
        run(faces, backbone, split, px, output, corruption, device, precision, batch_size, threads)
