"""What an editor is exported from, in miniature: random networks, fabricated measures, drawn faces."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DModel
from facetory.faces.crop import Alignment
from facetory.pipeline.files import sha256_of, write_json, write_tensors
from facetory.pipeline.spec import BackboneSpec
from facetory.recognition.networks import build
from facetory.recognition.spec import ClassifierSpec
from facetory.smc.export import Made, beside, export, opened
from facetory.smc.sampler_spec import Sampler
from facetory.smc.spec import EditSpec, MeasureSpec, SMCTrainSpec

PX = 16
CLASSES = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
ALIGNMENT = Alignment(align_px=32, margin=0.1)
TRAIN = SMCTrainSpec(
    dataset="anny_basic", also=("orl",), backbone="tiny", px=PX, steps=7, architecture="tiny"
)
SAMPLER = Sampler(particles=3, inference_steps=10, noise_strength=0.5)
PEOPLE, FACES = 4, 12


def guide_spec(view: str = "faces") -> ClassifierSpec:
    return ClassifierSpec(network="cnn", size="small", view=view, dataset="anny_basic", px=PX, steps=3)


def edit_spec(guide: ClassifierSpec, **changes) -> EditSpec:
    own = {
        "dataset": "anny_basic",
        "split": "test",
        "images": FACES,
        "target": "happiness",
        "sampler": SAMPLER,
    }
    return EditSpec(**{"train": TRAIN, "guide": guide} | own | changes)


def made(root: Path, view: str = "faces") -> Made:
    """Everything that `export` reads, under a folder of results."""
    torch.manual_seed(3)
    diffusion, classifier = root / "diffusions" / TRAIN.id, root / "classifiers" / guide_spec(view).id
    blocks = ("DownBlock2D", "DownBlock2D"), ("UpBlock2D", "UpBlock2D")
    unet = UNet2DModel(
        sample_size=8, in_channels=4, out_channels=4, down_block_types=blocks[0], up_block_types=blocks[1],
        block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4,
    )  # fmt: skip
    unet.save_pretrained(diffusion / "unet", safe_serialization=True)
    spec = TRAIN.model_dump(mode="json")
    write_json(diffusion / "manifest.json", {"status": "trained", "spec": spec, "outputs": {}})
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4, sample_size=PX,
    )  # fmt: skip
    vae.save_pretrained(root / "snapshot" / "vae", safe_serialization=True)
    backbone = BackboneSpec(name="tiny", source="tiny", px=PX, parts=("vae",), licence="CC0-1.0 (random)")
    placed = {"status": "placed", "folder": str(root / "snapshot"), "spec": backbone.model_dump(mode="json")}
    write_json(root / "backbones" / "tiny" / "manifest.json", placed)
    _classifier(classifier, guide_spec(view))
    detection = ALIGNMENT.detection._asdict()
    faces = {"spec": {**ALIGNMENT._asdict(), "detection": detection, "corruption": "clean"}}
    write_json(root / "faces" / "anny_basic" / "manifest.json", faces)
    counts = {"train": dict.fromkeys(CLASSES, 8), "test": {}}
    dataset = {"title": "drawn faces", "licence": "CC0", "counts": counts}
    write_json(root / "datasets" / "anny_basic" / "manifest.json", dataset)
    return beside(diffusion, classifier, [_measures(root, guide_spec(view))])


def _classifier(folder: Path, spec: ClassifierSpec) -> None:
    channels, side = (4, 8) if spec.view == "latents" else (3, PX)
    network = build(spec, len(CLASSES), channels, side)
    about = {"classes": CLASSES, "channels": channels, "side": side}
    write_tensors(folder / "weights.safetensors", dict(network.state_dict()), about)
    outputs = {"weights.safetensors": sha256_of(folder / "weights.safetensors")}
    trained = {"status": "trained", "spec": spec.model_dump(mode="json"), "classes": CLASSES}
    write_json(folder / "manifest.json", trained | {"outputs": outputs})


def _measures(root: Path, guide: ClassifierSpec) -> Path:
    """Twelve faces of four people; nine were eligible, six of these flipped; one has no identity."""
    spec = MeasureSpec(edit=edit_spec(guide), judge=guide.model_copy(update={"seed": 5}), identity="dlib")
    folder, number = root / "measures" / spec.id, np.arange(FACES)
    tensors = {
        "eligible": number < 9,
        "flipped": (number < 6) | (number >= 9),
        "guide_target": np.full(FACES, 0.9),
        "judge_target": number / FACES,
        "realism": np.full(FACES, 0.99),
        "identity": np.where(number == 0, np.nan, 0.8),
        "identity_reconstruction": np.full(FACES, np.nan),
        "distance": np.full(FACES, 0.3),
        "distance_reconstruction": np.full(FACES, 0.1),
    }
    persons = [f"p{i % PEOPLE}" for i in number]
    write_tensors(
        folder / "measures.safetensors",
        tensors,
        {"sample_ids": [f"s{i}" for i in number], "persons": persons, "judge_classes": CLASSES},
    )
    write_json(folder / "manifest.json", {"status": "measured", "spec": spec.model_dump(mode="json")})
    return folder


def exported(root: Path, view: str = "faces") -> Path:
    """The folder of an exported editor."""
    export(opened(made(root, view), "drawn", batch_rows=4), root / "model")
    return root / "model"
