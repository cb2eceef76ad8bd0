"""Rules and programs that the tests of `funcnn.gradients` share."""

import jax
import jax.numpy as jnp

import funcnn as fn


def no_cases(normal):
    del normal
    return []


def _triple(x):
    return 3 * x


# The reference gives 3x with slope 3, the rule 2x with slope 5: every result tells
# where it is from.
tell_tale = fn.rule(
    _triple, lambda x: (2 * x, ()), lambda saved, g: (5 * g,), cases=no_cases
)


def sine_rule(factor=1.0):
    """sin(x) * weight, whose cotangent of the weight is wrong by `factor`."""

    def sine(x, weight):
        return jnp.sin(x) * weight

    def forward(x, weight):
        return jnp.sin(x) * weight, (x, weight)

    def backward(saved, g):
        x, weight = saved
        return g * jnp.cos(x) * weight, factor * (g * jnp.sin(x)).sum()

    return fn.rule(sine, forward, backward, cases=no_cases)


def rules_in(f, *args):
    """Whether a custom rule stands anywhere in the program, however deep."""
    program = str(jax.make_jaxpr(f)(*args))
    names = "custom_vjp_call", "custom_jvp_call", "call_hi_primitive", "VJPTraced"
    return any(name in program for name in names)
