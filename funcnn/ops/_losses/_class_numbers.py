"""Cross-entropy of rows of logits with class numbers, which several losses share.

For a row x with class number l, t = max_j x_j and E = sum_j exp(x_j - t),
    L = log E + t - x_l.
For a sure right answer E is almost 1. So E - 1 is summed and saved instead, as
exp(x_l - t) - 1 and the terms of the other classes: log1p of it keeps the digits of
the loss, and expm1(-L) those of the slope s_l - 1.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError


class Options(NamedTuple):
    """What is added to the loss of a row, and for which rows there is none."""

    label_smoothing: float = 0.0
    z_loss: float = 0.0
    ignored_index: int | None = None


def options(
    op: str, label_smoothing: float, z_loss: float, ignored_index: int | None
) -> Options:
    """The options as plain numbers, or ValueError."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(
            f"{op}: label_smoothing must be between 0 and 1, got {label_smoothing}"
        )
    ignored = None if ignored_index is None else int(ignored_index)
    return Options(float(label_smoothing), float(z_loss), ignored)


def check_class_numbers(
    op: str, shape: tuple[int, ...], labels: jax.Array, of: str
) -> None:
    """Raises unless `labels` are integers of the shape that the logits' rows have."""
    if not jnp.issubdtype(labels.dtype, jnp.integer) or labels.shape != shape:
        raise ShapeError(
            f"{op}: {of} needs integer labels {shape}, "
            f"got {labels.dtype} {labels.shape}"
        )


def largest(x: jax.Array) -> jax.Array:
    """The largest entry of each row; what depends on its choice has slope 0."""
    return lax.stop_gradient(x.max(-1, initial=-jnp.inf))


def reference(x: jax.Array, labels: jax.Array, options: Options) -> jax.Array:
    """The loss of each row, plainly.

    L = log sum_j exp(x_j - x_l), whose term of l is 1: what is left when it is taken
    out has digits of its own, also in the automatic derivative.
    """
    hot = labels[..., None] == jnp.arange(x.shape[-1], dtype=labels.dtype)
    own = jnp.where(hot, x, 0).sum(-1, keepdims=True)
    above = lax.stop_gradient((x - own).max(-1, keepdims=True, initial=0))
    others = jnp.where(~hot, jnp.exp(x - own - above), 0).sum(-1, keepdims=True)
    loss = (above + jnp.log1p(jnp.expm1(-above) + others))[..., 0]
    own = own[..., 0]
    if options.z_loss:
        loss += options.z_loss * (loss + own) ** 2
    if options.label_smoothing:
        loss += options.label_smoothing * (own - x.mean(-1))
    if options.ignored_index is not None:
        loss = jnp.where(labels != options.ignored_index, loss, 0)
    return loss


def row_losses(
    x: jax.Array, labels: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array]:
    """The loss of each row, NaN where the label is no class, and E - 1."""
    top, own = row_ends(x, labels, options)
    others, _ = _others(x, labels, top, options)
    rest = others.sum(-1) + jnp.expm1(own - top)
    loss = (top - own) + jnp.log1p(rest)
    if options.label_smoothing:
        loss += options.label_smoothing * (own - x.mean(-1))
    if options.z_loss:
        loss += options.z_loss * jnp.square(top + jnp.log1p(rest))
    if options.ignored_index is not None:
        loss = jnp.where(_counts(labels, options), loss, 0)
    return loss, rest


def row_ends(
    x: jax.Array, labels: jax.Array, options: Options
) -> tuple[jax.Array, jax.Array]:
    """Of each row max x and x_l, NaN where l is no class."""
    labels = _classes(labels, options)
    own = jnp.take_along_axis(x, labels[..., None], -1, mode="clip")[..., 0]
    own = jnp.where((labels >= 0) & (labels < x.shape[-1]), own, jnp.nan)
    return largest(x), own


def row_cotangents(
    x: jax.Array, labels: jax.Array, rest: jax.Array, g: jax.Array, options: Options
) -> jax.Array:
    """The logits' cotangent from that of each row's loss.

    What `row_losses` computes of the same rows is the same here, and compiled in one
    program it is computed once.
    """
    ends = row_ends(x, labels, options)
    return block_cotangents(x, labels, (*ends, rest), g, options, x.shape[-1])


def block_cotangents(
    x: jax.Array,
    labels: jax.Array,
    numbers: tuple[jax.Array, jax.Array, jax.Array],
    g: jax.Array,
    options: Options,
    classes: int,
    first: int | jax.Array = 0,
) -> jax.Array:
    """The cotangent of the logits x of some classes, from the class `first` on.

    `numbers` are of whole rows: max x, x_l and E - 1.
    """
    top, own, rest = numbers
    others, hot = _others(x, labels, top, options, first)
    log_e = jnp.log1p(rest)
    of_own = jnp.expm1((own - top) - log_e)  # softmax - 1, with its digits
    of_others = 1 / (1 + rest)
    if options.z_loss:
        pull = 2 * options.z_loss * (top + log_e)
        of_own += pull * jnp.exp((own - top) - log_e)
        of_others *= 1 + pull
    dx = others * (g * of_others)[..., None]
    if options.label_smoothing:
        per_class = options.label_smoothing / classes
        of_own += options.label_smoothing - per_class
        dx -= per_class * g[..., None]
    dx = jnp.where(hot, (g * of_own)[..., None], dx)
    if options.ignored_index is not None:
        dx = jnp.where(_counts(labels, options)[..., None], dx, 0)
    return dx


def _classes(labels, options):
    """The labels, of a type that can count the classes.

    Rows without loss have class 0: NaN in them would come back in a second derivative.
    """
    if options.ignored_index is not None:
        labels = jnp.where(_counts(labels, options), labels, 0)
    return labels.astype(jnp.int32) if labels.dtype.itemsize < 4 else labels


def _others(x, labels, top, options, first=0):
    """Of each row exp(x_j - top), 0 in the place of l; [l = j]."""
    labels = _classes(labels, options)
    numbers = jnp.asarray(first, labels.dtype) + jnp.arange(
        x.shape[-1], dtype=labels.dtype
    )
    hot = labels[..., None] == numbers
    # `where` of an empty batch is its second argument, which must depend on x.
    return jnp.where(~hot, jnp.exp(x - top[..., None]), 0), hot


def _counts(labels, options):
    """Whether the label is not that to be ignored, which its dtype may not have."""
    limits = jnp.iinfo(labels.dtype)
    if limits.min <= options.ignored_index <= limits.max:
        return labels != options.ignored_index
    return jnp.ones_like(labels, bool)
