"""MMIM (Han et al. 2021): mutual information kept between modalities, and of the fusion with each of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, presence
from facetory.affectdiff.baselines.lite.mmim import Fused
from facetory.affectdiff.baselines.objectives import (
    gaussian_entropy,
    gaussian_log_likelihood,
    info_nce,
    row_mean,
)
from facetory.affectdiff.baselines.recurrent import Recurrent


class MMIM(Network):
    """After the paper, sizes for MOSEI from MMSA: audio and video 16, fusion 128, weights α = β = .1.

    Text is read by an LSTM like the others, where the paper has BERT.  Loss −β (log q(y|x) + H(y)) from text
    to audio and to video, + α CPC from the fusion to each modality.  Both stages of the original ascend the
    same log-likelihood, first in q, then in the encoders; here one step does.  q is the Gaussian of the
    paper with its log-variance, which the authors' code leaves out, within [−1, 1].  H(y) is a Gaussian's
    over the batch: the original's mixture over positive and negative has no counterpart for six emotions.
    Its projection stays as drawn, as their optimiser leaves it.
    """

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        text: int = 128,
        hidden: int = 16,
        fusion: int = 128,
    ) -> None:
        super().__init__(masks)
        widths = (text, hidden, hidden)
        self.encoders = nn.ModuleList(Reader(dim, width) for dim, width in zip(dims, widths, strict=True))
        self.likelihoods = nn.ModuleList(Likelihood(text, width) for width in widths[1:])
        self.predictors = nn.ModuleList(nn.Linear(fusion, width) for width in widths)
        self.fusion = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(sum(widths), fusion), nn.Tanh(), nn.Linear(fusion, fusion), nn.Tanh()
        )
        self.classifier = nn.Linear(fusion, classes)

    def represent(self, streams: Streams, measured: Streams) -> Fused:
        """Utterances and their fusion."""
        unimodal = [
            encode(rows, kept) for encode, rows, kept in zip(self.encoders, streams, measured, strict=True)
        ]
        return Fused(unimodal, self.fusion(torch.cat(unimodal, 1)), presence(measured))

    def classify(self, representation: Fused) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(representation.fusion)

    def losses(self, representation: Fused) -> tuple[Tensor, dict[str, Tensor]]:
        """The lower bound between modalities (without its constants) and CPC, sums over pairs."""
        (text, *others), fusion, present = representation
        bounds = [
            likelihood(text, y, present[:, 0] & rows)
            for likelihood, y, rows in zip(self.likelihoods, others, present.T[1:], strict=True)
        ]
        onto = [
            info_nce(x, predict(fusion), rows)
            for predict, x, rows in zip(self.predictors, (text, *others), present.T, strict=True)
        ]
        bound, fused = torch.stack(bounds).sum(), torch.stack(onto).sum()
        return 0.1 * fused - 0.1 * bound, {"mi_modalities": bound, "nce_fusion": fused}


class Reader(nn.Module):
    """The final states of a bidirectional LSTM, dropout, linear: rows (B, L, D) to (B, out), 0 if missing."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.recurrent = Recurrent(width, out, both_ways=True)
        self.projection = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * out, out))

    def forward(self, rows: Tensor, measured: Tensor) -> Tensor:
        """The utterances (B, out)."""
        return self.projection(self.recurrent(rows, measured)[1]) * measured.any(1, keepdim=True)


class Likelihood(nn.Module):
    """Barber and Agakov's lower bound of the mutual information of x (B, X) and y (B, Y)."""

    def __init__(self, x: int, y: int) -> None:
        super().__init__()
        self.mean, self.log_variance = (
            nn.Sequential(nn.Linear(x, y), nn.ReLU(), nn.Linear(y, y)) for _ in range(2)
        )
        self.entropy = nn.Linear(y, max(1, y // 4)).requires_grad_(False)

    def forward(self, x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """E log q(y|x) + H(y) over the kept samples, up to a constant."""
        log_likelihood = gaussian_log_likelihood(y, self.mean(x), self.log_variance(x).tanh())
        return row_mean(log_likelihood, rows) + gaussian_entropy(self.entropy(y).tanh(), rows)
