"""The forms in which JAX takes a rule, and rules that call rules."""

import functools

import jax
import jax.numpy as jnp

from .example import Example, array, normal, reverse_rule


def _symbolic_product(x, y):
    return x * y, jnp.sin(x)


def _symbolic_fwd(x, y):
    saved = x.value, y.value if x.perturbed else None
    return _symbolic_product(x.value, y.value), saved


def _symbolic_bwd(saved, g):
    x, y = saved
    zero = jax.custom_derivatives.SymbolicZero
    dx = dy = None
    if type(g[0]) is not zero:
        dx, dy = (None if y is None else g[0] * y), g[0] * x
    if type(g[1]) is not zero:
        dx = g[1] * jnp.cos(x) + (0 if dx is None else dx)
    return dx, dy


symbolic_product = reverse_rule(
    _symbolic_product, _symbolic_fwd, _symbolic_bwd, symbolic_zeros=True
)


@jax.custom_jvp
def symbolic_quotient(x, y):
    return x / y


@functools.partial(symbolic_quotient.defjvp, symbolic_zeros=True)
def _symbolic_quotient_jvp(primals, tangents):
    x, y = primals
    zero = jax.custom_derivatives.SymbolicZero
    total = jnp.zeros_like(x)
    if type(tangents[0]) is not zero:
        total = total + tangents[0] / y
    if type(tangents[1]) is not zero:
        total = total - x * tangents[1] / (y * y)
    return x / y, total


remat_sine = jax.custom_vjp(lambda x: jnp.sin(x) * x)
remat_sine.defvjp(
    lambda x: (jnp.sin(x) * x, x),
    lambda x, g: (g * (jnp.cos(x) * x + jnp.sin(x)),),
    optimize_remat=True,
)


@jax.custom_gradient
def gaussian(x):
    y = jnp.exp(-x * x / 2)
    return y, lambda g: -g * x * y


@jax.custom_gradient
def product_and_sum(x, y):
    return (x * y, x + y), lambda g: (g[0] * y + g[1], g[0] * x + g[1])


@jax.custom_jvp
def sine(x):
    return jnp.sin(x)


@jax.custom_jvp
def cosine(x):
    return jnp.cos(x)


# Each is the other's derivative, so every order is by rule.
sine.defjvps(lambda t, y, x: t * cosine(x))
cosine.defjvps(lambda t, y, x: -t * sine(x))

weighted = jax.custom_jvp(lambda x, w, n: x * w**2 / n)
weighted.defjvps(
    lambda t, y, x, w, n: t * w**2 / n, lambda t, y, x, w, n: 2 * t * x * w / n, None
)

square = reverse_rule(lambda x: x * x, lambda x: (x * x, x), lambda x, g: (2 * g * x,))


def _nested_bwd(x, g):
    return (g * (4 * square(x) * x),)


fourth_power = reverse_rule(
    lambda x: square(square(x)), lambda x: (square(square(x)), x), _nested_bwd
)

both_modes = jax.custom_jvp(lambda x: square(jnp.sin(x)))
both_modes.defjvps(lambda t, y, x: t * jnp.sin(2 * x))


X, Y = normal(30, 2, 3), normal(31, 2, 3)

EXAMPLES = (
    Example(
        "symbolic zeros, one output unused",
        lambda x, y: symbolic_product(x, y)[0],
        (X, Y),
        "the cotangent of the other output is a SymbolicZero",
    ),
    Example(
        "symbolic zeros, one argument constant",
        lambda y: symbolic_product(jnp.arange(3.0, dtype=y.dtype), y),
        (Y,),
        "an argument that is not perturbed may get None",
    ),
    Example(
        "symbolic zeros forward",
        lambda x: symbolic_quotient(x, jnp.full_like(x, 3)) + symbolic_quotient(2, x),
        (array(0.5, -1.0, 2.0),),
        "a tangent is a SymbolicZero, and a weakly typed 2 is an argument",
    ),
    Example(
        "optimize_remat",
        remat_sine,
        (X,),
        "the forward pass is hidden in another equation",
    ),
    Example(
        "custom_gradient",
        gaussian,
        (X,),
        "the backward pass is a closure over the forward pass",
    ),
    Example(
        "custom_gradient, two of each",
        product_and_sum,
        (X, Y),
        "a tuple of cotangents in, a tuple out",
    ),
    Example(
        "a forward rule of a forward rule",
        jax.grad(lambda x: sine(x).sum()),
        (X,),
        "the derivative itself has a rule, which calls back",
    ),
    Example(
        "defjvps with None",
        lambda x, w: weighted(x, w, 4),
        (X, Y),
        "an integer divisor has no tangent",
    ),
    Example(
        "nested rules",
        fourth_power,
        (X,),
        "the primal and the backward pass call another rule",
    ),
    Example(
        "a reverse rule in a forward rule",
        both_modes,
        (X,),
        "the primal could not be differentiated forward",
    ),
)
