"""`facetory train`: a classifier from a folder of one's own labelled images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from facetory.pipeline.files import FacetoryError

TRAIN_HELP = """Train a classifier on your own images: a folder with a subfolder of images per class.

Below train/, validation/ and test/, if you like; without these one image in five is held out. Class names may
be any: each gets the prompt "A photo of a {name} facial expression.", with the adjective you give. The model
and its card go to --model, what is made on the way to <model>.work; started again, a killed training goes on.

Examples:

  facetory train ~/faces --model models/mine

  facetory train ~/faces --model models/mine --adjective joy=joyful --adjective calm=calm --steps 400

  facetory train ~/faces --model models/mine --backbone sd21-base --loss base
"""


def train(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A subfolder of images per class.")],
    model: Annotated[Path, typer.Option(help="Folder that receives the model.")],
    loss: Annotated[
        Literal["base", "codit", "fmdit", "amdit"], typer.Option(help="EmoDC's training objective.")
    ] = "amdit",
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps; default: the scale's.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="demo (small, CPU) or sd21-base (Stable Diffusion 2.1, GPU).")
    ] = None,
    scale: Annotated[
        str | None, typer.Option(help="Scale whose settings hold; default: the one made for the backbone.")
    ] = None,
    adjective: Annotated[
        list[str] | None, typer.Option(help="CLASS=ADJECTIVE for its prompt; repeatable.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the images, for the card.")] = "the user's own",
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: what the scale is made for.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    processes: Annotated[
        int | None, typer.Option(min=1, help="For cutting faces; default: all cores.")
    ] = None,
    data_root: Annotated[Path, typer.Option(help="Where fetched backbones lie (weights/).")] = Path("data"),
) -> None:
    """See `TRAIN_HELP`."""
    from rich.console import Console

    from facetory.emodc.model_card import interval
    from facetory.emodc.own_model import train_own
    from facetory.emodc.own_plan import Request, device_of
    from facetory.pipeline.gpu import lease

    console = Console(stderr=True)
    request = Request(
        folder,
        loss,
        steps,
        backbone,
        scale,
        device,
        _pairs(adjective),
        licence,
        seed,
        processes or len(os.sched_getaffinity(0)),
        data_root,
    )
    with lease(int(device_of(request) == "cuda")):
        about = train_own(
            request, model, lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
        )
    for metric in about.metrics:
        if metric.name == "accuracy":
            count = f"{metric.timesteps} timestep{'s' if metric.timesteps > 1 else ''}"
            print(f"accuracy in {count}: {interval(metric)} % (95 %, n = {metric.n}, {about.data.evaluated})")
    print(f"{model}: facetory predict {model} PHOTO…")


def _pairs(adjectives: list[str] | None) -> dict[str, str]:
    pairs = [item.partition("=") for item in adjectives or ()]
    for name, equals, word in pairs:
        if not (name and equals and word.strip()):
            raise FacetoryError(f"--adjective {name}{equals}{word}: write it as CLASS=ADJECTIVE.")
    return {name: word.strip() for name, _, word in pairs}
