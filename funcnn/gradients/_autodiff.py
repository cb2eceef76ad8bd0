"""A program with every hand-written rule taken out."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend as jex
import numpy as np

from funcnn.rules import use_references

_RULES = ("custom_vjp_call", "custom_jvp_call")
_INLINED = ("jit", "pjit", "closed_call", "core_call")
_REMAT = ("checkpoint", "remat2", "remat")


def autodiff(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` computing the same, but with automatic derivatives throughout.

    Every rule made with `funcnn.rule` gives way to its reference, and every other
    `jax.custom_vjp` and `jax.custom_jvp` to the function that it decorates, inside
    `jit`, `scan`, `while_loop`, `cond` and `checkpoint` too. So `jax.grad` of the
    result is the automatic gradient, and `jax.jvp`, `jax.hessian` and the like
    work where a hand-written rule would refuse them.

    Args:
      f: any function that JAX can trace. Arrays among its arguments, in pytrees or
        not, are traced; everything else, such as ``train=True``, is kept as it is.

    Returns:
      A function with the signature of `f`.

    Raises:
      NotImplementedError: from the result, naming the primitive, when a rule stands
        inside a program of a kind that is not listed above.

    A gradient that `f` itself takes is not changed: it has used its rules up before
    they can be taken out.
    """

    @functools.wraps(f)
    def automatic(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        traced = [
            isinstance(leaf, jax.Array | np.ndarray | np.generic) for leaf in leaves
        ]

        def of_arrays(*arrays: Any) -> Any:
            given = iter(arrays)
            mixed = [next(given) if t else x for t, x in zip(traced, leaves)]
            args, kwargs = jax.tree.unflatten(tree, mixed)
            return f(*args, **kwargs)

        arrays = [leaf for leaf, t in zip(leaves, traced) if t]
        with use_references(True):
            program, out = jax.make_jaxpr(of_arrays, return_shape=True)(*arrays)
        outputs = _evaluate(program.jaxpr, program.consts, arrays)
        return jax.tree.unflatten(jax.tree.structure(out), outputs)

    return automatic


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Runs a program equation by equation, stepping into rules as plain code."""
    values = dict(zip(jaxpr.constvars, consts, strict=True))
    values |= zip(jaxpr.invars, args, strict=True)

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, jex.core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        results = _evaluate_equation(equation, [read(atom) for atom in equation.invars])
        values |= zip(equation.outvars, results, strict=True)
    return [read(atom) for atom in jaxpr.outvars]


def _evaluate_equation(equation: Any, args: list[Any]) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    if name in _RULES:
        return _evaluate(params["call_jaxpr"].jaxpr, params["call_jaxpr"].consts, args)
    if _has_rule(equation):
        if name in _INLINED:
            return _evaluate(params["jaxpr"].jaxpr, params["jaxpr"].consts, args)
        if name in _REMAT:
            again = functools.partial(_evaluate_args, params["jaxpr"])
            options = {key: params[key] for key in ("prevent_cse", "policy")}
            return jax.checkpoint(again, **options)(*args)
        params = {key: _without_rules(name, value) for key, value in params.items()}
    options = equation.primitive.get_bind_params(params)
    results = equation.primitive.bind(*args, **options)
    return results if equation.primitive.multiple_results else [results]


def _evaluate_args(jaxpr: Any, *args: Any) -> list[Any]:
    return _evaluate(jaxpr, (), args)


def _has_rule(equation: Any) -> bool:
    return equation.primitive.name in _RULES or any(
        _has_rule(inner)
        for jaxpr in jex.core.jaxprs_in_params(equation.params)
        for inner in jaxpr.eqns
    )


def _without_rules(primitive: str, value: Any) -> Any:
    """A parameter of an equation, with the programs in it rewritten."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_without_rules(primitive, item) for item in value)
    if not isinstance(value, jex.core.Jaxpr | jex.core.ClosedJaxpr):
        return value
    if not any(map(_has_rule, value.eqns)):
        return value
    if not hasattr(value, "consts"):
        raise NotImplementedError(
            f"autodiff: a custom rule inside `{primitive}` cannot be taken out yet"
        )
    shapes = [
        jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=getattr(a, "weak_type", False))
        for a in value.in_avals
    ]
    run = functools.partial(_evaluate_closed, value)
    return jax.make_jaxpr(run)(*shapes)


def _evaluate_closed(program: Any, *args: Any) -> list[Any]:
    return _evaluate(program.jaxpr, program.consts, args)
