"""Entropic optimal transport by Sinkhorn's iteration."""

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def sinkhorn(
    cost: jax.Array,
    row_marginals: jax.Array | None = None,
    column_marginals: jax.Array | None = None,
    *,
    epsilon: float,
    iterations: int = 100,
) -> jax.Array:
    """The plan P that moves `row_marginals` to `column_marginals` at least cost.

    It is the minimum of <P, cost> + epsilon <P, log P> with these sums of rows and
    columns, after `iterations` of Sinkhorn's turns: the sums of the columns are then
    exact, and those of the rows nearly, so ``plan.sum(-1) - row_marginals`` tells how
    near. The gradient is that of these very turns, however near they came. Of
    marginals whose sums differ, those of the columns count, and the rows stand in the
    proportions that are given. For scores, of which the largest are wanted, give
    ``-scores``.

    Shapes: cost (..., n, m), row_marginals (..., n) and column_marginals (..., m), by
            default 1/n and 1/m -> (..., n, m).
    Dtypes: the arguments' common float dtype; computed in float32 or wider.
    Units:  epsilon has those of cost; the plan has those of the marginals.
    Errors: ShapeError unless the marginals fit the cost; ValueError unless epsilon
            is above 0 and there is one iteration or more. Marginals below 0, or all
            0, give NaN.

    Gradient. With S = -cost / epsilon, rows i of marginals a and columns j of b, and
    v_0 = 0, the turns t = 1..T are
        u_t = -log sum_j b_j exp(S_ij + v_{t-1}),   R_t = exp(S + u_t + v_{t-1}),
        v_t = -log sum_i a_i exp(S_ij + u_t),       Q_t = exp(S + u_t + v_t),
    and P = a_i b_j Q_T. The derivatives of the two lines are weighted means:
        du_t = -sum_j b_j R_t (dS + dv_{t-1}) - sum_j R_t db_j,
        dv_t = -sum_i a_i Q_t (dS + du_t) - sum_i Q_t da_i.
    Let g be the cotangent of P and D that of S, at first D = g P. Then for each turn,
    from the last to the first, the cotangent of v_t is the sum c of the columns of D,
        D -= a_i Q_t c_j,   da -= sum_j Q_t c_j,   after which those sums are 0,
    and that of u_t is the sum r of the rows, so
        D -= b_j R_t r_i,   db -= sum_i R_t r_i,   after which these are 0,
    and what it did to the sums of the columns is the cotangent of v_{t-1}. At last
    dcost = -D / epsilon; and da, db begin as sum_j g b_j Q_T and sum_i g a_i Q_T.
    Each is done twice, for the second time takes out what rounding left of the first:
    where a share a_i Q_t or b_j R_t is nearly 1, as in plans that match one to one,
    one difference would have no digits left.
    Saved: cost, the marginals, and v of every turn, from which u, R and Q are made
    again: (iterations, ..., m), and not (iterations, ..., n, m). At convergence the
    implicit function theorem would need no turn at all; before, it is wrong.
    Kinks: none. A marginal of 0 gives a row or column of zeros and has the gradient
    of the limit, which is held below the square root of the largest float.
    Source: Cuturi (2013), arXiv:1306.0895; Eisenberger et al. (2022),
    arXiv:2205.06688, compare both ways.
    """
    cost, a, b = _marginals(cost, row_marginals, column_marginals)
    if not epsilon > 0:
        raise ValueError(f"sinkhorn: epsilon must be above 0, got {epsilon}")
    if int(iterations) < 1:
        raise ValueError(f"sinkhorn: iterations must be 1 or more, got {iterations}")
    return _sinkhorn(cost, a, b, float(epsilon), int(iterations))


def _marginals(cost, a, b):
    (cost,) = floats("sinkhorn", cost=cost)
    if cost.ndim < 2 or not cost.shape[-1] or not cost.shape[-2]:
        raise ShapeError(
            f"sinkhorn: cost must have shape (..., n, m), got {cost.shape}"
        )
    *leading, n, m = cost.shape
    a = jnp.full((*leading, n), 1 / n, cost.dtype) if a is None else a
    b = jnp.full((*leading, m), 1 / m, cost.dtype) if b is None else b
    cost, a, b = floats("sinkhorn", cost=cost, row_marginals=a, column_marginals=b)
    if a.shape != (*leading, n) or b.shape != (*leading, m):
        raise ShapeError(
            f"sinkhorn: cost {cost.shape} needs marginals of shapes {(*leading, n)} "
            f"and {(*leading, m)}, got {a.shape} and {b.shape}"
        )
    return cost, a, b


def _reference(cost, row_marginals, column_marginals, epsilon, iterations):
    s, a, b = -cost / epsilon, row_marginals[..., None], column_marginals[..., None, :]

    def turn(pair, _):
        u = -_log_sum(s + pair[1], b, -1)
        return (u, -_log_sum(s + u, a, -2)), None

    start = jnp.zeros_like(a), jnp.zeros_like(b)
    (u, v), _ = lax.scan(turn, start, length=iterations)
    return a * b * jnp.exp(s + u + v)


def _log_sum(x, weights, axis):
    top = _top(x, weights, axis)
    return top + jnp.log((weights * jnp.exp(x - top)).sum(axis, keepdims=True))


def _top(x, weights, axis):
    """The largest entry of those that weigh anything."""
    top = jnp.where(weights > 0, x, -jnp.inf).max(axis, keepdims=True)
    return lax.stop_gradient(top)


def _forward(cost, row_marginals, column_marginals, epsilon, iterations):
    s, a, b = _wide_arguments(cost, row_marginals, column_marginals, epsilon)

    def turn(v, _):
        return _turn(s, a, b, v)[2], v

    _, vs = lax.scan(turn, jnp.zeros_like(b), length=iterations)
    _, q, _ = _turn(s, a, b, vs[-1])
    saved = cost, row_marginals, column_marginals, vs
    return (a * b * q).astype(cost.dtype), saved


def _wide_arguments(cost, a, b, epsilon):
    return -wide(cost) / epsilon, wide(a)[..., None], wide(b)[..., None, :]


def _turn(s, a, b, v):
    """R and Q of a turn, and v after it."""
    r, u = _shares(s + v, b, -1)
    return r, *_shares(s + u, a, -2)


def _shares(x, weights, axis):
    """exp(x) by its weighted sum, and minus the logarithm of the sum."""
    # `_top` as a sum, not a choice, which XLA on CPU would keep in memory
    weighs = jnp.where(weights > 0, 0, -jnp.inf)
    top = lax.stop_gradient((x + weighs).max(axis, keepdims=True))
    # what weighs nothing may be larger than all that does
    most = 0.5 * jnp.log(jnp.finfo(x.dtype).max)
    e = jnp.exp(jnp.minimum(x - top, most))
    total = (weights * e).sum(axis, keepdims=True)
    return e / total, -(top + jnp.log(total))


def _backward(epsilon, iterations, saved, g):
    cost, row_marginals, column_marginals, vs = saved
    s, a, b = _wide_arguments(cost, row_marginals, column_marginals, epsilon)
    g = wide(g)

    def turn(carry, v):
        ds, da, db = carry
        r, q, _ = _turn(s, a, b, v)
        ds, columns = _balanced(ds, a * q, -2)
        ds, rows = _balanced(ds, b * r, -1)
        da = da - (q * columns).sum(-1, keepdims=True)
        return (ds, da, db - (r * rows).sum(-2, keepdims=True)), None

    gq = g * _turn(s, a, b, vs[-1])[1]
    sums = (b * gq).sum(-1, keepdims=True), (a * gq).sum(-2, keepdims=True)
    (ds, da, db), _ = lax.scan(turn, (a * b * gq, *sums), vs, reverse=True)
    return -ds / epsilon, da[..., 0], db[..., 0, :]


def _balanced(x, shares, axis):
    """`x` with its sums along an axis taken out in shares, and the sums.

    Twice, for the second sums take out what rounding left of the first: where one
    share is nearly 1, its entry is then as exact as those of the small ones.
    """
    sums = x.sum(axis, keepdims=True)
    x = x - shares * sums
    return x - shares * x.sum(axis, keepdims=True), sums


def _cases(normal):
    def positive(*shape):
        return jnp.exp(normal(*shape))

    yield normal(3, 4), positive(3), positive(4), 0.7, 5
    yield normal(2, 3, 2), positive(2, 3), positive(2, 2), 2.0, 1
    yield normal(0, 3, 2), positive(0, 3), positive(0, 2), 1.0, 2
    rows, columns = jnp.array([0.5, 0.0, 2.0]), jnp.array([0.7, 1.0, 0.0])
    yield normal(3, 3), rows, columns, 1.0, 3


_sinkhorn = rule(
    _reference, _forward, _backward, static=["epsilon", "iterations"], cases=_cases
)
