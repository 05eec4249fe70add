"""Fig. 2: the UNet's levels, read from the module that the code builds, without weights."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from facetory.report import drawing
from facetory.report.drawing import GREY, Box

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]
WIDTH, BOX, STEP, INDENT = 96, (30.0, 5.6), 7.6, 13.5
"""Size of a box, distance from level to level, and how far the paths step inwards in all."""
KEY = {"frozen": "residual convolutions", "trained": "with self-attention", "result": "input and output"}
CODE = "facetory.diffusion.unconditional.new_unconditional"


class Level(NamedTuple):
    """A part of the UNet: ``path`` "in", "down", "middle", "up" or "out", and what it holds.

    ``side`` is the height and width of the latents at which it works; ``resnets`` and ``attentions`` count
    its residual and self-attention layers, ``parameters`` all its weights.
    """

    name: str
    path: str
    kind: str
    channels: int
    side: int
    resnets: int
    attentions: int
    parameters: int


def levels(architecture: str, channels: int | None = None) -> list[Level]:
    """The parts of diffusion/architectures/``architecture``.json in the order of the forward pass.

    The module is built and run on torch's meta device, which holds shapes and no numbers.  The parameters of
    the parts sum to the module's.
    """
    import torch

    from facetory.diffusion.unconditional import new_unconditional

    with torch.device("meta"), torch.no_grad():
        unet = new_unconditional(architecture, channels)
        shapes = _output_shapes(unet)
        side = unet.config.sample_size
        unet(torch.empty(1, unet.config.in_channels, side, side), 0)
    blocks = [
        *(("down", f"down_blocks.{i}", block) for i, block in enumerate(unet.down_blocks)),
        ("middle", "mid_block", unet.mid_block),
        *(("up", f"up_blocks.{i}", block) for i, block in enumerate(unet.up_blocks)),
    ]
    first = unet.config.block_out_channels[0]
    embedding, ending = _parameters(unet.time_embedding), _parameters(unet.conv_norm_out, unet.conv_out)
    return [
        Level("time_embedding", "in", "TimestepEmbedding", 4 * first, 1, 0, 0, embedding),
        Level("conv_in", "in", "Conv2d", first, side, 0, 0, _parameters(unet.conv_in)),
        *(
            Level(
                name,
                path,
                type(block).__name__,
                shapes[block][1],
                shapes[block][2],
                len(block.resnets),
                len(getattr(block, "attentions", ())),
                _parameters(block),
            )
            for path, name, block in blocks
        ),
        Level("conv_out", "out", "GroupNorm, Conv2d", unet.config.out_channels, side, 0, 0, ending),
    ]


def fig2(architecture: str, channels: int | None = None) -> tuple[Figure, Rows]:
    """The encoder on the left, the bottleneck below, the decoder on the right; dashed: skip connections."""
    found = levels(architecture, channels)
    boxes = level_boxes(found)
    height = max(box.y + box.height for box in boxes) + 4.5
    total, latent = sum(level.parameters for level in found), found[-1]
    note = (
        f"UNet2DModel “{architecture}”: {total:,} parameters; latents of {latent.channels} × {latent.side} × "
        f"{latent.side} in, predicted noise of the same shape out. The timestep’s embedding enters every "
        "residual layer; dashed are the skip connections. Sides are those at which a level works, before it "
        "halves or doubles them."
    )
    figure = drawing.sheet(WIDTH / 10, height / 10, note)
    axes = drawing.canvas(figure.subplots(), WIDTH, height)
    for box in boxes:
        drawing.box(axes, box)
    _connect(axes, boxes)
    drawing.key(axes, 1, height - 2.2, KEY)
    axes.text(WIDTH - 1, height - 1.5, f"{total:,} parameters", ha="right", va="center", fontsize=10)
    return figure, [level._asdict() | {"code": CODE} for level in found]


def level_boxes(found: list[Level]) -> list[Box]:
    """A box a level: the two paths step inwards to the bottleneck in the middle."""
    down = [level for level in found if level.path == "down"]
    up = [level for level in found if level.path == "up"][::-1]
    (middle,) = (level for level in found if level.path == "middle")
    embedding, entry = (level for level in found if level.path == "in")
    (ending,) = (level for level in found if level.path == "out")
    width, inwards = BOX[0], INDENT / max(len(down) - 1, 1)
    top = STEP * (len(down) + 1) + 1
    boxes = [
        _box(entry, 1, top),
        _box(embedding, (WIDTH - width) / 2, top),
        _box(ending, WIDTH - 1 - width, top),
    ]
    for i, (left, right) in enumerate(zip(down, up, strict=True)):
        y = top - STEP * (i + 1)
        boxes.append(_box(left, 1 + inwards * i, y))
        boxes.append(_box(right, WIDTH - 1 - width - inwards * i, y))
    return [*boxes, _box(middle, (WIDTH - width) / 2, top - STEP * (len(down) + 1))]


def _box(level: Level, x: float, y: float) -> Box:
    shape = "a vector" if level.name == "time_embedding" else f"{level.side} × {level.side}"
    layers = f", {level.resnets} residual" if level.resnets else ""
    layers += f" + {level.attentions} attention" if level.attentions else ""
    text = f"{level.kind}: {level.parameters:,} parameters\n{level.channels} channels, {shape}{layers}"
    kind = "trained" if level.attentions else "frozen" if layers else "result"
    return Box(level.name, x, y, *BOX, text, kind, CODE)


def _connect(axes: Axes, boxes: list[Box]) -> None:
    """Arrows down, along the bottleneck and up, and the skip connections across."""
    place = {box.name: box for box in boxes}
    depth = sum(name.startswith("down") for name in place)
    left = [place["conv_in"], *(place[f"down_blocks.{i}"] for i in range(depth))]
    right = [place["conv_out"], *(place[f"up_blocks.{depth - 1 - i}"] for i in range(depth))]
    for one, other in pairwise(left):
        drawing.arrow(axes, *drawing.beside(one, other))
    for one, other in pairwise(right):
        drawing.arrow(axes, *drawing.beside(other, one))
    drawing.arrow(axes, *drawing.beside(left[-1], place["mid_block"]))
    drawing.arrow(axes, *drawing.beside(place["mid_block"], right[-1]))
    style = {"arrowstyle": "-|>", "color": GREY, "linewidth": 0.9, "linestyle": (0, (4, 3)), "shrinkA": 0}
    for one, other in zip(left[1:], right[1:], strict=True):
        y = one.y + one.height / 2
        axes.annotate("", (other.x, y), (one.x + one.width, y), arrowprops=style | {"shrinkB": 0})


def _output_shapes(unet: Any) -> dict[Any, tuple[int, ...]]:
    """Shapes behind the first residual layer of each block, filled in by the next forward pass."""
    shapes: dict[Any, tuple[int, ...]] = {}

    def note(block: Any) -> Any:
        return lambda module, inputs, output: shapes.update({block: tuple(output.shape)})

    for block in [*unet.down_blocks, unet.mid_block, *unet.up_blocks]:
        block.resnets[0].register_forward_hook(note(block))
    return shapes


def _parameters(*modules: Any) -> int:
    return sum(weight.numel() for module in modules for weight in module.parameters())
