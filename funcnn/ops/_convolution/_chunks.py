"""Work on a batch in chunks of images, whose intermediate arrays stay in a cache."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import partitioned, scan
from funcnn.ops._arguments import wide

# What a product reads or writes should stay in a core's cache.
_BYTES = 1_250_000


def images_in_cache(bytes_of_image: int) -> int:
    """How many images of so many bytes stay in a core's cache."""
    return _BYTES // max(1, bytes_of_image)


def summed_over_chunks(
    f: Callable[..., jax.Array],
    shape: tuple[int, ...],
    images: int,
    x: jax.Array,
    g: jax.Array,
) -> jax.Array:
    """`f(x, g)` for about so many `images` at a time, that they stay in the cache."""
    images, chunks = _division(x.shape[0], images)
    if chunks == 1 or partitioned.value is not None:
        return f(x, g)

    def add(total, chunk):
        x_chunk, g_chunk = (_images(array, images) for array in chunk)
        return total + f(x_chunk, g_chunk), None

    zero = jnp.zeros(shape, wide(x).dtype)
    pair = (_chunked(x, images, chunks), _chunked(g, images, chunks))
    return scan(add, zero, pair)[0]


def joined_from_chunks(
    f: Callable[[jax.Array], jax.Array], images: int, x: jax.Array
) -> jax.Array:
    """`f(x)`, image by image a function of x, for about so many `images` at a time."""
    batch = x.shape[0]
    images, chunks = _division(batch, images)
    if chunks == 1 or partitioned.value is not None:
        return f(x)
    y = lax.map(lambda chunk: f(_images(chunk, images)), _chunked(x, images, chunks))
    return y.reshape(chunks * images, *y.shape[2:])[:batch]


def _division(batch: int, images: int) -> tuple[int, int]:
    """How many images a chunk has, and how many chunks there are."""
    images = _near_divisor(batch, max(1, min(images, batch)))
    return images, -(-batch // images)


def _near_divisor(n: int, most: int) -> int:
    """The largest divisor up to `most`, if there is one above its half; else `most`."""
    return next((d for d in range(most, most // 2, -1) if n % d == 0), most)


def _chunked(array: jax.Array, images: int, chunks: int) -> jax.Array:
    missing = chunks * images - array.shape[0]
    array = jnp.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
    # An axis of one image would have a layout of its own and cost a copy.
    return array.reshape(chunks, images * array.shape[1], *array.shape[2:])


def _images(chunk: jax.Array, images: int) -> jax.Array:
    return chunk.reshape(images, chunk.shape[0] // images, *chunk.shape[1:])
