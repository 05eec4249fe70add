"""Affect-Diff trained as most would write it, and as released: the other side of benchmarks/affectdiff.py.

A DataLoader with two workers over a Dataset of padded tensors; torch's own layers; NaN taken out of every
batch; every logged number read at every step; AdamW and clipping with their defaults; the running mean of the
prior parameter by parameter; validation in batches of 64 with its losses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from facetory.affectdiff.batches import Corpus
from facetory.affectdiff.encoders import Encoder
from facetory.affectdiff.graph import acyclicity
from facetory.affectdiff.layers import TransformerLayer
from facetory.affectdiff.model import AffectDiff
from facetory.affectdiff.spec import RecognizerSpec
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

WORKERS = 2


class Padded(Dataset[dict[str, Tensor]]):
    """Segments of a split as padded tensors."""

    def __init__(self, corpus: Corpus, part: Any) -> None:
        batch = corpus.batch(corpus.parts[part])
        self.text, self.audio, self.video = batch.streams
        self.labels = batch.labels

    def __len__(self) -> int:
        """How many segments."""
        return len(self.labels)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        """One segment."""
        return {"text": self.text[i], "audio": self.audio[i], "video": self.video[i], "label": self.labels[i]}


class PlainLayer(nn.TransformerEncoderLayer):
    """torch's Transformer layer in the place of ours, with its weights."""

    def __init__(self, ours: TransformerLayer) -> None:
        width, inner = ours.qkv.in_features, ours.mlp[0].out_features
        super().__init__(width, ours.heads, inner, ours.rate, "gelu", batch_first=True, norm_first=True)
        pairs = {
            "self_attn.in_proj_": ours.qkv,
            "self_attn.out_proj.": ours.out,
            "linear1.": ours.mlp[0],
            "linear2.": ours.mlp[3],
            "norm1.": ours.attention_norm,
            "norm2.": ours.norm,
        }
        self.load_state_dict(
            {
                f"{name}{part}": getattr(layer, part)
                for name, layer in pairs.items()
                for part in ("weight", "bias")
            }
        )

    def forward(self, src: Tensor, src_key_padding_mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Tokens (batch, n, width)."""
        return super().forward(src)


def plain_model(model: AffectDiff) -> AffectDiff:
    """The same model of torch's own layers: ours differ from them in how they compute alone."""
    for module in list(model.modules()):
        if isinstance(module, Encoder):
            module.layers = nn.ModuleList(PlainLayer(layer) for layer in module.layers)
    for module in model.modules():
        for kind in (nn.Linear, nn.Dropout, nn.Conv1d, nn.ConvTranspose1d):
            if isinstance(module, kind) and type(module).forward is not kind.forward:
                module.forward = MethodType(kind.forward, module)  # type: ignore[method-assign]
    return model


class PlainTraining:
    """The loop, its optimiser and its running mean."""

    def __init__(self, spec: RecognizerSpec, corpus: Corpus, model: AffectDiff) -> None:
        self.spec, self.model = spec, plain_model(model)
        self.train, self.validation = Padded(corpus, "train"), Padded(corpus, "validation")
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=spec.lr, weight_decay=spec.weight_decay)
        assert model.prior is not None
        self.ema = [parameter.detach().clone() for parameter in model.prior.parameters()]
        counts = torch.tensor(corpus.class_counts["train"]).clamp(min=1).float()
        self.weights = (counts.max() / counts).sqrt().clamp(max=8)
        self.log: list[dict[str, float]] = []

    def steps_per_second(self, warm: int) -> float:
        """Of one epoch and its validation, after some steps that do not count."""
        for _, batch in zip(range(warm), self.loader(self.train, shuffle=True), strict=False):
            self.step(batch)
        began, steps = time.perf_counter(), 0
        for batch in self.loader(self.train, shuffle=True):
            self.step(batch)
            steps += 1
        self.validate()
        return steps / (time.perf_counter() - began)

    def loader(self, data: Padded, shuffle: bool) -> Any:
        """The DataLoader of a split."""
        return DataLoader(data, self.spec.batch_size, shuffle, num_workers=WORKERS)

    def step(self, batch: dict[str, Tensor]) -> None:
        """One optimiser step."""
        self.model.train()
        loss, numbers = self.loss(batch, augment=True)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.spec.clip)
        self.optimizer.step()
        with torch.no_grad():
            for mean, now in zip(self.ema, self.model.prior.parameters(), strict=True):
                mean.data.mul_(self.spec.ema).add_(now.data, alpha=1 - self.spec.ema)
        self.log.append({name: number.item() for name, number in numbers.items()})

    def loss(self, batch: dict[str, Tensor], augment: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 12 as released, and its terms."""
        spec, model, labels = self.spec, self.model, batch["label"]
        streams = [torch.nan_to_num(batch[name]) for name in ("text", "audio", "video")]
        if augment:
            streams = list(augmented(streams, spec))
        encoded = model.encode(streams, None, torch.randn(*streams[0].shape[:2], model.spec.latent))
        logits = model.classify(encoded.z)
        ce = F.cross_entropy(
            logits, labels, self.weights, label_smoothing=spec.label_smoothing, reduction="none"
        )
        task = ((1 - torch.exp(-ce.detach())) ** spec.focal_gamma * ce).mean()
        divergence = 0.5 * (encoded.mean**2 + encoded.logvar.exp() - 1 - encoded.logvar)
        kl = torch.clamp(divergence - spec.free_bits, min=0).sum(-1).mean()
        causal = acyclicity(encoded.adjacency).mean() + spec.lambda_sparsity * encoded.adjacency.abs().mean()
        diffusion = self.diffusion(encoded.z.detach().transpose(1, 2), labels, encoded.condition)
        loss = task + spec.beta * kl + spec.lambda_causal * causal + spec.lambda_diffusion * diffusion
        if torch.isnan(loss) or torch.isinf(loss):
            raise SystemExit("The plain loop's loss is not finite.")
        accuracy = (logits.argmax(1) == labels).float().mean()
        terms = {"task": task, "kl": kl, "causal": causal, "diffusion": diffusion, "accuracy": accuracy}
        return loss, {"loss": loss, **terms}

    def diffusion(self, z: Tensor, labels: Tensor, condition: Tensor) -> Tensor:
        """Eq. 10."""
        prior = self.model.prior
        assert prior is not None
        timestep = torch.randint(0, len(prior.alpha_bars), (len(z),))
        null = torch.rand(len(z)) < self.model.spec.null_probability
        noise, alpha_bar = torch.randn_like(z), prior.alpha_bars[timestep][:, None, None]
        z_t = alpha_bar.sqrt() * z + (1 - alpha_bar).sqrt() * noise
        told = torch.where(null, self.model.spec.classes, labels)
        return F.mse_loss(prior(z_t, timestep, told, condition), noise)

    @torch.no_grad()
    def validate(self) -> float:
        """The mean over batches of the macro recall."""
        self.model.eval()
        recalls = []
        for batch in self.loader(self.validation, shuffle=False):
            loss, numbers = self.loss(batch, augment=False)
            logits = self.model([batch[name] for name in ("text", "audio", "video")])
            right = logits.argmax(1) == batch["label"]
            per_class = [right[batch["label"] == k].float().mean() for k in batch["label"].unique()]
            recalls.append(torch.stack(per_class).mean().item())
            self.log.append({name: number.item() for name, number in numbers.items()} | {"val": loss.item()})
        return sum(recalls) / len(recalls)


def augmented(streams: list[Tensor], spec: RecognizerSpec) -> Iterator[Tensor]:
    """Frame masking, noise on audio and video, modality dropout."""
    for modality, stream in enumerate(streams):
        kept = torch.rand(*stream.shape[:2], 1) > spec.frame_mask
        stream = stream * kept.float()
        if modality:
            stream = stream + torch.randn_like(stream) * spec.feature_noise
        yield stream * (torch.rand(len(stream), 1, 1) > spec.modality_dropout).float()
