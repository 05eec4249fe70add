"""Figs. 2 and 3 as diagrams of the code's own components: prompts, grids, losses, defaults.

The CSV beside each figure lists its boxes and the code that each one stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from facetory.emodc import losses
from facetory.emodc.grids import TIMESTEPS, grid
from facetory.emodc.prompts import NON_CLASS_PROMPT, prompts
from facetory.emodc.spec import EmoDCTrainSpec
from facetory.report import drawing
from facetory.report.drawing import GREY, PALETTE, Box, beside
from facetory.report.labels import as_mathtext, plain_mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEY = {"frozen": "frozen network", "trained": "fine-tuned network", "text": "text", "result": "computed"}
EASY, HARD = 0.35, 0.9
"""Errors d_p of the two samples of Figs. 3(b) and 3(c), in units of the drawing."""
DRAWN_ALPHA, DRAWN_MARGIN = 0.45, 0.28
"""Weight and margin as drawn: the real ones would not be seen."""
Rows = list[dict[str, Any]]
Loss = Callable[..., Any]
Margin = Callable[[float], float]


def fig2(classes: Sequence[str], steps: int = 100) -> tuple[Figure, Rows]:
    """The inference pipeline: a noisy latent under every class prompt, errors, argmin (Eq. 8)."""
    boxes = inference_boxes(classes, steps)
    height = max(box.y + box.height for box in boxes) + 4
    figure = drawing.sheet(9.6, height / 10, "The same noise serves all classes at a timestep.")
    axes = drawing.canvas(figure.subplots(), 96, height)
    place = {box.name: box for box in boxes}
    for box in boxes:
        drawing.box(axes, box)
    _face(axes, place["face image"])
    for one, other in (
        ("face image", "VAE encoder"),
        ("VAE encoder", "latent"),
        ("latent", "noisy latent"),
        ("noise", "noisy latent"),
        ("noisy latent", "network"),
        ("class prompts", "text encoder"),
        ("text encoder", "network"),
        ("network", "errors"),
        ("errors", "mean"),
        ("mean", "decision"),
    ):
        drawing.arrow(axes, *beside(place[one], place[other]))
    drawing.key(axes, 1, height - 2, KEY)
    return figure, _rows(boxes)


def inference_boxes(classes: Sequence[str], steps: int) -> list[Box]:
    """The components of Fig. 2."""
    chosen, count = grid(steps), len(classes)
    tall = 5 + 1.6 * (count + 1)
    texts = [f"$c_{{{i}}}$: {plain_mathtext(text)}" for i, text in enumerate(prompts(classes)[:count], 1)]
    errors = [
        rf"$d_{{{i}}} = \Vert \epsilon_\theta(x_t, t, c_{{{i}}}) - \epsilon \Vert^2$"
        for i in range(1, count + 1)
    ]
    timesteps = ", ".join(map(str, chosen if steps <= 3 else chosen[:2]))
    timesteps += "" if steps <= 3 else f", …, {chosen[-1]}"
    return [
        Box("face image", 1, 8.5, 9, 9, "", "data", "facetory.diffusion.encode"),
        Box("VAE encoder", 15, 9.5, 9, 7, "VAE\nencoder", "frozen", "facetory.diffusion.latents.posterior"),
        Box("latent", 29, 9.5, 9, 7, "latent\n$x_0$", "result", "facetory.emodc.inputs.read_latents"),
        Box(
            "noise",
            51,
            0.5,
            14,
            4,
            r"noise $\epsilon \sim \mathcal{N}(0, I)$",
            "result",
            "facetory.pipeline.randomness.normal",
        ),
        Box(
            "noisy latent",
            51,
            8.5,
            14,
            9,
            "noisy latent\n" r"$x_t = \sqrt{\bar\alpha_t}\,x_0 +$" "\n" r"$\sqrt{1-\bar\alpha_t}\,\epsilon$",
            "result",
            "facetory.diffusion.schedule.add_noise",
        ),
        Box(
            "class prompts",
            1,
            21.5,
            34,
            tall,
            "\n".join([rf"$N_c$ = {count} class prompts", *texts]),
            "text",
            "facetory.emodc.prompts.prompts",
        ),
        Box(
            "text encoder",
            39,
            18 + tall / 2,
            8,
            7,
            "text\nencoder",
            "frozen",
            "facetory.diffusion.text.embed",
        ),
        Box(
            "network",
            51,
            21.5,
            14,
            tall,
            "UNet\n"
            r"$\epsilon_\theta(x_t, t, c)$"
            f"\n\none forward\nper class\nand timestep\n($t$ of {TIMESTEPS})",
            "trained",
            "facetory.emodc.classifier.model",
        ),
        Box(
            "errors",
            70,
            21.5,
            25,
            tall,
            "\n".join(["noise-prediction errors", *errors]),
            "result",
            "facetory.emodc.errors.noise_prediction_errors",
        ),
        Box(
            "mean",
            70,
            8.5,
            14,
            9,
            f"mean over\n{steps} timestep{'s' if steps > 1 else ''}\n{timesteps}",
            "result",
            "facetory.emodc.decisions.mean_errors",
        ),
        Box(
            "decision",
            87,
            8.5,
            8,
            9,
            "argmin:\n" r"$c_{pred}$",
            "result",
            "facetory.emodc.decisions.predictions",
        ),
    ]


def fig3(classes: Sequence[str]) -> tuple[Figure, Rows]:
    """(a) AMDiT's training step; (b) a fixed and (c) an adaptive margin for an easy and a hard sample."""
    note = (
        "(a) All prompts of a sample share its timestep and noise. (b, c) A radius is an error: the filled "
        "disc is the positive prompt's, the dashed circle the error that the loss asks of the negative "
        f"prompt, where it becomes zero. Margins are enlarged: runs use m_f = {_default('margin'):g} and "
        f"α = {_default('alpha'):g}."
    )
    figure = drawing.sheet(11, 4.6, note)
    parts: Any = figure.subfigures(1, 2, width_ratios=(72, 38))
    axes = drawing.canvas(parts[0].subplots(), 72, 43)
    boxes = training_boxes(classes)
    place = {box.name: box for box in boxes}
    for box in boxes:
        drawing.box(axes, box)
    network = place["network"]
    for prompt in ("positive", "negative", "non-negative"):
        own, error = place[f"{prompt} prompt"], place[f"{prompt} error"]
        for pair in ((own, network), (network, error), (error, place["loss"])):
            drawing.arrow(axes, *beside(*pair))
    drawing.arrow(axes, *beside(place["noisy latent"], network))
    drawing.key(axes, 1, 41, {kind: KEY[kind] for kind in ("trained", "text", "result")})
    drawing.title(axes, "(a) AMDiT")
    rows = _rows(boxes)
    margins: tuple[tuple[Loss, Margin], ...] = ((losses.fmdit, _fixed), (losses.amdit, _adaptive))
    for own, letter, (loss, margin) in zip(parts[1].subplots(2, 1), "bc", margins, strict=True):
        rows += _circles(drawing.canvas(own, 43, 24), letter, loss, margin)
    return figure, rows


def training_boxes(classes: Sequence[str]) -> list[Box]:
    """The components of Fig. 3(a); the paper's happy face under a disgusted prompt where there are both."""
    positive, negative = ("happiness", "disgust") if {"happiness", "disgust"} <= {*classes} else classes[:2]
    texts = dict(zip(classes, prompts(classes), strict=False))
    quoted = [f"“{plain_mathtext(texts[name])}”" for name in (positive, negative)]
    rank = _default("lora_rank")
    error = "facetory.emodc.errors.noise_prediction_errors"
    source = "facetory.emodc.prompts.prompts"
    ys = {"positive": 35.5, "negative": 25, "non-negative": 13}
    symbols = {"positive": "$d_p$", "negative": "$d_n$", "non-negative": "$d_{nn}$"}
    return [
        Box("positive prompt", 1, 32, 28, 7, f"positive prompt $c_p$\n{quoted[0]}", "text", source),
        Box(
            "negative prompt",
            1,
            20.5,
            28,
            9,
            f"negative prompt $c_n$: one of the\n{len(classes) - 1} other classes at random\n{quoted[1]}",
            "text",
            source,
        ),
        Box(
            "non-negative prompt",
            1,
            8,
            28,
            10,
            "non-negative prompt $c_{nn}$: one of\n$c_p$\n"
            f"$c_{{nc}}$ “{NON_CLASS_PROMPT}”\n"
            r"$\varnothing$ “” (null)",
            "text",
            source,
        ),
        Box(
            "network",
            34,
            8,
            11,
            31,
            r"UNet $\epsilon_\theta$" f"\nwith\nLoRA of\nrank {rank}",
            "trained",
            "facetory.diffusion.lora.inject",
        ),
        Box(
            "noisy latent",
            34,
            0.5,
            11,
            5.5,
            "noisy latent\n$x_t$",
            "result",
            "facetory.diffusion.schedule.add_noise",
        ),
        *(Box(f"{name} error", 49, y - 2.5, 5, 5, symbols[name], "result", error) for name, y in ys.items()),
        Box(
            "loss",
            58,
            8,
            13.5,
            31,
            "$L_{AMDiT}$ =\nmax($d_p$ − $d_n$\n"
            r"+ $\alpha\,d_{nn}$, 0)"
            "\n\n"
            rf"$\alpha$ = {_default('alpha'):g}",
            "result",
            "facetory.emodc.losses.amdit",
        ),
    ]


def _fixed(d_p: float) -> float:
    return DRAWN_MARGIN


def _adaptive(d_p: float) -> float:
    return DRAWN_ALPHA * d_p


def _circles(axes: Axes, letter: str, loss: Loss, margin: Margin) -> Rows:
    """An easy and a hard sample: the disc d_p, and the dashed circle d_p + margin, where the loss ends."""
    from matplotlib.patches import Circle

    scale, rows = 7.4, []
    symbol = "$m_f$" if margin is _fixed else r"$\alpha d_{nn}$"
    for name, d_p, x in (("easy", EASY, 8.0), ("hard", HARD, 29.0)):
        d_n, centre = d_p + margin(d_p), (x, 13.0)
        axes.add_patch(Circle(centre, scale * d_p, facecolor=PALETTE["sky"], edgecolor=PALETTE["blue"]))
        axes.add_patch(
            Circle(centre, scale * d_n, fill=False, edgecolor=PALETTE["vermillion"], linestyle="--", lw=1.4)
        )
        axes.text(*centre, "$d_p$", ha="center", va="center", fontsize=8)
        inner, outer = x + scale * d_p, x + scale * d_n
        axes.plot([inner, outer], [centre[1]] * 2, color=PALETTE["black"], linewidth=1.6)
        axes.text(outer + 0.5, centre[1], symbol, ha="left", va="center", fontsize=8)
        axes.text(x + 0.74 * scale * d_n, centre[1] - 0.74 * scale * d_n, "$d_n$", va="top", fontsize=8)
        axes.text(x, 0.4, f"{name} sample", ha="center", va="bottom", fontsize=7.5, color=GREY)
        drawn = {"kind": "circle", "d_p": d_p, "d_n_at_zero_loss": d_n, "margin": margin(d_p)}
        rows.append(_row(f"({letter}) {name} sample", loss.__doc__ or "", _name(loss)) | drawn)
    summary = (loss.__doc__ or "").partition(" (EmoDC")[0]
    axes.set_title(as_mathtext(f"({letter}) {summary.replace(' max(', chr(10) + 'max(')}"))
    return rows


def _face(axes: Axes, box: Box) -> None:
    """A smiling face in the middle of a box."""
    from matplotlib.patches import Arc, Circle

    x, y = box.x + box.width / 2, box.y + box.height / 2
    axes.add_patch(Circle((x, y), 3.4, facecolor="#FBE3C4", edgecolor=GREY))
    for side in (-1.2, 1.2):
        axes.add_patch(Circle((x + side, y + 1), 0.35, color=GREY))
    axes.add_patch(Arc((x, y - 0.4), 3.2, 2.6, theta1=200, theta2=340, color=GREY, lw=1.4))
    axes.text(x, box.y - 0.6, box.name, ha="center", va="top", fontsize=7.5)


def _default(field: str) -> Any:
    return EmoDCTrainSpec.model_fields[field].default


def _rows(boxes: Sequence[Box]) -> Rows:
    return [_row(box.name, " ".join(box.text.split()), box.code) | {"kind": box.kind} for box in boxes]


def _row(name: str, text: str, code: str) -> dict[str, Any]:
    circle = dict.fromkeys(("d_p", "margin", "d_n_at_zero_loss"))
    return {"component": name, "kind": "", "text": " ".join(text.split()), "code": code, **circle}


def _name(function: Loss) -> str:
    return f"{function.__module__}.{function.__qualname__}"
