"""Authors' checkpoints, read whole or not at all.

``checkpoints/<network>.json`` lists every tensor of an authors' file by name and shape: the ``weights`` of
our network, and what is ``unused``, the parts that their forward pass never calls and the tables that ours
computes.  A name too many, a name too few, or another shape, is an error: nothing is loaded in part.  The
other entries: ``source`` of the list; ``head``, the weights whose first axis is the number of classes;
``classes`` in the authors' order by dataset; ``blanks``, classes of theirs that the file mentions and nobody
needs; ``parameters``, counts beside the published one; ``renamed``, patterns of the file's names and what
stands for them in ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facetory.pipeline.files import FacetoryError, read_json, sha256_of

if TYPE_CHECKING:
    from torch import Tensor, nn

LISTS = Path(__file__).with_name("checkpoints")
WRAPPERS = ("state_dict", "model_state_dict")
"""Under which of their files' entries authors keep the weights; a file may also be the weights alone."""
SAFETENSORS = ".safetensors"
SHOWN = 5


class Blank:
    """Stands in for a class of the authors' training script: keeps nothing, does nothing."""

    def __new__(cls, *args: object) -> Blank:
        """The same blank, whatever it is made from."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def load(network: nn.Module, name: str, path: Path | str) -> dict[str, Any]:
    """Fill a network of the paper's size from its authors' checkpoint, strictly.

    ``name`` is the network's ("poster", "posterpp", …).  Returns what to record of it: sha256 of the file,
    number of tensors loaded and unused, where the list of names comes from, and the authors' order of
    classes.  Raises a `FacetoryError` if the file is missing, holds code, or differs in any name or shape.
    """
    listed = read_json(LISTS / f"{name}.json")
    weights = read_weights(path, listed.get("blanks", ()))
    expected = expected_shapes(network, listed, name)
    check(weights, expected, name, path)
    network.load_state_dict({own_name(key, listed): weights[key] for key in listed["weights"]})
    return {
        "sha256": sha256_of(path),
        "tensors": len(listed["weights"]),
        "unused": len(listed.get("unused", {})),
        "source": listed["source"],
        "classes": listed["classes"],
    }


def expected_shapes(network: nn.Module, listed: Mapping[str, Any], name: str) -> dict[str, tuple[int, ...]]:
    """Shapes that the file must hold: the listed ones, with the network's number of classes."""
    own = shapes(network.state_dict())
    names = {key: own_name(key, listed) for key in listed["weights"]}
    listed_weights = {key: tuple(shape) for key, shape in listed["weights"].items()}
    heads = {key: own[names[key]] for key in listed["head"] if names[key] in own}
    expected = listed_weights | heads
    if own != {names[key]: shape for key, shape in expected.items()} or len(heads) < len(listed["head"]):
        raise FacetoryError(
            f"{name}: a network of another size cannot read its authors' checkpoint. "
            "Build it with size 'paper', or train it without 'weights'."
        )
    return expected | {key: tuple(shape) for key, shape in listed.get("unused", {}).items()}


def own_name(key: str, listed: Mapping[str, Any]) -> str:
    """What our network calls a tensor of the file."""
    for pattern, name in listed.get("renamed", {}).items():
        key = re.sub(pattern, name, key)
    return key


def shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its name."""
    return {key: tuple(tensor.shape) for key, tensor in weights.items()}


def check(
    weights: Mapping[str, Tensor], expected: Mapping[str, Sequence[int]], name: str, path: Path | str
) -> None:
    """Raise a `FacetoryError` that names the first few missing, unexpected and misshapen tensors."""
    found = shapes(weights)
    problems = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "misshapen": [
            f"{key} {found[key]} instead of {tuple(shape)}"
            for key, shape in expected.items()
            if key in found and found[key] != tuple(shape)
        ],
    }
    if any(problems.values()):
        told = "; ".join(f"{len(keys)} {kind}: {_first(keys)}" for kind, keys in problems.items() if keys)
        raise FacetoryError(
            f"{path}: not the authors' checkpoint of {name} ({told}). "
            "Download it again, and check that it belongs to this network and dataset."
        )


def _first(keys: Sequence[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (" …" if len(keys) > SHOWN else "")


def read_weights(path: Path | str, blanks: Sequence[str] = ()) -> dict[str, Tensor]:
    """The tensors of a PyTorch or safetensors file by name, without wrapper and `DataParallel`'s "module.".

    Nothing that the file holds is run: classes named in ``blanks`` become `Blank`, any other is refused with
    a `FacetoryError`, as is a broken file.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(path)
    try:
        if path.suffix == SAFETENSORS:
            return load_file(path)
        with torch.serialization.safe_globals([(Blank, blank) for blank in blanks]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FacetoryError(
            f"{path}: the checkpoint is missing. Download it from its authors' page and place it there."
        ) from error
    except Exception as error:  # what a foreign file makes torch.load raise is not fixed
        raise FacetoryError(f"{path}: {_refusal(path, str(error))}") from error
    return _unwrapped(content, path)


def _refusal(path: Path, reason: str) -> str:
    if not (foreign := re.search(r"GLOBAL (\S+)", reason)):
        kind = "safetensors" if path.suffix == SAFETENSORS else "PyTorch"
        return f"truncated, or not a {kind} file. Download it again."
    target = path.with_stem(f"{path.stem}-tensors")
    return (
        f"it holds {foreign[1]}, which would be run by opening it, so it was left closed. If you trust its "
        "authors, copy its tensors into a file without code, on a machine that you can spare, and place that "
        f"file instead: python -c \"import torch; c = torch.load('{path.name}', 'cpu', weights_only=False); "
        f"torch.save(next((c[k] for k in {WRAPPERS} if k in c), c), '{target.name}')\""
    )


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    from torch import Tensor

    if isinstance(content, Mapping):
        content = next((content[key] for key in WRAPPERS if key in content), content)
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise FacetoryError(
            f"{path}: holds no weights (an optimiser's state, perhaps). "
            "Download the checkpoint whose page says that it can be evaluated."
        )
    return {key.removeprefix("module."): tensor for key, tensor in content.items()}
