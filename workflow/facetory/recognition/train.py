"""Training a discriminative classifier by cross-entropy, or taking its authors' checkpoint over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import FacetoryError, read_json, sha256_of, write_tensors
from facetory.pipeline.fingerprint import fingerprint
from facetory.pipeline.provenance import manifest
from facetory.recognition.networks import build, parameters, prepare_for
from facetory.recognition.spec import ClassifierSpec
from facetory.recognition.views import Views, face_views, latent_views

if TYPE_CHECKING:
    from torch import nn

    from facetory.recognition.expressions import Expressions
    from facetory.training.loop import Schedule


def train_classifier(
    spec: ClassifierSpec,
    source: Path | str,
    folder: Path | str,
    checkpoints: Path | str,
    device: str = "cpu",
    weights: Path | str | None = None,
) -> None:
    """Train a classifier: weights.safetensors, progress.jsonl and manifest.json in ``folder``.

    ``source`` is the ledger.csv of aligned faces, or for the view "latents" the latents of the training
    split.  With ``weights``, its authors' checkpoint, nothing is trained and ``source`` is not read.  A run
    that diverges is a result: its manifest has status "failed" with the reason, and no weights are left.
    """
    folder = Path(folder)
    result, manifest_path = folder / "weights.safetensors", folder / "manifest.json"
    if (spec.weights is None) != (weights is None):
        raise FacetoryError(
            "--weights: the spec's `weights` and the file go together: give both, or neither."
        )
    for stale in (result, manifest_path):
        stale.unlink(missing_ok=True)
    inputs = [weights or source]
    with manifest(
        manifest_path, "classifier train", spec.canonical(), ["recognition.train"], inputs, device, spec.seed
    ) as record:
        if weights is not None:
            network, about = authors_network(spec, weights)
            record["origin"] = {"file": spec.weights, "trained_further": False} | about["origin"]
        else:
            from facetory.training.loop import TrainingDiverged

            try:
                network, about, record["training"] = _trained(
                    spec, source, folder, Path(checkpoints), fingerprint(record), device
                )
            except TrainingDiverged as error:
                record |= {"status": "failed", "reason": str(error)}
                return
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_tensors(result, tensors, about)
        record |= {
            "status": "trained",
            "classes": about["classes"],
            "parameters": parameters(network),
            "outputs": {result.name: sha256_of(result)},
        }


def authors_network(spec: ClassifierSpec, weights: Path | str) -> tuple[nn.Module, dict[str, Any]]:
    """A network with its authors' weights, all of which must fit, and what our file says of them."""

    from facetory.recognition.checkpoint import LISTS, load

    listed = LISTS / f"{spec.network}.json"
    known = read_json(listed)["classes"] if listed.exists() else {}
    classes = spec.weights_classes or known.get(spec.dataset)
    if not classes:
        raise FacetoryError(
            f"{weights}: the order of the classes that {spec.network} puts out for {spec.dataset} is not "
            "known. Name them in `weights_classes`."
        )
    network = build(spec, len(classes))
    origin = load(network, spec.network, weights)
    return network, {"classes": list(classes), "channels": 3, "side": spec.px, "origin": origin}


def _trained(
    spec: ClassifierSpec, source: Path | str, folder: Path, checkpoints: Path, key: str, device: str
) -> tuple[nn.Module, dict[str, Any], dict[str, Any]]:
    """The trained network, what its file says of it, and the loop's outcome."""
    from facetory.recognition.cnn import standardise
    from facetory.training.loop import train

    data = latent_views(source, True) if spec.view == "latents" else face_views(source, "train", spec.px)
    channels, _, side = data.views.shape[2:]
    network = build(spec, len(data.classes), channels, side)
    standardise(network, data.views[:, 0])
    task = task_of(spec, data, network, device)
    outcome = train(task, schedule_of(spec), folder, checkpoints / key, key=key, name=spec.id, device=device)
    return network, {"classes": data.classes, "channels": channels, "side": side}, outcome


def task_of(spec: ClassifierSpec, data: Views, network: nn.Module, device: str) -> Expressions:
    """What the training loop trains: the network on a split's images, or on noisy latents."""
    if spec.network == "latent_cnn":
        from facetory.recognition.latent_cnn import NoisyExpressions

        return NoisyExpressions(data, network, prepare_for(spec), spec, device)
    from facetory.recognition.expressions import Expressions

    return Expressions(
        data, network, prepare_for(spec), spec.seed, "classifier", spec.label_smoothing, device
    )


def schedule_of(spec: ClassifierSpec) -> Schedule:
    """The loop's schedule: AdamW whose rate rises over the first tenth of the steps."""
    from facetory.training.loop import Schedule

    return Schedule.of(spec, warmup=max(1, spec.steps // 10))
