"""The histogram of a folder of one's own: genuine and impostor scores, and their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from facetory.adaptdiff.histogram_figure import COLOURS, METRICS, densities_of, panel, span
from facetory.report import drawing

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    Drawn = tuple[Figure, list[dict[str, Any]]]


def folder_histogram(records: Mapping[str, np.ndarray], about: Mapping[str, Any], name: str) -> Drawn:
    """One panel of what `separation.separation` found of the folder ``name``, and its bins."""
    own = densities_of(records)
    note = (
        f"{about['genuine']:,} genuine and {about['impostor']:,} impostor scores of {about['identities']} "
        f"people, judged by {about['judge']}."
    )
    figure = drawing.sheet(4.6, 3.4, note)
    axes = figure.subplots()
    metrics = {key: about["metrics"][key]["value"] for key in METRICS}
    panel(axes, own, [f"{METRICS[key]:<7} {v:.3f}" for key, v in metrics.items() if v is not None])
    axes.set_xlim(span([own]))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("density")
    drawing.title(axes, name)
    figure.legend(loc="outside upper center", ncols=2)
    return figure, [
        {"scores": kind, "left": left, "right": right, "density": value}
        for kind in COLOURS
        for left, right, value in zip(
            own.edges[:-1].round(6).tolist(),
            own.edges[1:].round(6).tolist(),
            getattr(own, kind).round(6).tolist(),
            strict=True,
        )
    ]
