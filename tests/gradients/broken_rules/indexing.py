"""Gathers, scatters and slices whose backward pass puts entries elsewhere."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, normals, reverse_rule

normal = normals(8)


def lookup_with(scatter):
    """table[ids], with `scatter(zeros, ids, g)` for the table's cotangent."""

    def backward(saved, g):
        table, ids = saved
        return scatter(jnp.zeros_like(table), ids, g), None

    return reverse_rule(
        lambda table, ids: table[ids],
        lambda table, ids: (table[ids], (table, ids)),
        backward,
    )


def _one_hot_scatter(zeros, ids, g):
    return jax.nn.one_hot(ids, zeros.shape[0], dtype=g.dtype).T @ g


def _clamped(table, ids):
    return jnp.take(table, ids, axis=0, mode="clip")


clamped_lookup = reverse_rule(
    _clamped,
    lambda table, ids: (_clamped(table, ids), (table, ids)),
    lambda saved, g: (jnp.zeros_like(saved[0]).at[saved[1]].add(g, mode="drop"), None),
)


def _padded_lookup(table, ids):
    return jnp.where((ids == 0)[:, None], 0, table[ids])


padded_lookup = reverse_rule(
    _padded_lookup,
    lambda table, ids: (_padded_lookup(table, ids), (table, ids)),
    lambda saved, g: (jnp.zeros_like(saved[0]).at[saved[1]].add(g), None),
)


def _window(x, start):
    return jax.lax.dynamic_slice(x, (start,), (3,))


def _window_backward(saved, g):
    x, start = saved
    # dynamic_slice moves a start that is too large, this does not
    return jnp.zeros_like(x).at[start + jnp.arange(3)].add(g, mode="drop"), None


window = reverse_rule(
    _window, lambda x, start: (_window(x, start), (x, start)), _window_backward
)


def _pick(x, ids):
    return jnp.take_along_axis(x, ids, 0)


def _pick_backward(saved, g):
    x, ids = saved
    return jnp.put_along_axis(jnp.zeros_like(x), ids, g, 1, inplace=False), None


pick_along_other_axis = reverse_rule(
    _pick, lambda x, ids: (_pick(x, ids), (x, ids)), _pick_backward
)

shift = reverse_rule(
    lambda x: jnp.roll(x, 2, -1),
    lambda x: (jnp.roll(x, 2, -1), ()),
    lambda saved, g: (jnp.roll(g, 2, -1),),
)


def _segments(x, ids):
    return jax.ops.segment_sum(x, ids, 3)


segment_sum = reverse_rule(
    _segments,
    lambda x, ids: (_segments(x, ids), ids),
    lambda ids, g: (g[jnp.minimum(ids + 1, 2)], None),
)


def _segment_mean(x, ids):
    counts = jax.ops.segment_sum(jnp.ones_like(x), ids, 3)
    return _segments(x, ids) / jnp.maximum(counts, 1)


segment_mean = reverse_rule(
    _segment_mean,
    lambda x, ids: (_segment_mean(x, ids), ids),
    lambda ids, g: (g[ids] / ids.size * 3, None),
)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def causal_scores(x, fill):
    return jnp.where(jnp.tri(x.shape[0], dtype=bool), x, fill)


def _causal_backward(fill, saved, g):
    del fill, saved
    return (jnp.where(jnp.tri(g.shape[0], k=-1, dtype=bool), g, 0),)


causal_scores.defvjp(lambda x, fill: (causal_scores(x, fill), ()), _causal_backward)


def _attend(q, k, v):
    offset = k.shape[0] - q.shape[0]
    scores = q @ k.T / np.sqrt(q.shape[1])
    mask = jnp.tri(*scores.shape, k=offset, dtype=bool)
    return jax.nn.softmax(jnp.where(mask, scores, -1e30)) @ v


def attention_with(mask):
    """Causal attention, aligned at the end, whose backward pass uses `mask`."""

    def backward(saved, g):
        q, k, v = saved
        scores = q @ k.T / np.sqrt(q.shape[1])
        p = jax.nn.softmax(jnp.where(mask(*scores.shape), scores, -1e30))
        dp = g @ v.T
        ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(q.shape[1])
        return ds @ k, ds.T @ q, p.T @ g

    return reverse_rule(_attend, lambda *args: (_attend(*args), args), backward)


attention_aligned_at_start = attention_with(lambda n, m: jnp.tri(n, m, dtype=bool))
attention_without_mask = attention_with(lambda n, m: True)
repeated = np.array([3, 0, 3, 1, 3], np.int32)

EXAMPLES = (
    Example(
        "repeated_ids_overwrite",
        lookup_with(lambda zeros, ids, g: zeros.at[ids].set(g)),
        (normal(5, 2), repeated),
        "Rows that are read twice keep one cotangent, as in pytorch/pytorch#1631.",
    ),
    Example(
        "repeated_ids_overwrite_without_repeats",
        lookup_with(lambda zeros, ids, g: zeros.at[ids].set(g)),
        (normal(5, 2), np.array([4, 2, 0], np.int32)),
        "Rows that are read twice keep one cotangent; here each is read once.",
    ),
    Example(
        "negative_ids_without_gradient",
        lookup_with(_one_hot_scatter),
        (normal(5, 2), np.array([1, -1, -2], np.int32)),
        "Negative ids count from the end forward and are nothing in a one-hot.",
    ),
    Example(
        "last_row_of_table_without_gradient",
        lookup_with(lambda zeros, ids, g: zeros.at[ids].add(g).at[-1].set(0)),
        (normal(5, 2), np.array([4, 1, 4], np.int32)),
        "The last row of the table never gets a gradient.",
    ),
    Example(
        "ids_off_by_one",
        lookup_with(lambda zeros, ids, g: zeros.at[ids - 1].add(g)),
        (normal(5, 2), np.array([1, 2, 4], np.int32)),
        "The cotangent goes to the row before.",
    ),
    Example(
        "clamped_ids_dropped",
        clamped_lookup,
        (normal(4, 2), np.array([1, 9, 2], np.int32)),
        "An id that is out of range reads the last row and gives it no gradient.",
    ),
    Example(
        "padding_row_with_gradient",
        padded_lookup,
        (normal(4, 2), np.array([0, 2, 0, 3], np.int32)),
        "The padding's row is not read forward and gets a gradient.",
    ),
    Example(
        "clamped_start_of_a_window",
        window,
        (normal(6), np.asarray(5, np.int32)),
        "The forward slice is moved into the array, the backward one is not.",
    ),
    Example(
        "scatter_along_the_other_axis",
        pick_along_other_axis,
        (normal(3, 3), np.array([[2, 0, 1], [0, 1, 0], [1, 2, 2]], np.int32)),
        "The entries go back along axis 1, they came along axis 0.",
    ),
    Example(
        "roll_in_the_same_direction",
        shift,
        (normal(2, 5),),
        "The cotangent is rolled onward, not back.",
    ),
    Example(
        "segment_sum_of_the_next_segment",
        segment_sum,
        (normal(5), np.array([0, 1, 1, 2, 0], np.int32)),
        "Every entry gets the cotangent of the next segment.",
    ),
    Example(
        "segment_mean_with_equal_counts",
        segment_mean,
        (normal(6), np.array([0, 0, 0, 1, 2, 2], np.int32)),
        "The segments are taken to be of equal length.",
    ),
    Example(
        "causal_mask_without_diagonal",
        lambda x: causal_scores(x, -1e9),
        (normal(4, 4),),
        "The causal mask of the backward pass leaves the diagonal out.",
    ),
    Example(
        "causal_mask_aligned_at_the_start",
        attention_aligned_at_start,
        (normal(3, 4), normal(5, 4), normal(5, 2)),
        "With fewer queries than keys the mask is aligned at the end forward, at the "
        "start backward, as in xlite-dev/ffpa-attn#300.",
    ),
    Example(
        "causal_mask_ignored_backward",
        attention_without_mask,
        (normal(4, 4), normal(4, 4), normal(4, 2)),
        "The backward pass has no causal mask: triton-lang/triton#4541 the other way.",
    ),
)
