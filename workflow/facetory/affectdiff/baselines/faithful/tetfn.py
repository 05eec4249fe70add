"""TETFN (Wang et al. 2023): text guides how audio and video are attended to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facetory.affectdiff.baselines.layers import Network, Streams, last
from facetory.affectdiff.baselines.recurrent import Recurrent
from facetory.affectdiff.baselines.transformer import Stream, Transformer


class TETFN(Network):
    """After the paper, sizes for MOSEI from MMSA: d 50, 5 heads, 2 levels, LSTMs of 32 for audio and video.

    Text attends to audio and video; audio and video attend to text, and to each other through it.  Words
    are projected as they come, where the paper has BERT; its labels for single modalities, made up while
    training a regression, are left out.
    """

    def __init__(
        self,
        dims: tuple[int, int, int],
        classes: int,
        masks: bool = False,
        *,
        hidden: int = 50,
        heads: int = 5,
        levels: int = 2,
        memory_levels: int = 2,
        recurrent: int = 32,
        fusion: int = 64,
    ) -> None:
        super().__init__(masks)
        self.recurrent = nn.ModuleList(Recurrent(width, recurrent) for width in dims[1:])
        self.projections = nn.ModuleList(
            nn.Linear(width, hidden, bias=False) for width in (dims[0], recurrent, recurrent)
        )
        self.across = nn.ModuleList(
            Transformer(hidden, heads, levels, attention, dropout=0.1) for attention in (0.0, 0.1, 0.1, 0.1)
        )
        self.enhanced = nn.ModuleList(TextEnhanced(hidden, heads, levels) for _ in range(2))
        self.memories = nn.ModuleList(
            Transformer(2 * hidden, heads, memory_levels, attention=0.1, dropout=0.1) for _ in dims
        )
        self.classifier = nn.Sequential(
            nn.Linear(6 * hidden, fusion),
            nn.ReLU(),
            nn.Linear(fusion, fusion),
            nn.ReLU(),
            nn.Linear(fusion, classes),
        )

    def represent(self, streams: Streams, measured: Streams) -> Tensor:
        """The last measured row of each modality's memory (B, 6 hidden)."""
        spoken, seen = (
            read(rows, kept)[0]
            for read, rows, kept in zip(self.recurrent, streams[1:], measured[1:], strict=True)
        )
        t, a, v = (
            Stream.of(project(rows), kept)
            for project, rows, kept in zip(
                self.projections, (streams[0], spoken, seen), measured, strict=True
            )
        )
        text_audio, text_video, audio_text, video_text = self.across
        audio_video, video_audio = self.enhanced
        found = (
            (text_audio(t, a), text_video(t, v)),
            (audio_text(a, t), audio_video(a, v, t)),
            (video_text(v, t), video_audio(v, a, t)),
        )
        remembered = [
            last(memory(stream._replace(rows=torch.cat(pair, -1))), stream.measured)
            for memory, pair, stream in zip(self.memories, found, (t, a, v), strict=True)
        ]
        return torch.cat(remembered, 1)

    def classify(self, representation: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(representation)


class TextEnhanced(nn.Module):
    """One modality attending to another that has first attended to text."""

    def __init__(self, width: int, heads: int, levels: int) -> None:
        super().__init__()
        self.lower = Transformer(width, heads, 1, attention=0.1, dropout=0.1)
        self.upper = Transformer(width, heads, levels, attention=0.1, dropout=0.1)

    def forward(self, stream: Stream, other: Stream, text: Stream) -> Tensor:
        """(B, L, D), 0 where the stream was not measured."""
        return self.upper(stream, other._replace(rows=self.lower(other, text)))
