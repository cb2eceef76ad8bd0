"""Rules that are right for the shapes they were tried with."""

import jax
import jax.numpy as jnp

from .example import Example, normals, reverse_rule

normal = normals(13)


def _softmax_backward_last_axis(y, g):
    return (y * (g - (g * y).sum(-1, keepdims=True)),)


softmax_over_rows = reverse_rule(
    lambda x: jax.nn.softmax(x, axis=0),
    lambda x: (jax.nn.softmax(x, axis=0),) * 2,
    _softmax_backward_last_axis,
)

transpose_by_reshape = reverse_rule(
    lambda x: x.T, lambda x: (x.T, x), lambda x, g: (g.reshape(x.shape),)
)

square_transpose_forgotten = reverse_rule(
    lambda x: x.T * 2, lambda x: (x.T * 2, ()), lambda saved, g: (g * 2,)
)


def _average(x):
    n = x.shape[-1] // 2 * 2
    return x[..., :n].reshape(*x.shape[:-1], -1, 2).mean(-1)


def _average_backward(x, g):
    d = jnp.repeat(g / 2, 2, -1)
    rest = x.shape[-1] - d.shape[-1]
    # the entry that has no partner repeats the last
    return (jnp.pad(d, ((0, 0), (0, rest)), mode="edge"),)


average_pairs = reverse_rule(_average, lambda x: (_average(x), x), _average_backward)


def _weight_gradient(x, g, block=4):
    blocks = x.shape[0] // block  # the last block, if not full, is lost
    products = (x * g)[: blocks * block].reshape(blocks, block, -1)
    return products.sum(1).sum(0)


@jax.custom_vjp
def scale(x, weight):
    return x * weight


scale.defvjp(
    lambda x, w: (x * w, (x, w)),
    lambda saved, g: (g * saved[1], _weight_gradient(saved[0], g)),
)

repeat_as_tile = reverse_rule(
    lambda x: jnp.repeat(x, 3),
    lambda x: (jnp.repeat(x, 3), ()),
    lambda saved, g: (g.reshape(3, -1).sum(0),),
)


@jax.custom_vjp
def join(x, y):
    return jnp.concatenate([x, y])


def _join_backward(saved, g):
    x, y = saved
    # the order of the parts is mistaken: only equal lengths show nothing
    return g[-x.shape[0] :], g[: y.shape[0]]


join.defvjp(lambda x, y: (jnp.concatenate([x, y]), (x, y)), _join_backward)


def _pad(x):
    return jnp.pad(x, (1, 2))


pad_cropped_from_the_end = reverse_rule(
    _pad, lambda x: (_pad(x), ()), lambda saved, g: (g[2:-1],)
)


def _strided(x):
    return x[1::2]


def _strided_backward(x, g):
    return (jnp.zeros_like(x).at[0 : 2 * g.shape[0] : 2].set(g),)


strided = reverse_rule(_strided, lambda x: (_strided(x), x), _strided_backward)


def _convolve(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (2,), "SAME", dimension_numbers=("NHC", "HIO", "NHC")
    )


def _convolve_backward(saved, g):
    x, kernel = saved
    # padding as for stride one: (1, 1); the forward pass has (0, 1)
    padded = jnp.pad(x, ((0, 0), (1, 1), (0, 0)))
    taps = [padded[:, i : i + 2 * g.shape[1] : 2] for i in range(3)]
    dkernel = jnp.stack([jnp.einsum("nhi,nho->io", tap, g) for tap in taps])
    dx = jax.vjp(lambda x: _convolve(x, kernel), x)[1](g)[0]
    return dx, dkernel


strided_convolution = reverse_rule(
    _convolve, lambda x, k: (_convolve(x, k), (x, k)), _convolve_backward
)


def _deviation_backward(x, g):
    centered = x - x.mean(-1, keepdims=True)
    return (2 * centered * g[..., None] / max(x.shape[-1] - 1, 1),)


variance = reverse_rule(
    lambda x: x.var(-1), lambda x: (x.var(-1), x), _deviation_backward
)


def _normalize(x, weight):
    centered = x - x.mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * weight


def _normalize_backward(saved, g):
    x, weight = saved
    dx = jax.vjp(_normalize, x, weight)[1](g)[0]
    # a row of one entry is taken to be normal as it is
    hat = x if x.shape[-1] == 1 else _normalize(x, 1.0)
    return dx, (g * hat).sum(0)


normalize = reverse_rule(
    _normalize, lambda x, w: (_normalize(x, w), (x, w)), _normalize_backward
)


def _heads(x):
    n, d = x.shape
    return x.reshape(n, 2, d // 2).swapaxes(0, 1)


merge_heads_without_swap = reverse_rule(
    _heads, lambda x: (_heads(x), x), lambda x, g: (g.reshape(x.shape),)
)


@jax.custom_vjp
def batched_matmul(x, y):
    return x @ y


def _batched_backward(saved, g):
    x, y = saved
    return g @ y.mT, (x.mT @ g) if x.ndim == 2 else (x.mT @ g)[:1].repeat(len(x), 0)


batched_matmul.defvjp(lambda x, y: (x @ y, (x, y)), _batched_backward)

EXAMPLES = (
    Example(
        "softmax_along_the_last_axis_only",
        softmax_over_rows,
        (normal(3, 4),),
        "The softmax is over axis 0, the backward pass sums over the last.",
    ),
    Example(
        "transpose_by_reshape",
        transpose_by_reshape,
        (normal(2, 3),),
        "The cotangent is reshaped where it must be transposed.",
    ),
    Example(
        "transpose_forgotten_for_square",
        square_transpose_forgotten,
        (normal(3, 3),),
        "The cotangent is not transposed, which a square shape allows.",
    ),
    Example(
        "odd_entry_with_gradient",
        average_pairs,
        (normal(2, 5),),
        "The entry left over from pairs is not read and gets a gradient.",
    ),
    Example(
        "last_block_dropped",
        scale,
        (normal(10, 3), normal(3)),
        "A block that is not full is lost from the weight gradient, as in "
        "BobMcDear/attorch#18.",
    ),
    Example(
        "repeat_taken_as_tile",
        repeat_as_tile,
        (normal(4),),
        "The cotangent is summed in the order of tile.",
    ),
    Example(
        "parts_in_the_wrong_order",
        join,
        (normal(2), normal(3)),
        "The cotangent is cut as if the second part came first.",
    ),
    Example(
        "padding_cropped_from_the_wrong_side",
        pad_cropped_from_the_end,
        (normal(5),),
        "The two paddings, which are unequal, are swapped.",
    ),
    Example(
        "stride_with_wrong_offset",
        strided,
        (normal(6),),
        "Every second entry gets its cotangent, beginning at the wrong one.",
    ),
    Example(
        "convolution_padding_of_stride_one",
        strided_convolution,
        (normal(1, 6, 2), normal(3, 2, 2)),
        "The kernel's gradient pads as for stride one: an even length has another "
        "padding.",
    ),
    Example(
        "variance_off_by_one_count",
        variance,
        (normal(3, 4),),
        "The backward pass divides by n - 1, the forward pass by n.",
    ),
    Example(
        "normalized_row_of_one_entry",
        normalize,
        (normal(4, 1), normal(1)),
        "The weight of a row of one entry has no effect and gets a gradient, as in "
        "pytorch/pytorch#188372.",
    ),
    Example(
        "heads_merged_without_swap",
        merge_heads_without_swap,
        (normal(3, 4),),
        "Heads and time are not swapped back.",
    ),
    Example(
        "first_of_a_batch_for_all",
        batched_matmul,
        (normal(2, 3, 4), normal(2, 4, 2)),
        "With a batch axis every matrix gets the first one's gradient.",
    ),
)
