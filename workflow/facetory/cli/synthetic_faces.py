"""`facetory faces MODEL`: a labelled set of synthetic identities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from facetory.pipeline.files import FacetoryError

FACES_HELP = """Draw synthetic identities with several faces each, in a folder per identity.

MODEL is the folder of an exported generator (identity_models/… of a scale's results). Nobody in the pictures
exists: identities are random, and no photograph is read. Beside the pictures, every one of which says in its
metadata that it is synthetic, lie metadata.csv, identities.safetensors (the contexts), contact_sheet.png and
README.txt. A set that was killed goes on from the identities that it has, by the same command.

An image depends on the model, the settings, the seed, its identity and its number: a larger set, in a folder
of its own, holds the smaller one's images unchanged.

Examples:

  facetory faces models/faces --identities 20 --images 8 --out DIR

  facetory faces models/faces --identities 100 --images 50 --out DIR --sampler ddpm --steps 1000 --device cuda

  facetory faces models/faces --identities 20 --images 8 --out DIR --schedule none

  facetory separability DIR
"""


class ModelFirst(TyperGroup):
    """A group whose first word, unless it is a command, is the MODEL of the command `make`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `make` before anything that is no command and no request for help."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


def make(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder for the set.")],
    identities: Annotated[int, typer.Option(min=1, help="How many identities.")] = 20,
    images: Annotated[int, typer.Option(min=1, help="How many images of each.")] = 8,
    first: Annotated[int, typer.Option(min=0, help="Number of the first identity of the pool.")] = 0,
    schedule: Annotated[
        Literal["none", "constant", "linear", "reverse"] | None,
        typer.Option(help="How w runs: none is IDiff-Face, constant NegFaceDiff, linear AdaptDiff."),
    ] = None,
    w_max: Annotated[float | None, typer.Option(min=0, help="How strongly faces are led away.")] = None,
    negative: Annotated[
        Literal["far", "mid", "close", "random", "null"] | None,
        typer.Option(help="Whom each identity is led away from."),
    ] = None,
    sampler: Annotated[
        Literal["ddpm", "ddim", "dpmpp", "unipc"] | None,
        typer.Option(help="ddpm as in the paper; the others need fewer steps."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the sampler.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise; the identities are the model's.")] = 0,
    px: Annotated[int | None, typer.Option(min=16, help="Side of the faces.")] = None,
    alignment: Annotated[
        Literal["mtcnn", "mtcnn_unshifted", "none"] | None,
        typer.Option(help="Turn faces to the template of face recognition, or leave them as drawn."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images drawn at once; another number may round otherwise.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.")
    ] = "auto",
) -> None:
    """See `FACES_HELP`; what is left out is the model's own setting."""
    from facetory.pipeline.gpu import lease, visible_gpus

    on_gpu = bool(visible_gpus()) if device == "auto" else device == "cuda"
    with lease(int(on_gpu)):
        from facetory.adaptdiff.identity_faces import IdentityFaces
        from facetory.adaptdiff.synthetic_set import write_set
        from facetory.training.progress import shown

        faces = IdentityFaces.from_folder(model, "cuda" if on_gpu else "cpu")
        if first + identities > (pool := faces.about.pool):
            left = max(pool - first, 0)
            raise FacetoryError(
                f"{model}: has {pool} identities, {left} from number {first} on, fewer than {identities}. "
                "Ask for fewer, or for more images of each."
            )
        with shown(f"identities by {faces.about.name}", 0, identities) as show:
            spec = write_set(
                faces,
                out,
                first,
                lambda count: show(count, {}),
                identities=identities,
                images=images,
                schedule=schedule,
                w_max=w_max,
                negative=negative,
                sampler=sampler,
                steps=steps,
                seed=seed,
                px=px,
                alignment=alignment,
                batch_rows=batch,
            )
    print(f"{spec.identities} synthetic identities with {spec.images} images each: {out}")
    if faces.about.data.stands_in_for:
        print(f"The model learnt from {faces.about.data.title}, not from {faces.about.data.stands_in_for}.")
