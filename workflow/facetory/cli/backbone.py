"""`facetory backbone`: place or fetch published weights; pack renders and pretrain a demo's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facetory.pipeline.spec import Precision

app = typer.Typer(no_args_is_help=True, help="The latent-diffusion backbones.")


DataRoot = Annotated[Path, typer.Option("--data-root", help="Where the user places data and weights.")]


@app.command("place")
def place(
    spec: Annotated[str, typer.Option(help="The backbone's spec as JSON.")],
    data_root: DataRoot,
    manifest: Annotated[Path, typer.Option(help="The manifest to write.")],
) -> None:
    """Check a backbone's weights against their hashes and record where they lie."""
    from facetory.diffusion.place import place as run
    from facetory.pipeline.spec import BackboneSpec

    run(BackboneSpec.parse(spec), data_root, manifest)


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="A name of diffusion/backbones.yaml, such as sd21-base.")],
    data_root: DataRoot = Path("data"),
) -> None:
    """Download a backbone's snapshot, in full precision, from its source or a mirror."""
    from facetory.diffusion.catalogue import backbone
    from facetory.diffusion.place import fetch as run

    print(run(backbone(name), data_root))


@app.command("convert")
def convert(
    name: Annotated[str, typer.Argument(help="A name of diffusion/backbones.yaml: vq-f4.")],
    files: Annotated[
        list[Path], typer.Argument(help="Its authors' checkpoint, or the files it is split in.")
    ],
    data_root: DataRoot = Path("data"),
) -> None:
    """Write a first stage's weights, as its authors give them, as a snapshot."""
    from facetory.diffusion import vq
    from facetory.diffusion.catalogue import backbone, by_conversion
    from facetory.pipeline.files import FacetoryError
    from facetory.recognition.checkpoint import read_weights

    if by_conversion(backbone(name)) is None:
        raise FacetoryError(f"backbone {name} comes as a snapshot: run `facetory backbone fetch {name}`.")
    weights = {key: tensor for file in files for key, tensor in read_weights(file, vq.BLANKS).items()}
    print(vq.convert(weights, data_root / "weights" / name))


@app.command("pack")
def pack(
    faces: Annotated[
        Path, typer.Option(help="Aligned faces or renders: a folder, its ledger.csv or index.csv.")
    ],
    output: Annotated[Path, typer.Option(help="The packed safetensors file.")],
    px: Annotated[int, typer.Option(help="Side of the packed images.")] = 64,
    quality: Annotated[int, typer.Option(help="JPEG quality.")] = 95,
    most_captions: Annotated[int, typer.Option(help="Distinct captions kept.")] = 2500,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
) -> None:
    """Pack small images, captions and their tokens into one file for pretraining."""
    from facetory.diffusion.pack import pack as run

    for name, value in run(faces, output, px, quality, most_captions, split).items():
        print(f"{name}: {value}")


@app.command("pretrain")
def pretrain(
    packed: Annotated[Path, typer.Option(help="File written by `facetory backbone pack`.")],
    folder: Annotated[Path, typer.Option(help="Snapshot folder to write.")],
    architecture: Annotated[
        str, typer.Option(help="demo (its UNet reads captions) or demo-faces (unconditional).")
    ] = "demo",
    checkpoints: Annotated[Path | None, typer.Option(help="Default: <folder>.checkpoints.")] = None,
    vae_steps: Annotated[int, typer.Option(help="0 keeps the autoencoder that lies in the folder.")] = 12000,
    unet_steps: Annotated[int, typer.Option(help="0 keeps the UNet that lies in the folder.")] = 30000,
    vae_batch: Annotated[int, typer.Option()] = 256,
    unet_batch: Annotated[int, typer.Option()] = 1024,
    vae_lr: Annotated[float, typer.Option()] = 5e-4,
    unet_lr: Annotated[float, typer.Option()] = 1e-3,
    latent_channels: Annotated[int | None, typer.Option(help="Default: the architecture's.")] = None,
    kl_weight: Annotated[float, typer.Option()] = 1e-4,
    grey: Annotated[float, typer.Option(help="Share of images the autoencoder sees without colour.")] = 0.0,
    minutes_limit: Annotated[float, typer.Option(help="Bound on both stages together; 0: none.")] = 0.0,
    vae_share: Annotated[float, typer.Option(help="The autoencoder's share of the minutes.")] = 0.5,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto.")] = "auto",
    precision: Annotated[Precision | None, typer.Option(help="no or bf16; default: bf16 on a GPU.")] = None,
    compiled: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Default: on a GPU.")
    ] = None,
    threads: Annotated[int, typer.Option(help="torch threads on the CPU; 0: as it is.")] = 0,
    log_every: Annotated[int, typer.Option()] = 100,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Pretrain a demo's model: autoencoder, then UNet."""
    from facetory.diffusion.pretrain import Place, Pretraining
    from facetory.diffusion.pretrain import pretrain as run
    from facetory.pipeline.gpu import lease, visible_gpus
    from facetory.training.loop import Schedule

    on_gpu = bool(visible_gpus()) if device == "auto" else device == "cuda"
    compiled = on_gpu if compiled is None else compiled
    shares = (vae_share if unet_steps else 1.0, 1 - vae_share if vae_steps else 1.0)

    def schedule(steps: int, batch_size: int, lr: float, share: float) -> Schedule:
        return Schedule(
            steps=steps,
            batch_size=batch_size,
            lr=lr,
            betas=(0.9, 0.99),
            decay="cosine",
            warmup=min(500, steps // 10),
            ema=0.999,
            precision=precision or ("bf16" if on_gpu else "no"),
            checkpoint_every=max(steps // 10, 1),
            log_every=log_every,
            validate_every=max(steps // 10, 1),
            minutes=minutes_limit * share,
            threads=threads,
            seed=seed,
        )

    settings = Pretraining(
        schedule(vae_steps, vae_batch, vae_lr, shares[0]),
        schedule(unet_steps, unet_batch, unet_lr, shares[1]),
        architecture,
        latent_channels,
        kl_weight,
        grey,
        seed,
    )
    checkpoints = checkpoints or folder.with_name(folder.name + ".checkpoints")
    with lease(int(on_gpu)):
        record = run(settings, Place(packed, folder, checkpoints, "cuda" if on_gpu else "cpu", compiled))
    for part in ("vae", "unet"):
        if part in record:
            print(part, {k: v for k, v in record[part].items() if k != "last"})
