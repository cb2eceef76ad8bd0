"""Entropic optimal transport by Sinkhorn's iteration."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from funcnn._jax import scan
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
    A turn far from the one before, as the first ones are, is computed so. Once u and v
    only move by 20 log 2, their exponentials x and y are factors of a kernel K that
    stays: R and Q are x_i K_ij y_j, and a turn is two products of K with vectors, as
    Sinkhorn has it. In the backward pass K is Q_T, and as D has no sums of rows left,
    r_i = -a_i sum_j Q_t c_j, so r, c, da and db are made of such products too; but
    where a share is above 0.9, D is made matrix by matrix.
    Saved: cost, the marginals, and u and v of every turn, from which R and Q are made
    again: (iterations, ..., n + m), and not (iterations, ..., n, m). At convergence
    the implicit function theorem would need no turn at all; before, it is wrong.
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
    (u, v), _ = scan(turn, start, length=iterations)
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

    def far(v):
        _, q, u, v = _turn(s, a, b, v)
        # a kernel of 0 has no factors, so the next turn is this one too
        kernel = jnp.where(_keeps(q, a, b), q, 0)
        return (kernel, u, v, jnp.ones_like(b)), (u, v)

    def turn(carry, _):
        kernel, u, v, y = carry
        x, row_near = _factor(_of_rows(kernel, b * y))
        y1, column_near = _factor(_of_columns(kernel, a * x))
        return lax.cond(
            row_near & column_near,
            lambda: ((kernel, u, v, y1), (u + jnp.log(x), v + jnp.log(y1))),
            lambda: far(v + jnp.log(y)),
        )

    start = jnp.zeros_like(s), jnp.zeros_like(a), jnp.zeros_like(b), jnp.ones_like(b)
    _, (us, vs) = scan(turn, start, length=iterations - 1)
    vs = jnp.concatenate([jnp.zeros_like(b)[None], vs])
    q = _turn(s, a, b, vs[-1])[1]
    saved = cost, row_marginals, column_marginals, us, vs
    return (a * b * q).astype(cost.dtype), saved


def _wide_arguments(cost, a, b, epsilon):
    return -wide(cost) / epsilon, wide(a)[..., None], wide(b)[..., None, :]


def _turn(s, a, b, v):
    """R and Q of a turn, and u and v after it."""
    r, u = _shares(s + v, b, -1)
    q, v = _shares(s + u, a, -2)
    return r, q, u, v


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


_NEAR = 2.0**20  # By factors below it, what a kernel flushed to 0 stays nothing.


def _keeps(q, a, b):
    """Whether a kernel holds all that counts, by weights of ordinary size."""
    small = [jnp.all(x < _NEAR**2) for x in (q, a.sum(-2), b.sum(-1))]
    large = [jnp.all(x > 1 / _NEAR) for x in (a.sum(-2), b.sum(-1))]
    return functools.reduce(jnp.logical_and, small + large)


def _factor(total):
    """1 / total, and whether all of them are near 1; where not, 1."""
    near = (total > 1 / _NEAR) & (total < _NEAR)
    return 1 / jnp.where(near, total, 1), near.all()


def _of_rows(kernel, y):
    return jnp.matmul(kernel, y.mT, precision="highest")


def _of_columns(kernel, x):
    return jnp.matmul(x.mT, kernel, precision="highest")


def _backward(epsilon, iterations, saved, g):
    cost, row_marginals, column_marginals, us, vs = saved
    s, a, b = _wide_arguments(cost, row_marginals, column_marginals, epsilon)
    g = wide(g)
    r, kernel, *last = _turn(s, a, b, vs[-1])
    # A difference has few digits left where a share is nearly 1, so `far` takes two.
    spreads = _keeps(kernel, a, b) & jnp.all(jnp.maximum(a, b) * kernel < 0.9)

    def far(shares, ds, da, db):
        r, q = shares
        ds, columns = _balanced(ds, a * q, -2)
        ds, rows = _balanced(ds, b * r, -1)
        da = da - (q * columns).sum(-1, keepdims=True)
        db = db - (r * rows).sum(-2, keepdims=True)
        return ds, ds.sum(-2, keepdims=True), da, db

    def near(x, y, y0, ds, columns, da, db):
        row_sums = x * _of_rows(kernel, y * columns)
        rows = -a * row_sums
        column_sums = y0 * _of_columns(kernel, x * rows)
        change = (a * x) * (y * columns) + (x * rows) * (b * y0)
        ds = ds - kernel * change
        return ds, -b * column_sums, da - row_sums, db - column_sums

    def turn(carry, turn):
        u, v, v0 = turn
        ds, columns, da, db = carry
        x, row_near = _ratio(u, last[0])
        y, column_near = _ratio(v, last[1])
        y0, before_near = _ratio(v0, last[1])
        carry = lax.cond(
            spreads & row_near & column_near & before_near,
            lambda: near(x, y, y0, ds, columns, da, db),
            lambda: far(_turn(s, a, b, v0)[:2], ds, da, db),
        )
        return carry, None

    gq = g * kernel
    sums = (b * gq).sum(-1, keepdims=True), (a * gq).sum(-2, keepdims=True)
    start = far((r, kernel), a * b * gq, *sums)
    turns = us, vs[1:], vs[:-1]
    (ds, _, da, db), _ = scan(turn, start, turns, reverse=True)
    return -ds / epsilon, da[..., 0], db[..., 0, :]


def _ratio(u, last):
    """exp(u - last), and whether all of them are near 1; where not, 1."""
    difference = u - last
    near = jnp.abs(difference) < math.log(_NEAR)
    return jnp.exp(jnp.where(near, difference, 0)), near.all()


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
    yield normal(3, 4), positive(3), positive(4), 0.06, 4
    yield normal(2, 3, 2), positive(2, 3), positive(2, 2), 2.0, 1
    yield normal(0, 3, 2), positive(0, 3), positive(0, 2), 1.0, 2
    rows, columns = jnp.array([0.5, 0.0, 2.0]), jnp.array([0.7, 1.0, 0.0])
    yield normal(3, 3), rows, columns, 1.0, 3


_sinkhorn = rule(
    _reference, _forward, _backward, static=["epsilon", "iterations"], cases=_cases
)
