"""A language model."""

from funcnn.layers import (
    Chain,
    Dense,
    Dropout,
    Embed,
    GatedFeedForward,
    MultiHeadAttention,
    Remat,
    Repeat,
    RMSNorm,
    TransformerBlock,
)

_ROUND = 128  # of the hidden features a multiple, for the tiles of matrix units


def transformer(
    vocabulary: int,
    *,
    width: int = 512,
    depth: int = 8,
    heads: int = 8,
    kv_heads: int | None = None,
    dropout: float = 0.0,
    remat: bool = False,
) -> Chain:
    """A causal language model: ids (batch, t) -> logits (batch, t, vocabulary).

    Blocks of attention with rotary positions and a swiglu of 8/3 `width` hidden
    features, RMS norms before each and at the end, no biases; the blocks are a
    `Repeat`, so that it compiles in a time that does not grow with depth.

    Args:
      vocabulary: how many ids there are.
      width: features of a token; `heads` times an even number.
      depth: how many blocks.
      heads: of the attention.
      kv_heads: heads of keys and values, by default `heads`, of which it is a divisor.
      dropout: the rate, over what each half of a block adds.
      remat: whether of each block only the input is kept for the backward pass.

    Source: Touvron et al. (2023), "LLaMA", arXiv:2302.13971, section 2.2.
    """
    hidden = -(-8 * width // (3 * _ROUND)) * _ROUND
    block = TransformerBlock(
        MultiHeadAttention(heads, kv_heads, causal=True, rotary=True, use_bias=False),
        GatedFeedForward(hidden, use_bias=False),
        RMSNorm(),
        Dropout(dropout) if dropout else None,
    )
    return Chain(
        Embed(vocabulary, width),
        Repeat(Remat(block) if remat else block, depth),
        RMSNorm(),
        Dense(vocabulary, use_bias=False),
    )
