"""Fig. 1 as a diagram of a model spec's own components (Affect-Diff, Section IV).

The CSV beside it lists its boxes and the code that each one stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facetory.affectdiff.bars import Rows
from facetory.affectdiff.spec import ModelSpec
from facetory.report import drawing
from facetory.report.drawing import GREY, Box, beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 104, 54
LANES = {"text": (40.5, "T"), "audio": (31.5, "A"), "video": (22.5, "V")}
FRONT = {"text": "Linear, positions", "audio": "Conv1d 5, GroupNorm", "video": "Conv1d 3, GroupNorm"}
KEY = {"data": "data", "trained": "trained network", "result": "computed", "text": "auxiliary or task loss"}
CODE = "facetory.affectdiff"
CONDITIONS = {"softmax": "weights $w$", "column_sums": r"column sums $A^\top 1$", "none": "no graph"}
RULE = (
    "Dashed: to the losses, all auxiliary but the task's. sg: stop-gradient, so that the prior trains "
    "without changing the encoder."
)
WITHOUT_DECODER = "The paper's optional reconstruction decoder is off."


def fig1(spec: ModelSpec, reading: str) -> tuple[Figure, Rows]:
    """Encoders, causal graph, fusion, posterior, and what is made of z: a class, a prior, the input."""
    from facetory.affectdiff.counts import parameter_counts

    counts = parameter_counts(spec)
    boxes = architecture_boxes(spec)
    named = {key: f"{value / 1e6:.2f} M" for key, value in counts.items()}
    rule = RULE if spec.prior_width else RULE.partition(" sg")[0]
    rule += "" if spec.decoder else f" {WITHOUT_DECODER}"
    note = (
        f"Reading {reading}: {named['total']} parameters with the prior's running mean, "
        f"{named['trainable']} trained, {named['without_prior']} without the prior; a small "
        f"scale's runs have fewer. {rule}"
    )
    figure = drawing.sheet(WIDTH / 10, HEIGHT / 10, note)
    axes = drawing.canvas(figure.subplots(), WIDTH, HEIGHT)
    place = {box.name: box for box in boxes}
    for box in boxes:
        drawing.box(axes, box)
    for one, other in arrows(spec):
        drawing.arrow(axes, *beside(place[one], place[other]))
    for one, other in losses(spec):
        _dashed(axes, *beside(place[one], place[other]))
    if spec.prior_width:
        (x, top), (_, bottom) = beside(place["latent"], place["prior"])
        axes.text(x - 0.8, (top + bottom) / 2, "sg", ha="right", va="center", fontsize=7.5, color=GREY)
    drawing.key(axes, 1, HEIGHT - 2.4, KEY)
    return figure, [
        {"component": box.name, "kind": box.kind, "text": " ".join(box.text.split()), "code": box.code}
        for box in boxes
    ]


def arrows(spec: ModelSpec) -> list[tuple[str, str]]:
    """What leads to what."""
    lanes = [(name, f"{name} encoder") for name in LANES] + [(f"{name} encoder", "graph") for name in LANES]
    told = spec.prior_width and spec.graph != "none" and spec.condition != "none"
    return [
        *lanes,
        ("graph", "fusion"),
        ("fusion", "posterior"),
        ("posterior", "latent"),
        ("latent", "classifier"),
        *([("latent", "prior")] if spec.prior_width else []),
        *([("graph", "weights"), ("weights", "prior")] if told else []),
        *([("latent", "decoder")] if spec.decoder else []),
    ]


def losses(spec: ModelSpec) -> list[tuple[str, str]]:
    """Which component has which loss."""
    return [
        ("classifier", "L_task"),
        *([("graph", "L_causal")] if spec.graph != "none" else []),
        *([("posterior", "L_KL")] if spec.vae else []),
        *([("prior", "L_diff")] if spec.prior_width else []),
        *([("decoder", "L_recon")] if spec.decoder else []),
    ]


def architecture_boxes(spec: ModelSpec) -> list[Box]:
    """The components of Fig. 1, with the spec's sizes written into them."""
    boxes = []
    for (name, (y, letter)), size in zip(LANES.items(), spec.dims, strict=True):
        data = f"{name} $x^{letter}$\n{spec.length} × {size}"
        norm = "LayerNorm\n" if spec.modality_norm else ""
        inner = f"{norm}{FRONT[name]}\nTransformer: {spec.layers} layers,\n{spec.heads} heads"
        boxes += [
            Box(name, 1, y, 10, 7, data, "data", f"{CODE}.batches"),
            Box(f"{name} encoder", 14, y, 17, 7, inner, "trained", f"{CODE}.encoders"),
        ]
    told = spec.prior_width and spec.graph != "none" and spec.condition != "none"
    shown = CONDITIONS[spec.condition]
    boxes += [
        Box("graph", 35, 22.5, 15, 25, _graph(spec), "trained", f"{CODE}.graph"),
        Box("fusion", 54, 36, 14, 11.5, _fusion(spec), "trained", f"{CODE}.model.AffectDiff"),
        Box("posterior", 72, 36, 15, 11.5, _posterior(spec), "trained", f"{CODE}.model.Posterior"),
        Box("latent", 54, 26, 49, 5, _latent(spec), "result", f"{CODE}.model.Encoded"),
        Box("classifier", 88, 10, 15, 11.5, _classifier(spec), "trained", f"{CODE}.classifier"),
        Box("L_task", 90, 1.5, 11, 4.5, r"$\mathcal{L}_{\mathrm{task}}$", "text", f"{CODE}.losses"),
    ]
    if spec.graph != "none":
        boxes.append(
            Box("L_causal", 29, 13, 9, 4.5, r"$\mathcal{L}_{\mathrm{causal}}$", "text", f"{CODE}.losses")
        )
    if spec.vae:
        boxes.append(Box("L_KL", 93, 39.5, 10, 4.5, r"$\mathcal{L}_{\mathrm{KL}}$", "text", f"{CODE}.losses"))
    if told:
        boxes.append(Box("weights", 40, 13, 11, 5, shown, "result", f"{CODE}.graph.importance"))
    if spec.prior_width:
        loss = r"$\mathcal{L}_{\mathrm{diff}}$"
        boxes += [
            Box("prior", 54, 10, 19, 11.5, _prior(spec), "trained", f"{CODE}.unet1d.UNet1D"),
            Box("L_diff", 58, 1.5, 11, 4.5, loss, "text", f"{CODE}.losses"),
        ]
    if spec.decoder:
        loss = r"$\mathcal{L}_{\mathrm{recon}}$"
        boxes += [
            Box(
                "decoder",
                75,
                10,
                11,
                11.5,
                "decoder\n$\\hat x^T, \\hat x^A, \\hat x^V$",
                "trained",
                f"{CODE}.decoder",
            ),
            Box("L_recon", 75.5, 1.5, 10, 4.5, loss, "text", f"{CODE}.losses"),
        ]
    return boxes


def _graph(spec: ModelSpec) -> str:
    if spec.graph == "none":
        return "no graph:\n\nfeatures pass\nas they are"
    edges = {"notears": "sigmoid edges", "gumbel": "Gumbel-softmax edges"}[spec.graph]
    lines = ("causal attention", "graph", "", edges, r"$A \in [0, 1]^{3\times3}$", "", "importance")
    return "\n".join([*lines, r"$w = \mathrm{softmax}(A^\top 1)$", "", "gated", r"$\tilde h^m = w_m\, h^m$"])


def _fusion(spec: ModelSpec) -> str:
    return f"concat + MLP\nLayerNorm, GELU\n{len(spec.dims) * spec.hidden} → {spec.hidden}"


def _posterior(spec: ModelSpec) -> str:
    kind = "VAE bottleneck" if spec.vae else "bottleneck, no VAE"
    limits = f"[{spec.logvar_min:g}, {spec.logvar_max:g}]".replace("-", "−")
    drawn = rf"$\mu$, $\log\sigma^2$ in {limits}" if spec.vae else r"$\mu$ alone"
    return f"{kind}\n{drawn}\n$d_z$ = {spec.latent}"


def _latent(spec: ModelSpec) -> str:
    return f"latent $z$, {spec.length} × {spec.latent}"


def _classifier(spec: ModelSpec) -> str:
    pool = {"attention": "attention pooling", "mean_attention": "attention + mean\npooling"}[spec.pooling]
    source = ", of denoised $z$" if spec.classify == "denoised" else ""
    return f"classifier{source}\n{pool}\n{spec.classifier_layers}-layer MLP\n{spec.classes} classes"


def _prior(spec: ModelSpec) -> str:
    widths = "–".join(str(spec.prior_width * factor) for factor in (1, 2, 4))
    told = "" if spec.condition == "none" or spec.graph == "none" else ", $w$"
    return f"1-D U-Net prior\nwidths {widths}\n{spec.prior_timesteps} steps, cosine\ntold $t$, $y$ or ∅{told}"


def _dashed(axes: Axes, start: Sequence[float], end: Sequence[float]) -> None:
    style: dict[str, Any] = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style | {"linestyle": (0, (3, 2))})  # type: ignore[arg-type]
