"""LSTMs over the measured rows of a stream."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """An LSTM over the measured rows of (B, L, D), as if there were no others; forward or also backward."""

    def __init__(self, width: int, hidden: int, both_ways: bool = False) -> None:
        super().__init__()
        self.forwards = nn.LSTM(width, hidden, batch_first=True)
        self.backwards = nn.LSTM(width, hidden, batch_first=True) if both_ways else None

    def forward(self, rows: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
        """The states (B, L, D') of the measured rows, 0 elsewhere, and the final ones (B, D')."""
        order = (~measured).byte().argsort(dim=1, stable=True)[..., None]
        places = (measured.cumsum(1) - 1).clamp(min=0)[..., None]
        rows, lengths = rows.take_along_dim(order, 1), measured.sum(1)
        found = [self.forwards(rows)[0]]
        finals = [_final(found[0], lengths)]
        if self.backwards is not None:
            backwards = self.backwards(reverse(rows, lengths))[0]
            found.append(reverse(backwards, lengths))
            finals.append(_final(backwards, lengths))
        states = torch.cat(found, -1).take_along_dim(places, 1) * measured[..., None]
        return states, torch.cat(finals, -1)


def reverse(rows: Tensor, lengths: Tensor) -> Tensor:
    """The first ``lengths`` (B,) rows of (B, L, D) in reverse; it is its own inverse."""
    places = torch.arange(rows.shape[1], device=rows.device)
    return rows.take_along_dim(((lengths[:, None] - 1 - places) % rows.shape[1])[..., None], 1)


def _final(states: Tensor, lengths: Tensor) -> Tensor:
    end = (lengths - 1).clamp(min=0)[:, None, None]
    return states.take_along_dim(end, 1).squeeze(1) * (lengths > 0)[:, None]
