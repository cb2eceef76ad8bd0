"""Dropout: entries are zeroed at random, the others grow to keep the mean.

Ops that drop more than one entry at a time, whole channels or whole examples, differ
from dropout in the shape of the mask alone.
Source: Srivastava et al. (2014), JMLR 15.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from funcnn.errors import ShapeError
from funcnn.ops._arguments import check_key, floats
from funcnn.ops._regularization._keep_mask import keep_mask
from funcnn.rules import rule


def dropout(
    x: jax.Array,
    key: jax.Array,
    rate: float,
    *,
    broadcast_dims: Sequence[int] = (),
    part: jax.Array | int | None = None,
) -> jax.Array:
    """Zeroes each entry with probability `rate` and divides the others by 1 - rate.

    Entries that differ only along the axes `broadcast_dims` are kept or dropped
    together. Where x is one of several equal parts of a batch, along its first axis,
    `part` says which, from 0 on: its mask is then that part of the batch's.

    Shapes: x of any shape, key one PRNG key, part () -> the shape of x.
    Dtypes: any float.
    Units:  `rate` is the share that is dropped, 0 to 1; 1 gives zeros.
    Errors: ValueError unless rate is a number from 0 to 1; ShapeError unless
            broadcast_dims are axes of x; TypeError unless x is of a float dtype and
            key one key (of `jax.random.key` or `PRNGKey`).

    Gradient. y = x m / (1 - rate) with a mask m of zeros and ones that does not
    depend on x, so dx = g m / (1 - rate). The key gets None.
    Saved: the key. The mask is made again from it, where it meets g: `keep_mask` has
    how, and how it is not that of `jax.random.bernoulli`.
    Kinks: none; a dropped infinity gives 0.
    Source: Srivastava et al. (2014), JMLR 15; `broadcast_dims` is Flax's.
    """
    return _checked("dropout", x, key, rate, broadcast_dims, part)


def drop_path(
    x: jax.Array,
    key: jax.Array,
    rate: float,
    *,
    part: jax.Array | int | None = None,
) -> jax.Array:
    """Zeroes each example with probability `rate`, divides the others by 1 - rate.

    Before the sum of a residual layer it leaves that layer out: stochastic depth.
    `part` is that of `dropout`.

    Shapes: x (batch, ...), key one PRNG key -> the shape of x.
    Errors: ShapeError for an x without axes; else as `dropout`.
    Gradient: as that of `dropout`, with one m for each entry of the first axis.
    Saved:  the key.
    Source: Huang et al. (2016), arXiv:1603.09382, where the layer is scaled in
            inference instead; Larsson et al. (2016), arXiv:1605.07648. timm's
            `drop_path` and `torchvision.ops.stochastic_depth(mode="row")` agree.
    """
    if jnp.ndim(x) < 1:
        raise ShapeError(
            f"drop_path: needs x of shape (batch, ...), got {jnp.shape(x)}"
        )
    return _checked("drop_path", x, key, rate, range(1, jnp.ndim(x)), part)


def spatial_dropout(
    x: jax.Array,
    key: jax.Array,
    rate: float,
    *,
    part: jax.Array | int | None = None,
) -> jax.Array:
    """Zeroes each channel of each example with probability `rate`.

    The others are divided by 1 - rate. Neighbours in an image are so alike that
    dropping single entries takes nothing away. `part` is that of `dropout`.

    Shapes: x (batch, *spatial, channels), key one PRNG key -> the shape of x.
    Errors: ShapeError unless x has at least three axes; else as `dropout`.
    Gradient: as that of `dropout`, with one m for each example and channel.
    Saved:  the key.
    Source: Tompson et al. (2014), arXiv:1411.4280; `torch.nn.Dropout2d`.
    """
    if jnp.ndim(x) < 3:
        raise ShapeError(
            "spatial_dropout: needs x of shape (batch, *spatial, channels), "
            f"got {jnp.shape(x)}"
        )
    return _checked("spatial_dropout", x, key, rate, range(1, jnp.ndim(x) - 1), part)


def _checked(op, x, key, rate, broadcast_dims, part):
    (x,) = floats(op, x=x)
    if not 0 <= rate <= 1:
        raise ValueError(f"{op}: rate must be from 0 to 1, got {rate}")
    check_key(op, key)
    for axis in broadcast_dims:
        if not -x.ndim <= axis < x.ndim:
            raise ShapeError(f"{op}: x {x.shape} has no axis {axis} to broadcast over")
    together = tuple(sorted({int(axis) % x.ndim for axis in broadcast_dims}))
    drawn = key if part is None else (key, jnp.asarray(part, jnp.uint32))
    return _dropout(x, drawn, float(rate), together)


def _drop(x, key, rate, together):
    if rate == 1 or not x.size:  # needs no key
        return jnp.zeros_like(x)
    shape = tuple(1 if axis in together else n for axis, n in enumerate(x.shape))
    key, part = key if isinstance(key, tuple) else (key, None)
    if 0 in together:  # the parts of a batch are dropped together too
        part = None
    kept = keep_mask(key, 1 - rate, shape, part)
    return jnp.where(kept, x / (1 - rate), 0)


def _reference(x, key, rate, together):
    return _drop(x, key, rate, together)


def _forward(x, key, rate, together):
    return _drop(x, key, rate, together), key if rate < 1 and x.size else None


def _backward(rate, together, key, g):
    return _drop(g, key, rate, together), None


def _cases(normal):
    for shape in [(), (4, 5), (0, 3)]:
        yield normal(*shape), jax.random.key(1), 0.3, ()
    yield normal(4, 5), jax.random.PRNGKey(2), 0.5, ()
    yield normal(3, 3), jax.random.key(3), 0.0, ()
    yield normal(3, 3), jax.random.key(4), 1.0, ()
    yield normal(4, 2, 3), jax.random.key(5), 0.4, (1, 2)  # whole examples
    yield normal(2, 3, 4), jax.random.key(6), 0.4, (1,)  # whole channels


_dropout = rule(
    _reference, _forward, _backward, static=["rate", "together"], cases=_cases
)
