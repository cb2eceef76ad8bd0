"""A program with every hand-written rule taken out."""

import inspect
from collections.abc import Callable
from typing import Any

from funcnn import _jax
from funcnn.gradients._calls import Call, Mode
from funcnn.gradients._programs import rewritten, transformed


def autodiff(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` computing the same, but with automatic derivatives throughout.

    Every rule made with `funcnn.rule` gives way to its reference, and every other
    `jax.custom_vjp` and `jax.custom_jvp` to the function that it decorates, wherever
    in `f` it stands: in `jit`, `scan`, `while_loop`, `cond`, `checkpoint`, `vmap`,
    `shard_map`, in a `custom_vmap` and its rule, and under a gradient that `f` itself
    takes. So `jax.grad` of the result is the automatic gradient, and `jax.jvp`,
    `jax.hessian` and the like work where a hand-written rule would refuse them.

    Args:
      f: any function that JAX can trace. Arrays among its arguments, in pytrees or
        not, are traced; everything else, such as ``train=True``, is kept as it is.

    Returns:
      A function with the signature of `f`.

    Raises:
      ConsumedRuleError: from the result, when `f` differentiates a program with a
        rule made by `funcnn.rule` in it that was traced before (see below).

    Limits:
      - A function is called again to be traced without its rules, but a program that
        was traced earlier (`jax.make_jaxpr`, `jax.closure_convert`) is text. The
        rules in it are taken out too, except where `f` differentiates that program
        itself: then a rule of ours is an error, unless the same program was
        differentiated before, and a rule of others is used and not noticed. Nor is
        one in a derivative that was taken outside of `f`, such as the function that
        `jax.vjp` gave. Give `f` the function that was traced instead.
      - A loop without a fixed number of turns has no reverse mode, nor has a kernel
        that only its rule can differentiate. Where such a thing is under the rule,
        `jax.grad` of the result raises what JAX raises for it.
      - Derivatives that JAX has itself are no rules and stay: those of
        `jax.lax.custom_linear_solve` and of `jax.custom_derivatives.linear_call`.
        `jax.lax.custom_root` is a rule, and gives way to its solver.
      - A rule that the `custom_vmap` rule of a program traced earlier calls stays.
    """
    return transformed(f, _WITHOUT_RULES, without_rules)


def _undecorated(custom: Any, call: Call) -> Call:
    del call
    plain = _jax.undecorated(custom)

    def positional(*args: Any, **kwargs: Any) -> Any:
        if kwargs:  # as a rule is called: its primal function has positions alone
            bound = inspect.signature(plain).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        return plain(*args, **kwargs)

    return positional


def without_rules(equation: _jax.Equation) -> Any:
    """The program of a rule's equation, without the rules in it; None for others."""
    if not _jax.is_rule(equation):
        return None
    return rewritten(_jax.primal_program(equation), without_rules)


_WITHOUT_RULES = Mode("autodiff", _undecorated, _undecorated, references=True)
