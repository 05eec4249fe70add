"""A classifier from a folder of one's own labelled images: every stage of the pipeline, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from facetory.data.stage import index
from facetory.diffusion.catalogue import backbone as backbone_spec
from facetory.emodc.export import Made, export, opened, run_card
from facetory.emodc.model_folder import Model, read_model
from facetory.emodc.own_plan import Plan, Request, plan_own
from facetory.emodc.prompts import embed_prompts, prompts
from facetory.pipeline.files import FacetoryError, read_json
from facetory.pipeline.once import once

Say = Callable[[str], None]


class Places(NamedTuple):
    """Where everything goes that is made on the way, laid out as results/<scale>/."""

    dataset: Path
    faces: Path
    backbone: Path
    text: Path
    latents: dict[str, Path]
    run: Path
    evaluation: Path
    checkpoints: Path
    done: Path


def train_own(request: Request, model: Path | str, say: Say = print) -> Model:
    """Train a classifier on a folder with a folder per class and write it to ``model``.

    What is made on the way lies in ``<model>.work`` beside it; a killed training goes on there where it
    stopped, and a changed request does again what depends on the change.  Images that are too few, of one
    class only or unreadable, and backbones that are not placed, are a `FacetoryError` before anything is
    computed.
    """
    model = Path(model)
    plan = plan_own(request)
    places = _places(plan, model.with_name(f"{model.name}.work"))
    classes = plan.entry.own_classes
    for name, text in zip(classes, prompts(classes, plan.adjectives), strict=False):
        say(f"{name}: “{text}”")
    _prepare(plan, request, places, say)
    _learn(plan, places, say)
    say("6/6 writing the model")
    manifests = (places.backbone, places.faces / "manifest.json", places.dataset / "manifest.json")
    made = Made(places.run, places.text, *manifests, places.evaluation)
    opening = opened(made, name=model.name)
    export(opening, model)
    run_card(opening)
    return read_model(model).about


def _places(plan: Plan, work: Path) -> Places:
    name, train = plan.entry.name, plan.train
    latents = work / "latents" / train.backbone / name / str(train.px) / "clean"
    return Places(
        work / "datasets" / name,
        work / "faces" / name,
        work / "backbones" / train.backbone / "manifest.json",
        work / "text" / train.backbone / f"{name}.safetensors",
        {split: latents / f"{split}.safetensors" for split in ("train", plan.split)},
        work / "runs" / train.id,
        work / "evaluations" / plan.evaluation.id,
        work / "checkpoints" / train.id,
        work / "done",
    )


def _prepare(plan: Plan, request: Request, places: Places, say: Say) -> None:
    """Index, faces, prompts and latents."""
    from facetory.diffusion.encode import encode
    from facetory.diffusion.place import place
    from facetory.faces.align import align

    train, faces, classes = plan.train, plan.settings.scale.faces, plan.entry.own_classes
    backbone, encoder = places.backbone, backbone_spec(train.backbone).text_encoder
    say("1/6 images: reading every one")
    index(plan.entry, Path(plan.entry.place), places.dataset)
    place(backbone_spec(train.backbone), request.data_root, backbone)
    say("2/6 faces: finding and cutting them")
    how = (faces.px, faces.margin, faces.selection, faces.min_probability)
    align(places.dataset / "index.csv", places.faces, *how, processes=request.processes)
    _tell_of_whole(places.faces, say)
    say("3/6 prompts and latents")
    folder, ledger = read_json(backbone)["folder"], places.faces / "ledger.csv"
    _once(
        "prompts",
        [classes, plan.adjectives],
        ["emodc.prompts"],
        [],
        [places.text],
        places,
        lambda: embed_prompts(classes, encoder, folder, places.text, plan.adjectives),
    )
    for split, path in places.latents.items():

        def make(split: str = split, path: Path = path) -> None:
            outputs, device = {"clean": path}, train.device
            encode(
                ledger,
                backbone,
                split,
                train.px,
                outputs,
                device=device,
                threads=train.threads,
                classes=classes,
            )

        asked = [classes, train.px, train.device]
        _once(f"latents-{split}", asked, ["diffusion.encode"], [ledger], [path], places, make)


def _learn(plan: Plan, places: Places, say: Say) -> None:
    """Training, and the measurement on the images held out."""
    from facetory.emodc.evaluate import evaluate_emodc
    from facetory.emodc.train import train_emodc

    train, (learnt, held_out) = plan.train, (places.latents[split] for split in ("train", plan.split))
    adapter = places.run / "adapter.safetensors"
    say(f"4/6 training: {train.steps} steps under {train.loss}")
    _once(
        "train",
        train.canonical(),
        ["emodc.train"],
        [learnt, places.text],
        [places.run / "manifest.json", adapter],
        places,
        lambda: train_emodc(
            train, learnt, places.text, places.backbone, places.run, places.checkpoints, train.device
        ),
    )
    about: dict[str, Any] = read_json(places.run / "manifest.json")
    if about["status"] != "trained":
        raise FacetoryError(
            f"{places.run}: training failed: {about['reason']} Try another loss, or fewer steps."
        )
    say(f"5/6 measuring on the {plan.split} split")
    latents = {"clean": held_out}
    _once(
        "evaluate",
        plan.evaluation.canonical(),
        ["emodc.evaluate"],
        [held_out, places.text, adapter],
        [places.evaluation / "manifest.json", places.evaluation / "clean.safetensors"],
        places,
        lambda: evaluate_emodc(
            plan.evaluation,
            latents,
            places.text,
            places.backbone,
            places.run,
            places.evaluation,
            device=train.device,
        ),
    )


def _once(
    name: str,
    asked: Any,
    code: Iterable[str],
    inputs: Iterable[Path],
    outputs: Iterable[Path],
    places: Places,
    do: Callable[[], None],
) -> None:
    """`pipeline.once.once` for a stage that depends on the backbone's weights too."""
    request = [asked, read_json(places.backbone)["sha256"]]
    once(places.done / f"{name}.json", request, code, inputs, outputs, do)


def _tell_of_whole(aligned: Path, say: Say) -> None:
    """Say how many images go on whole, because no face was found in them."""
    by_split = read_json(aligned / "manifest.json")["by_split"]
    whole = sum(split["kept_whole"] for split in by_split.values())
    total = sum(sum(split.values()) for split in by_split.values())
    if whole:
        say(f"no face was found in {whole} of {total} images; they are kept whole ({aligned / 'ledger.csv'})")
