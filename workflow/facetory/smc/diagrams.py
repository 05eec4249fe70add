"""Fig. 1 as a diagram of the code's own components: one step of the guided inference (SMC, Algorithm 1).

The CSV beside it lists its boxes and the code that each one stands for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facetory.report import drawing
from facetory.report.drawing import GREY, Box, beside
from facetory.smc.sampler_spec import Sampler

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]
WIDTH, HEIGHT = 103, 48
LANES = {"1": (36.0, 0.1), "2": (28.5, -0.7), "N": (17.5, 0.9)}
"""The particles that are drawn: height, and how much the decoded face smiles."""
KEY = {"frozen": "frozen network", "trained": "trained diffusion model", "result": "computed"}
POTENTIALS = {
    "absolute": r"(s^j)^\gamma",
    "difference": r"(s^j / s^j_{before})^\gamma",
    "max": r"(\max_{i'\leq i}\, s^j_{i'})^\gamma",
    "sum": r"(\prod_{i'\leq i}\, s^j_{i'})^\gamma",
}
"""The factor that each potential puts on a particle's weight (Singhal et al. 2025, Section 3.2)."""
ARROWS = (
    ("source image", "VAE encoder"),
    ("VAE encoder", "latent"),
    ("latent", "noisy latent"),
    ("noise", "noisy latent"),
    *(("noisy latent", f"particle {j}") for j in LANES),
    *((f"particle {j}", "UNet") for j in LANES),
    *(("VAE decoder", f"decoded {j}") for j in LANES),
    *((f"decoded {j}", "emotion classifier") for j in LANES),
    ("emotion classifier", "weights"),
    ("weights", "resampling"),
    ("resampling", "particle N"),
    ("resampling", "chosen particle"),
    ("chosen particle", "edited image"),
)


def fig1(sampler: Sampler) -> tuple[Figure, Rows]:
    """From a face to its edit: noised, split into particles, denoised, scored, weighted, resampled."""
    boxes = inference_boxes(sampler)
    note = (
        f"γ = {sampler.guidance_scale:g}, N = {sampler.particles}, noise strength {sampler.noise_strength:g} "
        f"of {sampler.inference_steps} inference steps; y is the target emotion. The particles go round "
        "until the timesteps end."
    )
    figure = drawing.sheet(WIDTH / 10, HEIGHT / 10, note)
    axes = drawing.canvas(figure.subplots(), WIDTH, HEIGHT)
    place = {box.name: box for box in boxes}
    _frame(axes)
    for box in boxes:
        drawing.box(axes, box)
    for one, other in ARROWS:
        drawing.arrow(axes, *_between(place[one], place[other]))
    for j, (y, _) in LANES.items():
        drawing.arrow(axes, (place["UNet"].x + place["UNet"].width, y), (place["VAE decoder"].x, y))
        _face(axes, place[f"decoded {j}"], LANES[j][1])
    for name, smile in (("source image", 0.0), ("edited image", 1.0)):
        _face(axes, place[name], smile)
        box = place[name]
        axes.text(box.x + box.width / 2, box.y + box.height + 0.6, name, ha="center", fontsize=7.5)
    for name in ("particle 2", "decoded 2"):
        box = place[name]
        axes.text(box.x + box.width / 2, 23, "⋮", ha="center", va="center", fontsize=11, color=GREY)
    axes.text(43.2, 6.1, "after the\nlast step", ha="center", va="bottom", fontsize=7, color=GREY)
    drawing.key(axes, 1, HEIGHT - 2.4, KEY)
    return figure, [
        {"component": box.name, "kind": box.kind, "text": " ".join(box.text.split()), "code": box.code}
        for box in boxes
    ]


def inference_boxes(sampler: Sampler) -> list[Box]:
    """The components of Fig. 1, with the sampler's settings written into them."""
    low, tall = LANES["N"][0] - 3.5, LANES["1"][0] - LANES["N"][0] + 7
    middle = low + tall / 2
    own = "one a particle" if sampler.initial_noise == "own" else "the same for all"
    scored = "decodes\n" + (r"$\hat z_0(z^j)$" if sampler.scored == "x0" else "$z^j$")
    return [
        Box("source image", 1, middle - 4.5, 9, 9, "", "data", "facetory.faces.views.faces_of"),
        Box(
            "VAE encoder",
            13,
            middle - 4,
            8,
            8,
            "VAE\nencoder\n" r"$\mathcal{E}$",
            "frozen",
            "facetory.diffusion.latents.posterior",
        ),
        Box("latent", 24, middle - 3, 6, 6, "latent\n$z_0$", "result", "facetory.diffusion.latents"),
        Box(
            "noisy latent",
            33,
            middle - 5,
            13,
            10,
            "noisy latent\n" r"$z = \sqrt{\bar\alpha_t}\,z_0 +$" "\n" r"$\sqrt{1-\bar\alpha_t}\,\epsilon$",
            "result",
            "facetory.smc.particles.start_particles",
        ),
        Box(
            "noise",
            32.5,
            middle - 14,
            14,
            5.5,
            r"$\epsilon \sim \mathcal{N}(0, I)$" f"\n{own}",
            "result",
            "facetory.pipeline.randomness.normal",
        ),
        *(
            Box(f"particle {j}", 51, y - 2, 6, 4, f"$z^{j}$", "result", "facetory.smc.particles.smc")
            for j, (y, _) in LANES.items()
        ),
        Box(
            "UNet",
            60,
            low,
            8,
            tall,
            "UNet\n" r"$\epsilon_\theta(z^j, t)$" "\n\none\nreverse\nstep\nof DDPM",
            "trained",
            "facetory.diffusion.sampler.ddpm_step",
        ),
        Box(
            "VAE decoder",
            71,
            low,
            8,
            tall,
            "VAE\ndecoder\n" r"$\mathcal{D}$" f"\n\n{scored}",
            "frozen",
            "facetory.diffusion.pixels",
        ),
        *(
            Box(f"decoded {j}", 82, y - 3, 6, 6, "", "data", "facetory.smc.edit")
            for j, (y, _) in LANES.items()
        ),
        Box(
            "emotion classifier",
            91,
            low,
            10,
            tall,
            "emotion\nclassifier\n" r"$\mathcal{C}$" "\n\n" r"$s^j = \mathcal{C}(\hat x^j)[y]$",
            "frozen",
            "facetory.recognition.guide.Guide",
        ),
        Box("weights", 80, 2, 21, 7, _weights(sampler), "result", "facetory.smc.weights"),
        Box("resampling", 51, 2, 23, 7, _resampling(sampler), "result", "facetory.smc.resampling"),
        Box("chosen particle", 16, 2, 22, 7, _chosen(sampler), "result", "facetory.smc.particles.Outcome"),
        Box("edited image", 1, 1, 9, 9, "", "data", "facetory.smc.edit"),
    ]


def _weights(sampler: Sampler) -> str:
    before = "w^j " if sampler.carry_weights else ""
    carried = "carried on where not resampled" if sampler.carry_weights else "anew at every scoring"
    return rf"weights $w^j \propto {before}{POTENTIALS[sampler.potential]}$" f"\n{carried}"


def _resampling(sampler: Sampler) -> str:
    every = "step" if sampler.resample_interval == 1 else f"{sampler.resample_interval} steps"
    when = f"every {every}" if sampler.ess_threshold == 1 else f"where ESS < {sampler.ess_threshold:g} $N$"
    return f"resample $N$ particles by weight\n{sampler.scheme}, {when}"


def _chosen(sampler: Sampler) -> str:
    how = r"$\arg\max_j\, s^j$" if sampler.final == "argmax" else "drawn by weight $w^j$"
    return f"{'best' if sampler.final == 'argmax' else 'one'} particle, decoded\n{how}"


def _between(one: Box, other: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """`beside`, but slanted from the middle of a box to a particle that lies above or below it."""
    if other.name.startswith("particle") and one.name == "noisy latent":
        return (one.x + one.width, one.y + one.height / 2), (other.x, other.y + other.height / 2)
    return beside(one, other)


def _frame(axes: Axes) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = "round,pad=0,rounding_size=1"
    style: dict[str, Any] = {"fill": False, "edgecolor": GREY, "linestyle": (0, (4, 3)), "linewidth": 0.9}
    axes.add_patch(FancyBboxPatch((48.6, 0.4), 53.9, 43.3, shape, **style))
    axes.text(49.6, 42.9, "one inference step of $N$ particles", va="top", fontsize=7.5, color=GREY)


def _face(axes: Axes, box: Box, smile: float) -> None:
    """A face that fills a box; ``smile`` from −1 (sad) to 1 (happy)."""
    from matplotlib.patches import Circle

    x, y, r = box.x + box.width / 2, box.y + box.height / 2, 0.38 * box.width
    axes.add_patch(Circle((x, y), r, facecolor="#FBE3C4", edgecolor=GREY, linewidth=0.9))
    for side in (-0.35, 0.35):
        axes.add_patch(Circle((x + side * r, y + 0.3 * r), 0.1 * r, color=GREY))
    across = [i / 10 for i in range(-10, 11)]
    mouth = [y + r * (-0.4 + 0.28 * smile * (u * u - 0.5)) for u in across]
    axes.plot([x + 0.45 * r * u for u in across], mouth, color=GREY, linewidth=1.3)
