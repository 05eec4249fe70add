"""The file formats of weights and of foreign data, and what shows that one of them was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from typing import NamedTuple

from facetory.rehearsal.functions import Function, lines_with
from facetory.rehearsal.traces import Lines, Trace


class Format(NamedTuple):
    """A format and its evidence: one process ran all of ``readers``, and more where ``file`` says so.

    A reader is ``module:function``, or ``module:function > text`` for the line of it that holds the text.
    ``file`` is a pattern of a path that some stage's manifest has to name among its inputs; `facetory
    rehearse readers` serves as well where it says that it read the weights called ``weights``.
    """

    readers: tuple[str, ...]
    file: str = ""
    weights: str = ""


AUTHORS = ("recognition.train:authors_network", "recognition.checkpoint:load")
PYTORCH = "recognition.checkpoint:read_weights > torch.load("
SAFETENSORS = "recognition.checkpoint:read_weights > load_file("
FROZEN = "data.mosei.frozen:load > from_pretrained("

FORMATS: dict[str, Format] = {
    "diffusers snapshot: UNet": Format(
        ("diffusion.backbone:load_unet", "diffusion.backbone:load_part > from_pretrained(")
    ),
    "diffusers snapshot: VAE": Format(
        ("diffusion.backbone:load_vae", "diffusion.backbone:load_part > from_pretrained(")
    ),
    "diffusers snapshot: scaling factor that its configuration lacks": Format(
        ("diffusion.backbone:load_vae > register_to_config",)
    ),
    "diffusers snapshot: CLIP text encoder": Format(
        ("diffusion.text:_clip > CLIPTextModel.from_pretrained",)
    ),
    "diffusers snapshot: hashes of its files": Format(("diffusion.place:place", "diffusion.place:parts_of")),
    "snapshot of an unconditional UNet": Format(("diffusion.unconditional:load_unconditional",)),
    "package all-MiniLM-L6-v2": Format(("diffusion.text:_minilm",)),
    "LDM first stage (.ckpt), converted": Format(("diffusion.vq:first_stage", "diffusion.vq:convert")),
    "APViT (.pth)": Format((*AUTHORS, "recognition.apvit:apvit", PYTORCH), "*/apvit_*.pth"),
    "POSTER (.pth)": Format((*AUTHORS, "recognition.poster:poster", PYTORCH), "*/poster_*.pth"),
    "POSTER++ (.pth)": Format((*AUTHORS, "recognition.posterpp:posterpp", PYTORCH), "*/posterpp_*.pth"),
    "ViT (.safetensors)": Format(
        (*AUTHORS, "recognition.vit:vit", SAFETENSORS), "*/checkpoints/*.safetensors"
    ),
    "Inception-v3 of FID (.pth)": Format(
        ("recognition.features:filled", "recognition.inception:InceptionV3.*")
    ),
    "EfficientNet-Lite0 (.pth)": Format(
        ("recognition.features:filled", "recognition.efficientnet_lite:EfficientNetLite0.*")
    ),
    "FaceNet (.pt)": Format(("recognition.facenet:inception_resnet", "recognition.features:filled", PYTORCH)),
    "ElasticFace-Arc (.pth)": Format(
        ("recognition.elasticface:elasticface_embedder", PYTORCH), "*/elasticface_arc_r100.pth"
    ),
    "ElasticFace-Cos (.pth)": Format(
        ("recognition.elasticface:elasticface_embedder", PYTORCH), "*/elasticface_cos_r100.pth"
    ),
    "IDiff-Face (.ckpt)": Format(("adaptdiff.released:authors_generator", PYTORCH), "*/idiff_face_*.ckpt"),
    "IDiff-Face's noise schedule": Format(("adaptdiff.released:_same_betas > torch.allclose",)),
    **{
        f"{title} (model.safetensors or pytorch_model.bin)": Format((FROZEN,), f"*/{folder}/*", name)
        for title, name, folder in (
            ("RoBERTa", "roberta", "roberta-base"),
            ("BERT", "bert", "bert-base-uncased"),
            ("HuBERT", "hubert", "hubert-base-ls960"),
            ("wav2vec 2.0", "wav2vec2", "wav2vec2-base-960h"),
            ("CLIP-ViT", "clip", "clip-vit-base-patch16"),
        )
    },
    "LoRA adapter": Format(("diffusion.lora:load",)),
    "training checkpoint": Format(("training.checkpoints:newest > handle.get_tensor",)),
    "dlib's landmarks (.dat)": Format(("recognition.dlib_embedder:aligner",)),
    "dlib's ResNet (.dat)": Format(("recognition.dlib_resnet:load", "recognition.dlib_resnet:parameters")),
    "demo's identity network (.safetensors)": Format(("recognition.demo_identity:*",)),
    "MXNet records (.rec, .idx)": Format(
        ("data.recordio:records", "data.recordio:unpack", "data.recordio:read_keys")
    ),
    "pairs of insightface (.bin, a pickle)": Format(
        ("data.verification_bin:read_bin", "data.restricted_pickle:load_plain")
    ),
    "computational sequences (.csd)": Format(("data.mosei.csd:open_csd", "data.mosei.csd:Csd.*")),
    "IJB-C's lists": Format(("data.ijbc:read_protocol", "data.ijbc:read_integers", "data.ijbc:_faces")),
    "AffectNet's arrays (.npy)": Format(("data.affectnet:_annotated", "data.affectnet:_stored")),
}
"""By what a reader of the page calls it."""


def unread(wanted: Format, trace: Trace, known: Mapping[str, Function], files: Iterable[str]) -> str | None:
    """What is missing to show that a format was read, or None; ``files`` are the inputs of all manifests."""
    if any(read.name == wanted.weights and read.status == "read" for read in trace.read):
        return None
    masks = {name: readers_of(name, known) for name in wanted.readers}
    missing = ([name for name, own in masks.items() if not _ran(own, lines)] for lines in trace.processes)
    if rest := min(missing, key=len, default=list(masks)):
        return f"no process entered {' and '.join(rest)}"
    if wanted.file and not matching(wanted, files):
        return f"no stage names an input {wanted.file}"
    return None


def matching(wanted: Format, files: Iterable[str]) -> list[str]:
    """The inputs of manifests that a format's pattern fits."""
    return sorted({file for file in files if wanted.file and fnmatch(file, wanted.file)})


def readers_of(name: str, known: Mapping[str, Function]) -> list[tuple[Function, int]]:
    """The functions that a reader's name stands for, each with the mask of the lines that count."""
    pattern, _, text = name.partition(" > ")
    found = [function for full, function in known.items() if fnmatch(full, pattern)]
    return [
        (function, counted)
        for function in found
        if (counted := _lines(function) & (lines_with(function.file, text) if text else -1))
    ]


def _ran(readers: Iterable[tuple[Function, int]], lines: Lines) -> bool:
    return any(lines.get(function.file, 0) & counted for function, counted in readers)


def _lines(function: Function) -> int:
    every = 0
    for statement in function.statements:
        every |= statement
    return every
