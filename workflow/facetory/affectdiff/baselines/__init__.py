"""Five published baselines: as released with Affect-Diff, and after their own papers."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING

from facetory.affectdiff.baselines.recipes import recipe
from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown

if TYPE_CHECKING:
    from facetory.affectdiff.baselines.layers import Network
    from facetory.affectdiff.spec import BaselineSpec

__all__ = ["NAMES", "build_baseline", "recipe"]

NAMES = {"tfn": "TFN", "mult": "MulT", "misa": "MISA", "mmim": "MMIM", "tetfn": "TETFN"}


def build_baseline(spec: BaselineSpec) -> Network:
    """The network; ``spec.sizes`` replaces its keyword-only sizes.

    `FacetoryError` for a size that the network does not have or cannot have.
    """
    module = import_module(f"facetory.affectdiff.baselines.{spec.size}.{spec.network}")
    network = getattr(module, NAMES[spec.network])
    where = f"{NAMES[spec.network]} ({spec.size})"
    known = [p.name for p in signature(network).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name, size in spec.sizes.items():
        if name not in known:
            raise unknown("size", name, known, where)
        if size < 1:
            raise FacetoryError(f"{where}: {name} is {size}. Use at least 1.")
    return network(spec.dims, spec.classes, spec.masks, **spec.sizes)
