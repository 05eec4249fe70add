"""Peak memory of a piece of work: measured on a GPU, or computed exactly from tensors that hold no data.

Computing runs the work itself under torch's FakeTensorMode: every operation decides shapes and types and
allocates nothing, while `Ledger` adds up the storages that are alive, in the blocks of 512 bytes of CUDA's
caching allocator.  What a GPU would do otherwise than the CPU is done its way (`as_on_cuda`).

Not in a computed number: workspaces inside kernels (cuDNN's convolutions, cuBLAS, flash attention's
backward pass), the allocator's fragmentation, and the CUDA context.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

BLOCK = 512
"""Bytes of the smallest block that CUDA's caching allocator hands out."""
KINDS = ("weights", "gradients", "optimiser", "data", "activations")
"""What memory is for.  Running means of weights count as the optimiser's, buffers as weights; "data" is what
a stage keeps on the device from start to end; "activations" is all else, temporary tensors included."""
FLOAT32 = [
    "exp",
    "expm1",
    "log",
    "log10",
    "log2",
    "log1p",
    "reciprocal",
    "rsqrt",
    "pow",
    "softplus",
    "group_norm",
    "layer_norm",
    "cosine_similarity",
    "logsumexp",
    "softmax",
    "log_softmax",
    "norm",
    "dist",
    "upsample_nearest1d",
    "upsample_nearest2d",
    "upsample_bilinear2d",
    "_upsample_bilinear2d_aa",
    "upsample_bicubic2d",
]
"""Operations that autocast runs in float32 on CUDA and leaves as they come on the CPU."""
SUMS = ("sum", "cumsum", "linalg_vector_norm")
"""Those whose result alone is float32."""
AUTOCAST = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)


class Prepared(NamedTuple):
    """A stage that is ready to run: its networks, one step of its work, and what stays on the device.

    ``step(number)`` is run twice, and the second time is what counts: optimiser states exist by then.
    """

    networks: dict[str, nn.Module]
    step: Callable[[int], Any]
    optimizer: torch.optim.Optimizer | None = None
    data: Iterable[Tensor] = ()
    means: Callable[[], Iterable[Tensor]] = tuple


class Peak(NamedTuple):
    """The largest number of bytes, what they were for by kind, and the parameters of the networks."""

    bytes: int
    kinds: dict[str, int]
    parameters: int


def measured(make: Callable[[str], Prepared]) -> Peak:
    """The peak of a stage on the GPU, by CUDA's own count."""
    ready = make("cuda")
    ready.step(0)
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    ready.step(1)
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    kinds = {name: sum(map(size_of, distinct(tensors))) for name, tensors in kept(ready).items()}
    kinds["activations"] = peak - sum(kinds.values())
    return Peak(peak, kinds, parameters(ready))


def computed(make: Callable[[str], Prepared]) -> Peak:
    """The peak that a stage would have on a GPU, of tensors without data."""
    with as_on_cuda():
        return counted(make)


def counted(make: Callable[[str], Prepared]) -> Peak:
    """The peak of a stage's tensors on the CPU, in CUDA's blocks, whether they hold data or not."""
    with Ledger() as ledger:
        ready = make("cpu")
        ready.step(0)
        gc.collect()
        for kind, tensors in kept(ready).items():
            ledger.assign(kind, tensors)
        ledger.restart()
        ready.step(1)
        return Peak(ledger.peak, ledger.at_peak, parameters(ready))


def kept(ready: Prepared) -> dict[str, list[Tensor]]:
    """The tensors that outlive a step, by kind."""
    weights = [w for network in ready.networks.values() for w in network.parameters()]
    buffers = [b for network in ready.networks.values() for b in network.buffers()]
    states = ready.optimizer.state.values() if ready.optimizer else ()
    return {
        "weights": [*weights, *buffers],
        "gradients": [weight.grad for weight in weights if weight.grad is not None],
        "optimiser": [*tensors_in([dict(state) for state in states]), *ready.means()],
        "data": list(ready.data),
    }


def parameters(ready: Prepared) -> int:
    """The number of parameters of all networks."""
    weights = (w for network in ready.networks.values() for w in network.parameters())
    return sum(weight.numel() for weight in weights)


class Ledger(TorchDispatchMode):
    """Bytes of the storages that operations have made and that are still alive, and their maximum.

    Storages that were there before are not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kind: dict[int, str] = {}
        self.live: Counter[str] = Counter()
        self.restart()

    def restart(self) -> None:
        """Let the maximum begin from what is alive now."""
        self.peak, self.at_peak = 0, {}
        self._look()

    def assign(self, kind: str, tensors: Iterable[Tensor]) -> None:
        """Say what the storages of some tensors are for; of one that was assigned before nothing changes."""
        for tensor in tensors:
            key = tensor.untyped_storage()._cdata
            if self.kind.get(key) == "activations":
                self.live["activations"] -= size_of(tensor)
                self.live[kind] += size_of(tensor)
                self.kind[key] = kind

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **kwargs or {})
        for tensor in tensors_in(found):
            self._note(tensor)
        return found

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if (key := storage._cdata) in self.kind:
            return
        self.kind[key] = "activations"
        self.live["activations"] += size_of(tensor)
        weakref.finalize(storage, self._forget, key, size_of(tensor)).atexit = False
        self._look()

    def _forget(self, key: int, size: int) -> None:
        self.live[self.kind.pop(key)] -= size

    def _look(self) -> None:
        if (total := self.live.total()) > self.peak:
            self.peak, self.at_peak = total, {kind: self.live[kind] for kind in KINDS}


class OnCuda(TorchFunctionMode):
    """Answers of tensors without data where the work looks at them, and CUDA's dropout and attention.

    A truth is true, a number 0 (but the product of numbers that were written down), an array zero; all rows
    are distinct and none is zero, which is the case that takes the most memory.  Dropout keeps a bool mask.
    Attention with dropout is fused, as without.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if answer := ANSWERS.get(func):
            return answer(*args, **kwargs)
        if func is torch.tensor:
            found = func(*args, **kwargs)
            found.written = args[0]
            return found
        if func is Tensor.prod and hasattr(args[0], "written"):
            return np.prod(args[0].written)
        if func is F.scaled_dot_product_attention:
            args, kwargs = args[:4], {k: v for k, v in kwargs.items() if k != "dropout_p"}
        return func(*args, **kwargs)


def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """CUDA's fused dropout, which keeps a mask of one byte an element."""
    return torch.native_dropout(x, p, True)[0] if training and p else x


ANSWERS: dict[Any, Callable[..., Any]] = {
    F.dropout: dropout,
    Tensor.__bool__: lambda x: True,
    Tensor.__float__: lambda x: 0.0,
    Tensor.__int__: lambda x: 0,
    Tensor.__index__: lambda x: 0,
    Tensor.item: lambda x: 0.0,
    Tensor.tolist: lambda x: np.zeros(x.shape).tolist(),
    Tensor.numpy: lambda x, **_: np.zeros(x.shape, str(x.dtype).removeprefix("torch.")),
    Tensor.nonzero: lambda x: torch.arange(len(x))[:, None],
    Tensor.unique: lambda x, **_: (torch.arange(x.numel()), torch.arange(x.numel())),
    Tensor.unique_consecutive: lambda x, dim, **_: (x, torch.arange(x.shape[dim])),
}


@contextmanager
def as_on_cuda() -> Iterator[None]:
    """Tensors without data that nominally lie on the CPU, and autocast by CUDA's rules for them."""
    with ExitStack() as stack:
        library = stack.enter_context(torch.library._scoped_library("aten", "IMPL"))
        for names, rule in ((FLOAT32, widened), (SUMS, summed)):
            for operation in overloads(names):
                library.impl(operation.name().partition("::")[2], rule(operation), "AutocastCPU")
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(OnCuda())
        stack.enter_context(mock.patch.object(nn.Module, "to", lambda network, *_, **__: network))
        drawn = mock.patch("torch.nn.init._no_grad_trunc_normal_", lambda weight, *_, **__: weight)
        stack.enter_context(drawn)  # it draws until a truth is false
        yield


def overloads(names: Iterable[str]) -> Iterator[Any]:
    """The functional overloads of operations that take tensors."""
    for name in names:
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            schema = getattr(packet, overload)._schema
            of_tensors = str(schema.arguments[0].type) == "Tensor" and "Dimname" not in str(schema)
            if of_tensors and not any(argument.alias_info for argument in schema.arguments):
                yield getattr(packet, overload)


def widened(operation: Any) -> Callable[..., Any]:
    """The operation on float32 copies of what is in half precision."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(AUTOCAST):
            return operation(*(x.float() if is_half(x) else x for x in args), **kwargs)

    return run


def summed(operation: Any) -> Callable[..., Any]:
    """The operation with a result in float32 of what is in half precision."""

    def run(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(AUTOCAST):
            own = {"dtype": torch.float32} if is_half(x) and kwargs.get("dtype") is None else {}
            return operation(x, *args, **kwargs | own)

    return run


def is_half(x: Any) -> bool:
    """Whether this is a tensor in half precision."""
    return isinstance(x, Tensor) and x.dtype in (torch.float16, torch.bfloat16)


def size_of(tensor: Tensor) -> int:
    """Bytes of a tensor's storage, in whole blocks."""
    return -(-tensor.untyped_storage().nbytes() // BLOCK) * BLOCK


def tensors_in(found: Any) -> list[Tensor]:
    """The tensors anywhere in a result."""
    return [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]


def distinct(tensors: Iterable[Tensor]) -> list[Tensor]:
    """One tensor of each storage."""
    return list({tensor.untyped_storage()._cdata: tensor for tensor in tensors}.values())
