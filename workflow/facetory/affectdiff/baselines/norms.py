"""Group and batch norm whose statistics leave out what was not measured; with all measured, torch's own."""

from __future__ import annotations

from torch import Tensor, nn


class GroupNorm(nn.GroupNorm):
    """Group norm of (B, C, L) with mean and variance over the measured columns (B, L) alone."""

    def forward(self, x: Tensor, measured: Tensor) -> Tensor:  # type: ignore[override]
        """The normalised x; unmeasured columns are scaled alike and are the caller's to drop."""
        groups, kept = x.unflatten(1, (self.num_groups, -1)), measured[:, None, None]
        count = (kept.sum(-1, keepdim=True) * groups.shape[2]).clamp(min=1)
        centred = groups - (groups * kept).sum((2, 3), keepdim=True) / count
        variance = (centred.square() * kept).sum((2, 3), keepdim=True) / count
        scaled = (centred * (variance + self.eps).rsqrt()).flatten(1, 2)
        return scaled * self.weight[:, None] + self.bias[:, None]


class BatchNorm(nn.BatchNorm1d):
    """Batch norm of (B, D) with mean and variance over the samples that ``rows`` (B,) keeps."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:  # type: ignore[override]
        """The normalised x; in training the running statistics move, unless no sample is kept."""
        mean, variance = self.running_mean, self.running_var
        if self.training:
            count, kept = rows.sum(), rows[:, None]
            mean = (x * kept).sum(0) / count.clamp(min=1)
            squares = ((x - mean).square() * kept).sum(0)
            variance = squares / count.clamp(min=1)
            share = (self.momentum or 0.0) * rows.any()
            self.running_mean.lerp_(mean.detach(), share)
            self.running_var.lerp_((squares / (count - 1).clamp(min=1)).detach(), share)
            self.num_batches_tracked += 1
        return (x - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias
