"""Which entries are kept: a bit for each, from two random words and its number.

JAX's generator makes a word for each entry with some twenty rounds, and an array of
all words. Here it makes two words, and the number of an entry is mixed with them by a
few multiplications: so cheap that compilers do it where the entry is used, and no mask
is in memory.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax


def keep_mask(
    key: jax.Array,
    probability: float,
    shape: tuple[int, ...],
    part: jax.Array | None = None,
) -> jax.Array:
    """True with a `probability` above 0, for each entry of `shape` by itself.

    With `part` n it is the mask of the n-th of equal parts of this shape. The same on
    all platforms. Entry i is kept if h(h(i ^ k0) + k1), of 32 bits, is below
    probability 2^32, where k0 and k1 are the random words of the key. As h is one to
    one, 2^32 entries have all different numbers; beyond them masks repeat.
    """
    words = jax.random.bits(key, (2,), jnp.uint32)
    number = lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    if part is not None:
        number += part * jnp.uint32(math.prod(shape))
    mixed = _mixed(_mixed(number ^ words[0]) + words[1])
    # at most 2^32 - 1 fits into a word: of probability 1, all
    return mixed <= jnp.uint32(max(round(probability * 2**32), 1) - 1)


def _mixed(x: jax.Array) -> jax.Array:
    """A map of words onto words in which each bit depends on all bits.

    Source: Wellons, "Prospecting for Hash Functions" (2018), nullprogram.com: of the
    maps of two multiplications the least biased that was found, "lowbias32".
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> shift)) * jnp.uint32(factor)
    return x ^ (x >> 16)
