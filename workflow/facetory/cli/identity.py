"""`facetory identity`: pretrain the demo's identity networks and its identity-conditioned generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.cli.options import unwrapped
from facetory.pipeline.config import WORKFLOW

app = typer.Typer(no_args_is_help=True, help="The demo's identity networks and generator.")


@app.callback()
def identity() -> None:
    """Keep `pretrain` a verb of its own."""


HELP = """Pretrain two identity networks that share no people, then a generator told the contexts of one.

Writes context.safetensors, judge.safetensors, generator/, manifest.json and README.md. With the defaults
and the renders of `anny_pretrain` it makes models/demo-identity again, in about 40 minutes of one core:

facetory identity pretrain --packed results/demo/pretraining/packed.safetensors --folder demo-identity
"""


@app.command("pretrain", help=unwrapped(HELP))
def pretrain(
    packed: Annotated[Path, typer.Option(help="Renders packed by `facetory backbone pack`.")],
    folder: Annotated[
        Path, typer.Option(help="Folder to write; what lies there is kept by parts of 0 steps.")
    ],
    first_stage: Annotated[
        Path | None,
        typer.Option(help="Snapshot folder of the autoencoder; default: the project's models/demo-faces."),
    ] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Default: <folder>.checkpoints.")] = None,
    context_steps: Annotated[int, typer.Option(help="Of the network that embeds contexts.")] = 2400,
    judge_steps: Annotated[int, typer.Option(help="Of the network that judges.")] = 2400,
    generator_steps: Annotated[int, typer.Option(help="Of the identity-conditioned UNet.")] = 7500,
    embedder_batch: Annotated[int, typer.Option()] = 128,
    generator_batch: Annotated[int, typer.Option()] = 64,
    embedder_lr: Annotated[float, typer.Option()] = 2e-3,
    generator_lr: Annotated[float, typer.Option()] = 1e-3,
    embedding: Annotated[int, typer.Option(help="Components of an embedding.")] = 24,
    architecture: Annotated[str, typer.Option(help="Of adaptdiff/architectures.py.")] = "demo_idiff",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="torch threads on the CPU.")] = 1,
    log_every: Annotated[int, typer.Option()] = 50,
    seed: Annotated[int, typer.Option(help="Of context network and generator; the judge's is the next.")] = 0,
) -> None:
    """Pretrain two identity networks, then a generator told the contexts of one."""
    from facetory.adaptdiff.pretrain import pretrain as run
    from facetory.adaptdiff.pretraining import Place, Pretraining
    from facetory.pipeline.gpu import lease
    from facetory.training.loop import Schedule

    def schedule(steps: int, batch_size: int, lr: float, seed: int, **own: float) -> Schedule:
        return Schedule(
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            betas=(0.9, 0.99),
            decay="cosine",
            warmup=min(100, steps // 10),
            checkpoint_every=max(1, steps // 10),
            log_every=log_every,
            validate_every=max(1, steps // 10),
            threads=threads,
            seed=seed,
            **own,  # type: ignore[arg-type]
        )

    settings = Pretraining(
        schedule(context_steps, embedder_batch, embedder_lr, seed, weight_decay=0.05, clip=5.0),
        schedule(judge_steps, embedder_batch, embedder_lr, seed + 1, weight_decay=0.05, clip=5.0),
        schedule(generator_steps, generator_batch, generator_lr, seed, ema=0.999),
        embedding,
        architecture=architecture,
    )
    first_stage = first_stage or WORKFLOW.parent / "models" / "demo-faces"
    checkpoints = checkpoints or folder.with_name(folder.name + ".checkpoints")
    with lease(int(device == "cuda")):
        record = run(settings, Place(packed, first_stage, folder, checkpoints, device))
    for part in ("context", "judge", "generator"):
        print(part, {name: value for name, value in record[part].items() if name != "last"})
