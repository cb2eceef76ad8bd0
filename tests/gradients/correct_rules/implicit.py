"""Solutions of equations: the rule differentiates the equation, not the solver."""

import jax
import jax.numpy as jnp
from jax import lax

from .example import Example, array, normal, reverse_rule

TOLERANCE = 1e-6


def iterate(step, start, size=1, most=200):
    """The fixed point of a contraction; has no reverse mode."""

    def more(carry):
        count, before, now = carry
        return (count < most) & (jnp.abs(now - before).max() > TOLERANCE * size)

    def turn(carry):
        count, _, now = carry
        return count + 1, now, step(now)

    return lax.while_loop(more, turn, (0, start, step(start)))[2]


def _cell(weight, x, z):
    # tanh of the weights keeps the step a contraction whatever they are
    return jnp.tanh(0.2 * jnp.tanh(weight) @ z + x)


def _equilibrium(weight, x):
    return iterate(lambda z: _cell(weight, x, z), jnp.zeros_like(x))


def _equilibrium_fwd(weight, x):
    z = _equilibrium(weight, x)
    return z, (weight, x, z)


def _solve_bwd(saved, g):
    weight, x, z = saved
    jacobian = jax.jacrev(lambda z: _cell(weight, x, z))(z)
    u = jnp.linalg.solve((jnp.eye(z.size, dtype=z.dtype) - jacobian).T, g)
    return jax.vjp(lambda weight, x: _cell(weight, x, z), weight, x)[1](u)


def _iterate_bwd(saved, g):
    weight, x, z = saved
    transposed = jax.vjp(lambda z: _cell(weight, x, z), z)[1]
    u = iterate(lambda u: g + transposed(u)[0], g, jnp.abs(g).max())
    return jax.vjp(lambda weight, x: _cell(weight, x, z), weight, x)[1](u)


solved_equilibrium = reverse_rule(_equilibrium, _equilibrium_fwd, _solve_bwd)
iterated_equilibrium = reverse_rule(_equilibrium, _equilibrium_fwd, _iterate_bwd)


@jax.custom_jvp
def cube_root(x):
    """By Newton's method."""
    size = jnp.abs(x) + 1e-30

    def more(carry):
        count, y = carry
        return (count < 100) & (jnp.abs(y**3 - size) > TOLERANCE * size).any()

    def turn(carry):
        count, y = carry
        return count + 1, y - (y**3 - size) / (3 * y * y)

    start = jnp.maximum(size, 1)
    return jnp.sign(x) * lax.while_loop(more, turn, (0, start))[1]


@cube_root.defjvp
def _cube_root_jvp(primals, tangents):
    y = cube_root(*primals)
    return y, tangents[0] / (3 * y * y)


@jax.custom_jvp
def eccentric_anomaly(mean, angle):
    """Kepler's equation, E - e sin E = M, for the eccentricity e = sin(angle) / 2."""
    eccentricity = jnp.sin(angle) / 2

    def turn(_, e):
        residual = e - eccentricity * jnp.sin(e) - mean
        return e - residual / (1 - eccentricity * jnp.cos(e))

    return lax.fori_loop(0, 12, turn, mean + eccentricity * jnp.sin(mean))


@eccentric_anomaly.defjvp
def _eccentric_anomaly_jvp(primals, tangents):
    e = eccentric_anomaly(*primals)
    angle = primals[1]
    numerator = tangents[0] + jnp.sin(e) * jnp.cos(angle) / 2 * tangents[1]
    return e, numerator / (1 - jnp.sin(angle) / 2 * jnp.cos(e))


def cubic_root(x):
    """w + w^3 = x, by `lax.custom_root`."""

    def solve(f, start):
        def turn(_, w):
            value, slope = jax.jvp(f, (w,), (jnp.ones_like(w),))
            return w - value / slope

        return lax.fori_loop(0, 40, turn, start)

    def one(x):
        return lax.custom_root(
            lambda w: w + w**3 - x, x, solve, lambda g, y: y / g(jnp.ones_like(y))
        )

    return jax.vmap(one)(x)


def jacobi_solve(a, b):
    """A diagonally dominant system, by iteration in `lax.custom_linear_solve`."""
    off = 0.2 * jnp.tanh(a) * (1 - jnp.eye(len(b), dtype=a.dtype))

    def by_iteration(matvec, b):
        return lax.fori_loop(0, 60, lambda _, x: x + b - matvec(x), b)

    return lax.custom_linear_solve(lambda x: x + off @ x, b, by_iteration, by_iteration)


def conjugate_gradient(a, b):
    matrix = a @ a.T + jnp.eye(len(b), dtype=a.dtype)
    return jax.scipy.sparse.linalg.cg(lambda x: matrix @ x, b, tol=1e-7)[0]


def _ridge(features, targets, strength):
    """The minimum of |F w - t|^2 + s |w|^2."""
    gram = features.T @ features + strength * jnp.eye(features.shape[1])
    return jnp.linalg.solve(gram.astype(features.dtype), features.T @ targets)


def _ridge_fwd(features, targets, strength):
    w = _ridge(features, targets, strength)
    return w, (features, targets, strength, w)


def _ridge_bwd(saved, g):
    features, targets, strength, w = saved
    eye = jnp.eye(len(w), dtype=w.dtype)
    u = jnp.linalg.solve(features.T @ features + strength * eye, g)
    error = targets - features @ w
    return jnp.outer(error, u) - jnp.outer(features @ u, w), features @ u, -u @ w


ridge = reverse_rule(_ridge, _ridge_fwd, _ridge_bwd)


def _sparsemax(x):
    """The projection onto the probability simplex."""
    ordered = jnp.sort(x)[::-1]
    above = jnp.cumsum(ordered) - 1
    counts = jnp.arange(1, x.size + 1)
    size = (ordered * counts > above).sum()
    return jnp.maximum(x - above[size - 1] / size, 0)


@jax.custom_jvp
def sparsemax(x):
    return _sparsemax(x)


@sparsemax.defjvp
def _sparsemax_jvp(primals, tangents):
    p = sparsemax(*primals)
    support = p > 0
    mean = jnp.where(support, tangents[0], 0).sum() / support.sum()
    return p, jnp.where(support, tangents[0] - mean, 0)


@jax.custom_vjp
def temperature(logits):
    """The shift t for which the sigmoids of logits + t sum to 1, by bisection."""

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        more = jax.nn.sigmoid(logits + middle).sum() < 1
        return jnp.where(more, middle, low), jnp.where(more, high, middle)

    reach = jnp.abs(logits).max() + 10
    return sum(lax.fori_loop(0, 60, halve, (-reach, reach))) / 2


def _temperature_fwd(logits):
    t = temperature(logits)
    return t, (logits, t)


def _temperature_bwd(saved, g):
    logits, t = saved
    slopes = jax.nn.sigmoid(logits + t) * jax.nn.sigmoid(-logits - t)
    return (-g * slopes / slopes.sum(),)


temperature.defvjp(_temperature_fwd, _temperature_bwd)


def _power(x, n):
    """x**n by squaring, n an integer array."""

    def turn(carry):
        n, base, total = carry
        return n // 2, base * base, jnp.where(n % 2 == 1, total * base, total)

    return lax.while_loop(lambda c: c[0] > 0, turn, (n, x, jnp.ones_like(x)))[2]


@jax.custom_jvp
def power(x, n):
    return _power(x, n)


power.defjvps(lambda t, y, x, n: t * n * _power(x, n - 1), None)

EXAMPLES = (
    Example(
        "fixed point, linear solve backward",
        solved_equilibrium,
        (normal(10, 4, 4), normal(11, 4)),
        "the primal stops at a tolerance of 1e-6 and has no reverse mode",
    ),
    Example(
        "fixed point, iteration backward",
        iterated_equilibrium,
        (normal(12, 3, 3), normal(13, 3)),
        "backward stops at a tolerance too, and is linear only up to it",
    ),
    Example(
        "deep equilibrium in a loss",
        lambda w, x, v: (jax.nn.relu(v @ solved_equilibrium(w, x)) ** 2).sum(),
        (normal(14, 3, 3), normal(15, 3), normal(16, 2, 3)),
        "a rule whose primal is a while loop between ordinary layers",
    ),
    Example(
        "cube root by Newton",
        cube_root,
        (array(-8.0, 0.5, 1.0, 100.0),),
        "a while loop over a batch, with a relative tolerance",
    ),
    Example(
        "Kepler's equation",
        eccentric_anomaly,
        (array(0.1, 1.0, 3.0, -2.0), array(0.0, 0.3, 0.5, 0.6)),
        "the equation's derivative, and not that of twelve Newton steps",
    ),
    Example(
        "custom_root",
        cubic_root,
        (array(-2.0, 0.0, 0.5, 10.0),),
        "the rule is in JAX's own custom_root, under vmap",
    ),
    Example(
        "custom_linear_solve",
        jacobi_solve,
        (normal(17, 3, 3), normal(18, 3)),
        "the transposed system is solved by a given function",
    ),
    Example(
        "conjugate gradients",
        conjugate_gradient,
        (normal(19, 3, 3), normal(20, 3)),
        "a while loop under JAX's linear solve",
    ),
    Example(
        "ridge regression",
        ridge,
        (normal(21, 6, 3), normal(22, 6), jnp.float32(0.5)),
        "the envelope of the normal equations in three arguments",
    ),
    Example(
        "sparsemax on its kinks",
        sparsemax,
        (array(1.0, 0.0, 0.0, 0.5, -3.0),),
        "entries exactly at the threshold of the projection",
    ),
    Example(
        "bisection",
        temperature,
        (normal(23, 5),),
        "the primal only compares: autodiff of it gives no useful slope at all",
    ),
    Example(
        "power by squaring",
        power,
        (array(-1.5, 0.0, 0.5, 2.0), jnp.int32(5)),
        "a while loop whose number of turns is an integer argument",
    ),
)
