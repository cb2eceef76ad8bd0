"""Rules that rely on a property of the inputs that nobody promised."""

import jax
import jax.numpy as jnp
import numpy as np

from .example import Example, elementwise, normals, reverse_rule

normal = normals(11)


def softmax_rows(x):
    """Rows of probabilities, in NumPy."""
    e = np.exp(x)
    return e / e.sum(-1, keepdims=True)


def _soft_cross_entropy(logits, labels):
    return -(labels * jax.nn.log_softmax(logits)).sum(-1)


def _soft_backward(saved, g):
    logits, labels = saved
    d = jax.nn.softmax(logits) - labels
    return g[..., None] * d, -g[..., None] * jax.nn.log_softmax(logits)


soft_cross_entropy = reverse_rule(
    _soft_cross_entropy,
    lambda x, t: (_soft_cross_entropy(x, t), (x, t)),
    _soft_backward,
)


@jax.custom_vjp
def quadratic_form(x, a):
    return x @ a @ x


quadratic_form.defvjp(
    lambda x, a: (x @ a @ x, (x, a)),
    lambda saved, g: (2 * g * saved[1] @ saved[0], g * jnp.outer(saved[0], saved[0])),
)


@jax.custom_vjp
def solve(a, b):
    return jnp.linalg.solve(a, b)


def _solve_backward(saved, g):
    a, x = saved
    db = jnp.linalg.solve(a, g)
    return -jnp.outer(db, x), db


def _solve_forward(a, b):
    x = jnp.linalg.solve(a, b)
    return x, (a, x)


solve.defvjp(_solve_forward, _solve_backward)


@jax.custom_vjp
def rotate_back(q, x):
    return jnp.linalg.inv(q) @ x


def _rotate_backward(saved, g):
    q, y = saved
    # "the inverse of a rotation is its transpose"
    return -jnp.outer(q @ g, y), q @ g


rotate_back.defvjp(
    lambda q, x: (rotate_back(q, x), (q, jnp.linalg.inv(q) @ x)), _rotate_backward
)


@jax.custom_vjp
def cosine(x, y):
    return x @ y / jnp.sqrt((x @ x) * (y @ y))


def _cosine_backward(saved, g):
    x, y = saved
    c = cosine(x, y)
    # lengths of one
    return g * (y - c * x), g * (x - c * y)


cosine.defvjp(lambda x, y: (cosine(x, y), (x, y)), _cosine_backward)


@jax.custom_vjp
def weighted_mean(x, weight):
    return (weight * x).sum() / weight.sum()


weighted_mean.defvjp(
    lambda x, w: (weighted_mean(x, w), (x, w)),
    lambda saved, g: (g * saved[1], g * (saved[0] - (saved[1] * saved[0]).sum())),
)


@jax.custom_vjp
def masked(x, mask):
    return x * mask


masked.defvjp(
    lambda x, mask: (x * mask, (x, mask)),
    lambda saved, g: (jnp.where(saved[1] > 0, g, 0), g * saved[0]),
)

root_of_square = elementwise(lambda x: jnp.sqrt(x**2 + 1e-12), jnp.ones_like)


def _divergence(p, q):
    return (p * jnp.log(p / q)).sum()


divergence = reverse_rule(
    _divergence,
    lambda p, q: (_divergence(p, q), (p, q)),
    # "the + 1 falls away, as p sums to one"
    lambda saved, g: (g * jnp.log(saved[0] / saved[1]), -g * saved[0] / saved[1]),
)


def _interpolate(t, knots, values):
    i = jnp.clip(jnp.searchsorted(knots, t) - 1, 0, knots.size - 2)
    slope = (values[i + 1] - values[i]) / (knots[i + 1] - knots[i])
    return values[i] + slope * (t - knots[i])


def _interpolate_backward(saved, g):
    t, knots, values = saved
    i = jnp.clip(jnp.searchsorted(knots, t) - 1, 0, knots.size - 2)
    step = knots[1] - knots[0]  # knots at equal distances
    w = (t - knots[i]) / step
    dv = jnp.zeros_like(values).at[i].add(g * (1 - w)).at[i + 1].add(g * w)
    dt = g * (values[i + 1] - values[i]) / step
    return dt, jnp.zeros_like(knots), dv  # the knots are fixed in the program


interpolate = reverse_rule(
    _interpolate,
    lambda *args: (_interpolate(*args), args),
    _interpolate_backward,
)


def _attend(q, k, v, scale):
    return jax.nn.softmax(scale * q @ k.T) @ v


def _attend_backward(saved, g):
    q, k, v, scale = saved
    usual = 1 / np.sqrt(q.shape[1])
    _, pull = jax.vjp(lambda q, k, v: _attend(q, k, v, usual), q, k, v)
    dscale = jax.vjp(lambda s: _attend(q, k, v, s), scale)[1](g)[0]
    return (*pull(g), dscale)


attend = reverse_rule(_attend, lambda *args: (_attend(*args), args), _attend_backward)

matrix = normal(3, 3) + 3 * np.eye(3, dtype=np.float32)
symmetric = matrix + matrix.T

EXAMPLES = (
    Example(
        "labels_taken_to_sum_to_one",
        soft_cross_entropy,
        (normal(3, 4), np.abs(normal(3, 4))),
        "softmax - labels needs labels that sum to one; these do not.",
    ),
    Example(
        "labels_that_sum_to_one",
        soft_cross_entropy,
        (normal(3, 4), softmax_rows(normal(3, 4))),
        "softmax - labels needs labels that sum to one; the ones given do.",
    ),
    Example(
        "quadratic_form_taken_as_symmetric",
        quadratic_form,
        (normal(3), matrix),
        "2 A x is the gradient for symmetric matrices only.",
    ),
    Example(
        "quadratic_form_of_a_symmetric_matrix",
        quadratic_form,
        (normal(3), symmetric),
        "2 A x is the gradient for symmetric matrices only; this one is.",
    ),
    Example(
        "solve_taken_as_symmetric",
        solve,
        (matrix, normal(3)),
        "The backward pass solves with A where it needs its transpose.",
    ),
    Example(
        "inverse_taken_as_transpose",
        rotate_back,
        (matrix, normal(3)),
        "The backward pass takes the matrix to be orthogonal.",
    ),
    Example(
        "cosine_of_unit_vectors",
        cosine,
        (normal(4), normal(4)),
        "The vectors are taken to have length one.",
    ),
    Example(
        "weights_taken_to_sum_to_one",
        weighted_mean,
        (normal(4), np.abs(normal(4))),
        "The weights are taken to sum to one.",
    ),
    Example(
        "mask_taken_as_binary",
        masked,
        (normal(4), np.array([0, 1, 1, 0], np.float32)),
        "A mask of floats is taken to be 0 or 1, as the one given is.",
    ),
    Example(
        "inputs_taken_as_positive",
        root_of_square,
        (np.abs(normal(5)) + 0.1,),
        "The inputs are taken to be positive, as those given are.",
    ),
    Example(
        "divergence_without_its_constant",
        divergence,
        (softmax_rows(normal(4)), softmax_rows(normal(4))),
        "The + 1 is dropped as if p could not leave the simplex.",
    ),
    Example(
        "knots_taken_at_equal_distances",
        lambda t, values: interpolate(t, np.array([0, 1, 4], np.float32), values),
        (np.array([0.5, 1.5, 3.0], np.float32), normal(3)),
        "The knots are taken to be at equal distances.",
    ),
    Example(
        "attention_of_the_usual_scale",
        attend,
        (normal(3, 4), normal(3, 4), normal(3, 2), normal() ** 2),
        "The backward pass takes the scale to be 1/sqrt(d), whatever was given.",
    ),
)
