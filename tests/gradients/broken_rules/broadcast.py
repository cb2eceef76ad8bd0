"""Arguments that are broadcast: their cotangents must be summed."""

import jax
import jax.numpy as jnp

from .example import Example, normals, reverse_rule

normal = normals(4)


def add_with(reduce):
    """x + bias, whose cotangent of the bias is `reduce` of the incoming one."""
    return reverse_rule(
        lambda x, bias: x + bias,
        lambda x, bias: (x + bias, bias),
        lambda bias, g: (g, reduce(g, bias)),
    )


def multiply_with(reduce):
    """x * scale, whose cotangent of the scale is `reduce` of g * x."""
    return reverse_rule(
        lambda x, scale: x * scale,
        lambda x, scale: (x * scale, (x, scale)),
        lambda saved, g: (g * saved[1], reduce(g * saved[0])),
    )


@jax.custom_vjp
def outer_sum(column, row):
    return column + row


def _outer_backward(saved, g):
    # the two axes are mistaken for each other
    return g.sum(0)[:, None], g.sum(1)[None, :]


outer_sum.defvjp(lambda c, r: (c + r, ()), _outer_backward)


def _grouped_scores(q, k):
    return q @ jnp.repeat(k, q.shape[0] // k.shape[0], 0).swapaxes(1, 2)


def grouped_scores_with(group):
    """Scores of grouped queries; `group` sums dk over the heads of a group."""

    def backward(saved, g):
        q, k = saved
        dq = g @ jnp.repeat(k, q.shape[0] // k.shape[0], 0)
        return dq, group(g.swapaxes(1, 2) @ q, k.shape)

    return reverse_rule(
        _grouped_scores, lambda q, k: (_grouped_scores(q, k), (q, k)), backward
    )


def _normalize(x, scale, offset):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(var + 1e-5) * scale + offset


def _normalize_backward(saved, g):
    x, scale, offset = saved
    _, pull = jax.vjp(_normalize, x, scale, offset)
    dx, _, _ = pull(g)
    hat = _normalize(x, 1.0, 0.0)
    # summed over the batch and not over time
    return dx, (g * hat).sum(0)[-1], g.sum(0)[-1]


normalize_time = reverse_rule(
    _normalize, lambda *args: (_normalize(*args), args), _normalize_backward
)


@jax.custom_vjp
def shared_kernel(x, kernel):
    return x @ kernel


def _shared_backward(saved, g):
    x, kernel = saved
    return g @ kernel.T, jnp.einsum("bi,bj->ij", x[:, -1], g[:, -1])


shared_kernel.defvjp(lambda x, k: (x @ k, (x, k)), _shared_backward)

EXAMPLES = (
    Example(
        "bias_mean_for_sum",
        add_with(lambda g, bias: g.mean(0)),
        (normal(4, 3), normal(3)),
        "The bias's cotangent is averaged over the batch.",
    ),
    Example(
        "bias_first_row_only",
        add_with(lambda g, bias: g[0]),
        (normal(4, 3), normal(3)),
        "The bias gets the first row of the cotangent.",
    ),
    Example(
        "bias_with_kept_axis_first_row",
        add_with(lambda g, bias: g[:1]),
        (normal(4, 3), normal(1, 3)),
        "A bias of shape (1, n) gets one row of the cotangent: no sum.",
    ),
    Example(
        "bias_summed_over_the_wrong_axis",
        add_with(lambda g, bias: g.sum(1)),
        (normal(3, 3), normal(3)),
        "The cotangent is summed over features, which a square shape hides.",
    ),
    Example(
        "bias_not_summed",
        add_with(lambda g, bias: g),
        (normal(4, 3), normal(3)),
        "The cotangent of a broadcast bias has the shape of the output: it raises.",
    ),
    Example(
        "bias_without_sum_by_broadcasting_again",
        add_with(lambda g, bias: jnp.broadcast_to(g.mean(), bias.shape)),
        (normal(4, 3), normal(3)),
        "The bias gets the mean of all entries to make the shape fit.",
    ),
    Example(
        "scalar_scale_mean_for_sum",
        multiply_with(jnp.mean),
        (normal(4, 3), normal()),
        "The cotangent of a scalar scale is a mean, not a sum.",
    ),
    Example(
        "scale_per_row_summed_over_all",
        multiply_with(
            lambda d: jnp.broadcast_to(d.sum(), (d.shape[0], 1)),
        ),
        (normal(4, 3), normal(4, 1)),
        "A scale per row gets the sum over all rows.",
    ),
    Example(
        "outer_sum_with_axes_mistaken",
        outer_sum,
        (normal(3, 1), normal(1, 3)),
        "Column and row are summed over each other's axis.",
    ),
    Example(
        "grouped_heads_first_only",
        grouped_scores_with(lambda d, shape: d.reshape(shape[0], -1, *shape[1:])[:, 0]),
        (normal(4, 3, 2), normal(2, 5, 2)),
        "Of the query heads that share a key head only the first counts.",
    ),
    Example(
        "grouped_heads_in_tile_order",
        grouped_scores_with(
            lambda d, shape: d.reshape(-1, *shape).sum(0),
        ),
        (normal(4, 3, 2), normal(2, 5, 2)),
        "The heads are grouped as by tile where the forward pass repeats.",
    ),
    Example(
        "layer_norm_scale_of_last_step_only",
        normalize_time,
        (normal(2, 3, 4), normal(4), normal(4)),
        "Scale and offset count the last time step alone.",
    ),
    Example(
        "shared_kernel_of_last_step_only",
        shared_kernel,
        (normal(2, 3, 4), normal(4, 2)),
        "A kernel that all time steps share counts the last alone.",
    ),
)
