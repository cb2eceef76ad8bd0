"""Small rules that the tests of `funcnn.rule` are about."""

import jax
import jax.numpy as jnp

import funcnn as fn


def no_cases(normal):
    del normal
    return []


def make_scaled_sine(**options):
    """sin(x) * weight, with the cosine saved."""

    def scaled_sine(x, weight):
        return jnp.sin(x) * weight

    def forward(x, weight):
        sine, cosine = jnp.sin(x), jnp.cos(x)
        return sine * weight, (sine, cosine, weight)

    def backward(saved, g):
        sine, cosine, weight = saved
        return g * cosine * weight, (g * sine).sum()

    return fn.rule(scaled_sine, forward, backward, cases=no_cases, **options)


scaled_sine = make_scaled_sine()


def rule_with_cotangents(cotangents):
    """An op of (x, ids) whose backward returns `cotangents(x, ids, g)`."""

    def gathered(x, ids):
        return (x * ids).sum()

    def forward(x, ids):
        return (x * ids).sum(), (x, ids)

    def backward(saved, g):
        x, ids = saved
        return cotangents(x, ids, g)

    return fn.rule(gathered, forward, backward, cases=no_cases)


def pull(op, *args):
    """The cotangents of all arguments, for a cotangent of ones."""
    output, backward = jax.vjp(op, *args)
    return backward(jax.tree.map(jnp.ones_like, output))
