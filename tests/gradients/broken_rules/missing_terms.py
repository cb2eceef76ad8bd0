"""Softmax, losses, attention and normalizations that lack one term or factor."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, normals, reverse_rule

normal = normals(14)


def mean(x):
    return x.mean(-1, keepdims=True)


softmax_diagonal_only = reverse_rule(
    lambda x: jax.nn.softmax(x),
    lambda x: (jax.nn.softmax(x),) * 2,
    lambda y, g: (g * y * (1 - y),),
)

log_softmax_without_sum = reverse_rule(
    lambda x: jax.nn.log_softmax(x),
    lambda x: (jax.nn.log_softmax(x),) * 2,
    lambda y, g: (g - jnp.exp(y) * mean(g),),
)

log_sum_exp_not_normalized = reverse_rule(
    lambda x: jax.nn.logsumexp(x),
    lambda x: (jax.nn.logsumexp(x), x),
    lambda x, g: (g * jnp.exp(x - x.max()),),
)


def _smoothed_loss(logits, labels):
    target = 0.9 * jax.nn.one_hot(labels, logits.shape[1]) + 0.1 / logits.shape[1]
    return -(target * jax.nn.log_softmax(logits)).sum(-1)


def _smoothed_backward(saved, g):
    logits, labels = saved
    target = jax.nn.one_hot(labels, logits.shape[1])
    return g[:, None] * (jax.nn.softmax(logits) - target), None


smoothed_loss = reverse_rule(
    _smoothed_loss, lambda x, t: (_smoothed_loss(x, t), (x, t)), _smoothed_backward
)


def _layer_norm(x):
    return (x - mean(x)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)


def layer_norm_with(terms):
    """Layer normalization, the backward pass g - terms(y, g) over the deviation."""

    def backward(x, g):
        r = jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)
        return (r * (g - terms(_layer_norm(x), g)),)

    return reverse_rule(_layer_norm, lambda x: (_layer_norm(x), x), backward)


EPS = 1e-3


def _rms_norm(x):
    return x * jax.lax.rsqrt(mean(x**2) + EPS)


def rms_norm_with(scale):
    """RMS normalization whose backward pass takes 1 / rms from `scale`."""

    def backward(x, g):
        r = scale(mean(x**2))
        return (r * (g - x * r**2 * mean(g * x)),)

    return reverse_rule(_rms_norm, lambda x: (_rms_norm(x), x), backward)


rms_norm_without_projection = reverse_rule(
    _rms_norm,
    lambda x: (_rms_norm(x), x),
    lambda x, g: (g * jax.lax.rsqrt(mean(x**2) + EPS),),
)


def _scaled_rms_norm(x, weight):
    return _rms_norm(x) * weight


def _scaled_backward(saved, g):
    x, weight = saved
    r = jax.lax.rsqrt(mean(x**2) + EPS)
    h = g * weight
    # the weight multiplies the normalized input, not the input
    return r * (h - x * r**2 * mean(h * x)), (g * x).sum(0)


scaled_rms_norm = reverse_rule(
    _scaled_rms_norm, lambda x, w: (_scaled_rms_norm(x, w), (x, w)), _scaled_backward
)


def _attend(q, k, v):
    return jax.nn.softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def attention_with(scores_backward):
    """Attention; `scores_backward(p, dp, width)` is the cotangent of q @ k.T."""

    def backward(saved, g):
        q, k, v = saved
        p = jax.nn.softmax(q @ k.T / np.sqrt(q.shape[1]))
        ds = scores_backward(p, g @ v.T, q.shape[1])
        return ds @ k, ds.T @ q, p.T @ g

    return reverse_rule(_attend, lambda *args: (_attend(*args), args), backward)


attention_without_scale = attention_with(
    lambda p, dp, width: p * (dp - (dp * p).sum(-1, keepdims=True))
)
attention_without_row_sum = attention_with(lambda p, dp, width: p * dp / np.sqrt(width))
attention_scaled_by_width = attention_with(
    lambda p, dp, width: p * (dp - (dp * p).sum(-1, keepdims=True)) / width
)


def _batch_norm(x, weight):
    return (x - x.mean(0)) * jax.lax.rsqrt(x.var(0) + 1e-5) * weight


def _batch_norm_backward(saved, g):
    x, weight = saved
    r = jax.lax.rsqrt(x.var(0) + 1e-5)
    # the statistics of the batch are taken as constants
    return g * weight * r, (g * (x - x.mean(0)) * r).sum(0)


batch_norm = reverse_rule(
    _batch_norm, lambda x, w: (_batch_norm(x, w), (x, w)), _batch_norm_backward
)


def _focal(logit):
    return -((1 - jax.nn.sigmoid(logit)) ** 2) * jax.nn.log_sigmoid(logit)


def _focal_backward(logit, g):
    # the modulating factor is taken as a weight
    return (-g * (1 - jax.nn.sigmoid(logit)) ** 3,)


focal = reverse_rule(_focal, lambda x: (_focal(x), x), _focal_backward)

rows = normal(3, 5)
queries = (normal(3, 4), normal(5, 4), normal(5, 2))

EXAMPLES = (
    Example(
        "softmax_diagonal_only",
        softmax_diagonal_only,
        (rows,),
        "The softmax's Jacobian has lost what is off its diagonal.",
    ),
    Example(
        "log_softmax_mean_for_sum",
        log_softmax_without_sum,
        (rows,),
        "The cotangent is averaged over the classes where it is summed.",
    ),
    Example(
        "log_sum_exp_not_normalized",
        log_sum_exp_not_normalized,
        (normal(5),),
        "The exponentials are not divided by their sum.",
    ),
    Example(
        "label_smoothing_ignored_backward",
        smoothed_loss,
        (rows, np.array([1, 0, 4], np.int32)),
        "The labels are smoothed in the forward pass alone.",
    ),
    Example(
        "layer_norm_without_mean_term",
        layer_norm_with(lambda y, g: y * mean(g * y)),
        (rows,),
        "The term of the mean is missing.",
    ),
    Example(
        "layer_norm_without_variance_term",
        layer_norm_with(lambda y, g: mean(g)),
        (rows,),
        "The term of the variance is missing.",
    ),
    Example(
        "rms_norm_without_projection",
        rms_norm_without_projection,
        (rows,),
        "The root mean square is taken as a constant.",
    ),
    Example(
        "rms_norm_with_eps_dropped",
        rms_norm_with(lambda square: jax.lax.rsqrt(square)),
        (rows,),
        "The eps is missing in the backward pass.",
    ),
    Example(
        "rms_norm_with_eps_outside_the_root",
        rms_norm_with(lambda square: 1 / (jnp.sqrt(square) + EPS)),
        (rows,),
        "The eps is added to the root, not under it.",
    ),
    Example(
        "rms_norm_with_eps_squared",
        rms_norm_with(lambda square: jax.lax.rsqrt(square + EPS**2)),
        (rows,),
        "The eps is squared in the backward pass.",
    ),
    Example(
        "rms_norm_weight_by_raw_input",
        scaled_rms_norm,
        (rows, normal(5)),
        "The weight's cotangent takes the input before normalization.",
    ),
    Example(
        "attention_without_scale",
        attention_without_scale,
        queries,
        "1/sqrt(d) is missing in the backward pass.",
    ),
    Example(
        "attention_scaled_twice",
        attention_scaled_by_width,
        queries,
        "The backward pass scales by 1/sqrt(d) twice.",
    ),
    Example(
        "attention_without_row_sum",
        attention_without_row_sum,
        queries,
        "The row sum of the softmax's backward pass is missing.",
    ),
    Example(
        "batch_norm_with_constant_statistics",
        batch_norm,
        (normal(6, 3), normal(3)),
        "Mean and variance of the batch get no gradient.",
    ),
    Example(
        "focal_loss_with_constant_weight",
        focal,
        (normal(5),),
        "The modulating factor is taken as a constant.",
    ),
)
