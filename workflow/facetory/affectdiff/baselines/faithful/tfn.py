"""Tensor Fusion Network (Zadeh et al. 2017): the outer product of three modalities with a 1 appended."""

from __future__ import annotations

from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, mean, presence
from facetory.affectdiff.baselines.lite.tfn import outer_product
from facetory.affectdiff.baselines.norms import BatchNorm
from facetory.affectdiff.baselines.recurrent import Recurrent


class TFN(Network):
    """After the paper, sizes for MOSEI from MMSA: text LSTM 128, audio 16, video 128, fusion 16.

    Audio and video are means over time in three layers behind a batch norm; text is an LSTM's last state.
    """

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        text: int = 128,
        audio: int = 16,
        video: int = 128,
        fusion: int = 16,
    ) -> None:
        super().__init__(masks)
        self.text = Recurrent(dims[0], text)
        self.text_projection = nn.Linear(text, text)
        self.audio, self.video = Subnet(dims[1], audio), Subnet(dims[2], video)
        self.fusion = nn.Sequential(
            nn.Dropout(0.4),
            nn.Linear((text + 1) * (audio + 1) * (video + 1), fusion),
            nn.ReLU(),
            nn.Linear(fusion, fusion),
            nn.ReLU(),
            nn.Linear(fusion, classes),
        )

    def represent(self, streams: Streams, measured: Streams) -> Tensor:
        """The flattened products."""
        there = presence(measured)
        _, final = self.text(streams[0], measured[0])
        return outer_product(
            self.text_projection(final) * there[:, :1],
            self.audio(mean(streams[1], measured[1]), there[:, 1]),
            self.video(mean(streams[2], measured[2]), there[:, 2]),
        )

    def classify(self, representation: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.fusion(representation)


class Subnet(nn.Module):
    """Batch norm, dropout, three linear layers with ReLU: samples (B, D) to (B, hidden), missing ones 0."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = BatchNorm(width)
        layers = [layer for d in (width, hidden, hidden) for layer in (nn.Linear(d, hidden), nn.ReLU())]
        self.layers = nn.Sequential(nn.Dropout(0.4), *layers)

    def forward(self, samples: Tensor, present: Tensor) -> Tensor:
        """``present`` (B,) tells which samples have the modality."""
        return self.layers(self.norm(samples, present)) * present[:, None]
