"""Sizes of the identity-conditioned UNet, by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from facetory.pipeline.files import FacetoryError
from facetory.pipeline.suggest import unknown


@dataclass(frozen=True)
class Architecture:
    """All sizes of `unet.IdentityUNet`; the defaults are IDiff-Face's, 216,341,187 parameters.

    ``multipliers`` are cumulative: each level is that many times as wide as the one above it, and half as
    large.  ``attention`` says for each level whether it has attention.  A context of ``context_size``
    components becomes one vector of ``context_channels``, and for each attention ``context_tokens`` tokens.
    ``groups`` are those of every group normalisation; ``context_dropout`` is the share of components of the
    projected context that training drops (contextual partial dropout).
    """

    input_channels: int = 3
    initial_channels: int = 96
    multipliers: tuple[int, ...] = (1, 2, 2, 2)
    attention: tuple[bool, ...] = (False, True, True, True)
    blocks: int = 2
    head_channels: int = 32
    groups: int = 32
    context_size: int = 512
    context_channels: int = 256
    context_tokens: int = 32
    context_dropout: float = 0.25

    def __post_init__(self) -> None:
        if len(self.attention) != len(self.multipliers):
            raise FacetoryError(
                f"architecture: {len(self.multipliers)} levels, but {len(self.attention)} entries of "
                "`attention`. Give one for each level."
            )
        attended = [width for width, has in zip(self.widths(), self.attention, strict=True) if has]
        for of, widths, part in (
            ("groups", (*self.widths(), self.context_channels), self.groups),
            ("head_channels", (*attended, self.widths()[-1]), self.head_channels),
        ):
            for width in widths:
                if width % part:
                    raise FacetoryError(
                        f"architecture: {width} channels do not divide by {of} {part}. Choose others."
                    )

    def widths(self) -> tuple[int, ...]:
        """The channels of each level, from the largest resolution to the smallest."""
        widths, width = [], self.initial_channels
        for multiplier in self.multipliers:
            width *= multiplier
            widths.append(width)
        return tuple(widths)

    def about(self) -> dict[str, Any]:
        """All fields as plain values, for the metadata of weights."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def of(cls, about: dict[str, Any]) -> Architecture:
        """The architecture that `about` describes."""
        sizes: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in about.items()}
        return cls(**sizes)


PRESETS = {
    "idiff_face": Architecture(),
    "demo_idiff": Architecture(
        input_channels=4,
        initial_channels=32,
        multipliers=(1, 2, 1),
        attention=(False, False, True),
        blocks=1,
        head_channels=32,
        groups=8,
        context_size=24,
        context_channels=64,
        context_tokens=4,
    ),
    "ci_idiff": Architecture(
        initial_channels=8,
        multipliers=(1, 2),
        attention=(False, True),
        blocks=1,
        head_channels=8,
        groups=4,
        context_size=16,
        context_channels=16,
        context_tokens=2,
    ),
}


def architecture(name: str, **own: Any) -> Architecture:
    """The preset ``name`` with ``own`` fields in place of its; an unknown name is a `FacetoryError`."""
    if name not in PRESETS:
        raise unknown("architecture", name, PRESETS, "the identity-conditioned UNet")
    return replace(PRESETS[name], **own)
