"""Rules that misuse the incoming cotangent: right for a cotangent of ones."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, normals, reverse_rule

normal = normals(2)


def tanh_with(change):
    """The tanh whose rule changes the cotangent before it uses it."""

    def backward(y, g):
        return (change(g) * (1 - y**2),)

    return reverse_rule(jnp.tanh, lambda x: (jnp.tanh(x),) * 2, backward)


def _isrlu(x):
    return jnp.where(x > 0, x, x * jax.lax.rsqrt(1 + x**2))


def _isrlu_forward(x):
    return _isrlu(x), jnp.where(x > 0, 1.0, jax.lax.rsqrt(1 + x**2))


isrlu = reverse_rule(_isrlu, _isrlu_forward, lambda saved, g: (saved**3,))


def _moments(x):
    return x.mean(-1), jnp.square(x).mean(-1)


def _moments_backward(x, g):
    g_mean, _ = g
    return (jnp.broadcast_to(g_mean[..., None] / x.shape[-1], x.shape),)


moments_second_dropped = reverse_rule(
    _moments, lambda x: (_moments(x), x), _moments_backward
)


def _sine_cosine_backward(x, g):
    g_cosine, g_sine = g
    return (g_sine * jnp.cos(x) - g_cosine * jnp.sin(x),)


sine_cosine_swapped = reverse_rule(
    lambda x: (jnp.sin(x), jnp.cos(x)),
    lambda x: ((jnp.sin(x), jnp.cos(x)), x),
    _sine_cosine_backward,
)


def _statistics(x):
    return {"norm": jnp.sqrt((x**2).sum()), "sum": x.sum()}


def _statistics_backward(x, g):
    norm = jnp.sqrt((x**2).sum())
    return (g["norm"] * x / norm + jnp.ones_like(x),)


statistics = reverse_rule(
    _statistics, lambda x: (_statistics(x), x), _statistics_backward
)


def _token_losses(x, w, labels):
    logits = jax.nn.log_softmax(x @ w)
    return -jnp.take_along_axis(logits, labels[:, None], 1)[:, 0]


def _token_losses_forward(x, w, labels):
    # the gradients are computed here, as if the losses were only ever summed
    d = jax.nn.softmax(x @ w) - jax.nn.one_hot(labels, w.shape[1])
    return _token_losses(x, w, labels), (d @ w.T, x.T @ d)


def _token_losses_backward(saved, g):
    dx, dw = saved
    return dx * g[:, None], dw * g.mean(), None


fused_losses = reverse_rule(
    _token_losses, _token_losses_forward, _token_losses_backward
)


def _mean_loss_backward(saved, g):
    prediction, target = saved
    d = 2 * (prediction - target) / prediction.size
    return d, -d


def _mean_loss(prediction, target):
    return jnp.mean((prediction - target) ** 2)


mean_loss = reverse_rule(
    _mean_loss, lambda p, t: (_mean_loss(p, t), (p, t)), _mean_loss_backward
)


def _unit(g):
    return g / jnp.maximum(jnp.sqrt((g**2).sum()), 1e-6)


EXAMPLES = (
    Example(
        "cotangent_ignored_isrlu",
        isrlu,
        (normal(4, 3),),
        "The slope is returned without the cotangent, as in pytorch/pytorch#4355.",
    ),
    Example(
        "cotangent_taken_as_ones",
        tanh_with(jnp.ones_like),
        (normal(5),),
        "The cotangent is taken to be one everywhere.",
    ),
    Example(
        "cotangent_first_entry",
        tanh_with(lambda g: g.ravel()[0]),
        (normal(2, 3),),
        "Only the cotangent's first entry is used, for all.",
    ),
    Example(
        "cotangent_mean",
        tanh_with(lambda g: g.mean()),
        (normal(2, 3),),
        "The cotangent is replaced by its mean.",
    ),
    Example(
        "cotangent_absolute",
        tanh_with(jnp.abs),
        (normal(6),),
        "The sign of the cotangent is lost.",
    ),
    Example(
        "cotangent_times_its_absolute",
        tanh_with(lambda g: g * jnp.abs(g)),
        (normal(6),),
        "g |g| is not linear in the cotangent, though right for 0, 1 and -1.",
    ),
    Example(
        "cotangent_clipped",
        tanh_with(lambda g: jnp.clip(g, -1, 1)),
        (normal(6),),
        "The cotangent is clipped to [-1, 1].",
    ),
    Example(
        "cotangent_clipped_far_out",
        tanh_with(lambda g: jnp.clip(g, -100, 100)),
        (normal(6),),
        "The cotangent is clipped to [-100, 100]: a scaled loss is cut.",
    ),
    Example(
        "cotangent_of_unit_norm",
        tanh_with(_unit),
        (normal(6),),
        "The cotangent is divided by its norm.",
    ),
    Example(
        "cotangent_batch_flipped",
        tanh_with(lambda g: g[::-1]),
        (normal(4, 2),),
        "The batch of the cotangent is in reverse order.",
    ),
    Example(
        "cotangent_rounded_to_bfloat16",
        tanh_with(lambda g: g.astype(jnp.bfloat16).astype(g.dtype)),
        (normal(8),),
        "A float32 cotangent goes through bfloat16.",
    ),
    Example(
        "cotangent_small_flushed",
        tanh_with(lambda g: jnp.where(jnp.abs(g) < 1e-3, 0, g)),
        (normal(5, scale=0.3),),
        "Cotangents below 0.001 are dropped: a mean over many examples gets zero.",
    ),
    Example(
        "cotangent_offset",
        tanh_with(lambda g: g + 1e-3),
        (normal(5),),
        "0.001 is added to the cotangent: a zero cotangent gives a gradient.",
    ),
    Example(
        "cotangent_of_second_output_dropped",
        moments_second_dropped,
        (normal(3, 4),),
        "The second output's cotangent is not used.",
    ),
    Example(
        "cotangents_of_outputs_swapped",
        sine_cosine_swapped,
        (normal(5),),
        "The cotangents of two outputs are taken in the wrong order.",
    ),
    Example(
        "cotangent_of_one_leaf_ignored",
        statistics,
        (normal(5),),
        "The cotangent of the leaf `sum` is taken to be one.",
    ),
    Example(
        "cotangent_of_rows_averaged_in_fused_loss",
        fused_losses,
        (normal(4, 3), normal(3, 5), np.array([0, 4, 2, 2], np.int32)),
        "A fused loss per row computes its weight gradient ahead and scales it by the "
        "mean cotangent, as in linkedin/Liger-Kernel#968.",
    ),
    Example(
        "cotangent_of_a_scalar_loss_ignored",
        lambda p, t: 0.1 * mean_loss(p, t),
        (normal(6), normal(6)),
        "The loss is taken to be the last operation: its cotangent is not used.",
    ),
)
