"""Matrices: symmetric arguments, factorizations, equal eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from .example import Example, array, normal, reverse_rule


def _symmetric(a):
    return (a + a.mT) / 2


def _cholesky_bwd(factor, g):
    lower = jnp.tril(factor.T @ g)
    middle = lower - jnp.diag(jnp.diag(lower)) / 2
    right = solve_triangular(factor, middle.T, lower=True, trans=1).T
    return (_symmetric(solve_triangular(factor, right, lower=True, trans=1)),)


def _cholesky(a):
    return jnp.linalg.cholesky(_symmetric(a))


cholesky = reverse_rule(_cholesky, lambda a: (_cholesky(a),) * 2, _cholesky_bwd)


def _logdet(a):
    return jnp.linalg.slogdet(a)[1]


logdet = reverse_rule(
    _logdet, lambda a: (_logdet(a), a), lambda a, g: (g * jnp.linalg.inv(a).T,)
)


def _solve_fwd(a, b):
    x = jnp.linalg.solve(a, b)
    return x, (a, x)


def _solve_bwd(saved, g):
    a, x = saved
    db = jnp.linalg.solve(a.T, g)
    return -jnp.outer(db, x), db


solve = reverse_rule(jnp.linalg.solve, _solve_fwd, _solve_bwd)


@jax.custom_jvp
def inverse(a):
    return jnp.linalg.inv(a)


@inverse.defjvp
def _inverse_jvp(primals, tangents):
    y = inverse(*primals)
    return y, -y @ tangents[0] @ y


def _eigenvalues(a):
    return jnp.linalg.eigvalsh(_symmetric(a))


def _eigenvalues_fwd(a):
    values, vectors = jnp.linalg.eigh(_symmetric(a))
    return values, vectors


eigenvalues = reverse_rule(
    _eigenvalues, _eigenvalues_fwd, lambda v, g: ((v * g) @ v.T,)
)


@jax.custom_jvp
def square_root(a):
    values, vectors = jnp.linalg.eigh(_symmetric(a))
    return (vectors * jnp.sqrt(values)) @ vectors.T


@square_root.defjvp
def _square_root_jvp(primals, tangents):
    """R dR + dR R = dA, as one linear system."""
    root = square_root(*primals)
    eye = jnp.eye(len(root), dtype=root.dtype)
    sylvester = jnp.kron(root, eye) + jnp.kron(eye, root)
    tangent = jnp.linalg.solve(sylvester, _symmetric(tangents[0]).ravel())
    return root, tangent.reshape(root.shape)


def _quadratic(x, a):
    return x @ a @ x


quadratic = reverse_rule(
    _quadratic,
    lambda x, a: (_quadratic(x, a), (x, a)),
    lambda saved, g: (
        g * (saved[1] + saved[1].T) @ saved[0],
        g * jnp.outer(saved[0], saved[0]),
    ),
)

M = normal(130, 3, 3)
POSITIVE = array([3.0, 1.0, 0.5], [1.0, 2.0, -0.5], [0.5, -0.5, 1.5])

EXAMPLES = (
    Example(
        "Cholesky factor",
        cholesky,
        (POSITIVE,),
        "one of many gradients: here the symmetric one, of a symmetrizing primal",
    ),
    Example(
        "Cholesky factor of a covariance",
        lambda x: cholesky(x @ x.T + jnp.eye(3, dtype=x.dtype)),
        (M,),
        "the rule only ever sees symmetric input, points beside it may be no matrix",
    ),
    Example("log-determinant", logdet, (M,), "the determinant may be negative"),
    Example(
        "solve",
        solve,
        (array(*(np.array(M) + 2 * np.eye(3))), normal(131, 3)),
        "saves the solution and solves the transposed system",
    ),
    Example("inverse", inverse, (POSITIVE,), "the rule calls itself, for every order"),
    Example(
        "eigenvalues",
        eigenvalues,
        (POSITIVE,),
        "eigenvectors have a free sign, their products have none",
    ),
    Example(
        "matrix square root at the identity",
        square_root,
        (array(*np.eye(3)),),
        "equal eigenvalues, where autodiff through eigenvectors is NaN",
    ),
    Example(
        "quadratic form",
        quadratic,
        (normal(132, 3), M),
        "the matrix need not be symmetric",
    ),
)
