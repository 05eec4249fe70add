"""`facetory smc`: train the latent diffusion model, draw from it, edit faces and measure the edits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import Checkpoints, Folder, SpecText, spec_of
from facetory.smc.spec import (
    EditSpec,
    MeasureSpec,
    ReconstructionSpec,
    SampleSpec,
    SmallDecoderSpec,
    SMCTrainSpec,
)

app = typer.Typer(no_args_is_help=True, help="SMC: counterfactual emotions by sequential Monte Carlo.")

Backbone = Annotated[Path, typer.Option("--backbone", help="The autoencoder's manifest.")]
Latents = Annotated[list[Path], typer.Option("--latents", help="Cached latents (safetensors); repeatable.")]
Faces = Annotated[Path, typer.Option("--faces", help="ledger.csv of aligned faces.")]
Diffusion = Annotated[Path, typer.Option("--diffusion", help="Folder of the trained diffusion model.")]
Guide = Annotated[Path, typer.Option("--guide", help="Folder of the guiding classifier.")]
DataRoot = Annotated[Path, typer.Option("--data-root", help="Where weights are placed (weights/).")]


@app.command("train")
def train(spec: SpecText, latents: Latents, folder: Folder, checkpoints: Checkpoints) -> None:
    """Train the unconditional latent diffusion model; a run that diverges leaves its reason (exit 0)."""
    from facetory.pipeline.gpu import lease
    from facetory.smc.train import train_smc

    asked = spec_of(SMCTrainSpec, spec)
    with lease(int(asked.device == "cuda")):
        train_smc(asked, latents, folder, checkpoints, asked.device)


@app.command("distil")
def distil(
    spec: SpecText, latents: Latents, backbone: Backbone, folder: Folder, checkpoints: Checkpoints
) -> None:
    """Distil a small decoder from the autoencoder's."""
    from facetory.pipeline.gpu import lease
    from facetory.smc.small_decoder import train_small_decoder

    asked = spec_of(SmallDecoderSpec, spec)
    with lease(int(asked.device == "cuda")):
        train_small_decoder(asked, latents[0], backbone, folder, checkpoints, asked.device)


@app.command("sample")
def sample(spec: SpecText, diffusion: Diffusion, backbone: Backbone, folder: Folder) -> None:
    """Draw faces from pure noise."""
    from facetory.pipeline.gpu import lease
    from facetory.smc.sample import sample_smc

    asked = spec_of(SampleSpec, spec)
    with lease(int(asked.device == "cuda")):
        sample_smc(asked, diffusion, backbone, folder, asked.device)


@app.command("edit")
def edit(
    spec: SpecText,
    diffusion: Diffusion,
    guide: Guide,
    faces: Faces,
    backbone: Backbone,
    folder: Folder,
    decoder: Annotated[Path | None, typer.Option(help="Folder of a small decoder.")] = None,
) -> None:
    """Edit faces of a split towards one expression; `facetory edit` edits photographs."""
    from facetory.pipeline.gpu import lease
    from facetory.smc.edit import edit_smc

    asked = spec_of(EditSpec, spec)
    with lease(int(asked.device == "cuda")):
        edit_smc(asked, diffusion, guide, faces, backbone, folder, asked.device, decoder)


@app.command("measure")
def measure(
    spec: SpecText,
    edit: Annotated[Path, typer.Option(help="Folder of the edit.")],
    guide: Guide,
    judge: Annotated[Path, typer.Option(help="Folder of the independent classifier.")],
    folder: Folder,
    data_root: DataRoot = Path("data"),
) -> None:
    """Measure an edit: guide and judge, realism, identity, perceptual distance, features."""
    from facetory.pipeline.gpu import lease
    from facetory.smc.measure import measure_smc

    asked = spec_of(MeasureSpec, spec)
    with lease(int(asked.device == "cuda")):
        measure_smc(asked, edit, guide, judge, folder, data_root, asked.device)


@app.command("reconstruct")
def reconstruct(
    spec: SpecText, faces: Faces, backbone: Backbone, folder: Folder, data_root: DataRoot = Path("data")
) -> None:
    """Record how well the autoencoder alone reconstructs each face of a split."""
    from facetory.pipeline.gpu import lease
    from facetory.smc.reconstruct import reconstruct_smc

    asked = spec_of(ReconstructionSpec, spec)
    with lease(int(asked.device == "cuda")):
        reconstruct_smc(asked, faces, backbone, folder, data_root, asked.device)
