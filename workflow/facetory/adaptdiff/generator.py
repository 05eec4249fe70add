"""The generator of identities: made, written and loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.adaptdiff.architectures import Architecture, architecture
from facetory.adaptdiff.spec import GeneratorSpec
from facetory.pipeline.files import FacetoryError, open_tensors, read_json, read_metadata, write_tensors
from facetory.pipeline.intact import intact
from facetory.pipeline.randomness import stream_key

if TYPE_CHECKING:
    from facetory.adaptdiff.unet import IdentityUNet

WEIGHTS = "unet.safetensors"


def new_generator(spec: GeneratorSpec, latent_shape: Sequence[int], context_size: int) -> IdentityUNet:
    """The UNet before training, for latents (C, h, w) and contexts of ``context_size``.

    Its weights are random, by the spec's seed, or those of ``spec.initial``; a model of another architecture,
    or for other latents, is a `FacetoryError`.
    """
    import torch

    from facetory.adaptdiff.unet import IdentityUNet

    sizes = architecture(
        spec.architecture,
        input_channels=latent_shape[0],
        context_size=context_size,
        context_dropout=spec.context_dropout,
    )
    _check_side(latent_shape, sizes, spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(spec.seed, "adaptdiff", "weights") >> 1)
        unet = IdentityUNet(sizes)
    if spec.initial is not None:
        unet.load_state_dict(_initial(spec, sizes, latent_shape).state_dict())
    return unet


def save_generator(unet: IdentityUNet, folder: Path | str, about: dict[str, Any]) -> Path:
    """Write ``folder``/unet.safetensors in float32, with the architecture beside ``about``; its path."""
    path = Path(folder) / WEIGHTS
    weights = {name: weight.detach().float().cpu().contiguous() for name, weight in unet.state_dict().items()}
    write_tensors(path, weights, {"architecture": unet.architecture.about()} | about)
    return path


def load_generator(folder: Path | str, device: str = "cpu") -> tuple[IdentityUNet, dict[str, Any]]:
    """The frozen UNet of ``folder``/unet.safetensors in float32, and what the file says of it.

    Where the folder's manifest tells the file's hash it is checked.  A generator that was not trained, and
    a file that is no generator, are `FacetoryError`s.
    """
    import torch

    from facetory.adaptdiff.unet import IdentityUNet
    from facetory.recognition.checkpoint import check

    path = Path(folder) / WEIGHTS
    _check_manifest(path)
    about = read_metadata(path)
    if "architecture" not in about:
        raise FacetoryError(f"{path}: no identity-conditioned UNet. `facetory adaptdiff train` writes one.")
    with torch.device("meta"):
        unet = IdentityUNet(Architecture.of(about["architecture"]))
    with open_tensors(path, "pt") as handle:
        weights = {name: handle.get_tensor(name).float() for name in handle.keys()}  # noqa: SIM118
    shapes = {name: tuple(weight.shape) for name, weight in unet.state_dict().items()}
    check(weights, shapes, "the architecture in its metadata", path)
    unet.load_state_dict(weights, assign=True)
    return unet.requires_grad_(False).eval().to(device), about


def _check_manifest(path: Path) -> None:
    manifest = path.with_name("manifest.json")
    if not manifest.is_file():
        return
    record = read_json(manifest)
    if record.get("status") in ("failed", "not_run"):
        raise FacetoryError(f"{path.parent.name}: was not trained: {record['reason']}")
    if path.name in record.get("outputs", {}):
        intact(path)


def _check_side(latent_shape: Sequence[int], sizes: Architecture, spec: GeneratorSpec) -> None:
    least = 2 ** (len(sizes.multipliers) - 1)
    if any(side % least for side in latent_shape[1:]):
        raise FacetoryError(
            f"{spec.id}: latents of {latent_shape[1]} × {latent_shape[2]} do not halve "
            f"{len(sizes.multipliers) - 1} times. Choose px so that their side divides by {least}."
        )


def _initial(spec: GeneratorSpec, sizes: Architecture, latent_shape: Sequence[int]) -> IdentityUNet:
    """The model of ``spec.initial``, of the same sizes but for what training drops of the context."""
    initial, about = load_generator(str(spec.initial))
    own, found = sizes.about(), initial.architecture.about()
    own, found = own | {"latent": list(latent_shape)}, found | {"latent": about["latent"]}
    for name, value in own.items():
        if found[name] != value and name != "context_dropout":
            raise FacetoryError(
                f"{spec.id}: the model in {spec.initial} has {name} {found[name]}, architecture "
                f"{spec.architecture!r} for these latents and contexts has {value}. Name an initial model of "
                "the same architecture, first stage and embedder, or none."
            )
    return initial
