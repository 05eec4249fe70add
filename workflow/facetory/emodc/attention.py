"""Text keys and values computed once per prompt instead of once per noisy latent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class SharedText:
    """Attention processor for a batch in which many latents share few prompts.

    Cross-attention gets the prompts' tokens (prompts, L, D) whatever the batch.  With ``prompts`` (batch,)
    int64 each row looks at the prompt it names.  Without it, rows lie prompt by prompt (batch = prompts × m)
    and attention runs with the m latents of a prompt side by side as queries.  Results are those of expanded
    tokens.  A class, because diffusers reads the signature of ``__call__``.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        prompts: Tensor | None = None,
    ) -> Tensor:
        from torch.nn.functional import scaled_dot_product_attention

        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        if encoder_hidden_states is not None and prompts is not None:
            key, value = key[prompts], value[prompts]
        query, key, value = (
            x.reshape(len(key), -1, attn.heads, x.shape[-1] // attn.heads).transpose(1, 2)
            for x in (query, key, value)
        )
        attended = scaled_dot_product_attention(query, key, value)
        attended = attended.transpose(1, 2).reshape(*hidden_states.shape[:2], -1)
        return attn.to_out[1](attn.to_out[0](attended))
