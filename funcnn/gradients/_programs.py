"""Programs rewritten as text: equations in, equations out, types untouched."""

import functools
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.extend as jex
import numpy as np

from funcnn import _jax
from funcnn._jax import Equation
from funcnn.gradients._calls import Mode, entered

Replace = Callable[[Equation], Any]
"""Gives the program that stands for an equation, or None for the equation itself."""


def transformed(
    f: Callable[..., Any], mode: Mode, replace: Replace
) -> Callable[..., Any]:
    """`f` traced under a mode; `replace` is for rules that were traced before it.

    The arrays among the arguments are traced; everything else is kept as it is.
    """

    @functools.wraps(f)
    def other(*args: Any, **kwargs: Any) -> Any:
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
        with entered(mode):
            program, out = jax.make_jaxpr(of_arrays, return_shape=True)(*arrays)
            program = rewritten(program, replace)
        outputs = jex.core.jaxpr_as_fun(program)(*arrays)
        return jax.tree.unflatten(jax.tree.structure(out), outputs)

    return other


def rewritten(program: Any, replace: Replace) -> Any:
    """The program with equations replaced, in all programs inside it too.

    What needs no change is the same object again, so that it is not compiled again,
    and what has been rewritten before is what it was then.
    """
    known = _known.setdefault(replace, weakref.WeakKeyDictionary())
    if program not in known:
        # None and not the program: a key that its own value holds is never let go
        known[program] = _rewritten(program, replace)
    return program if known[program] is None else known[program]


_known: dict[Replace, Any] = {}


def _rewritten(program: Any, replace: Replace) -> Any:
    names: dict[Any, Any] = {}
    equations: list[Equation] = []
    for equation in program.eqns:
        instead = replace(equation)
        if instead is None:
            equations.append(_with_inner_rewritten(equation, names, replace))
        else:
            equations += _inlined(instead, equation, names)
    if not names and all(map(operator.is_, equations, program.eqns)):
        return None
    outvars = [_renamed(atom, names) for atom in program.outvars]
    return _jax.with_equations(program, equations, outvars)


def inner_rewritten(equation: Equation, replace: Replace) -> Equation:
    """The equation with the programs inside of it rewritten."""
    return _with_inner_rewritten(equation, {}, replace)


def _renamed(atom: Any, names: dict[Any, Any]) -> Any:
    return atom if isinstance(atom, jex.core.Literal) else names.get(atom, atom)


def _with_inner_rewritten(
    equation: Equation, names: dict[Any, Any], replace: Replace
) -> Equation:
    params = {k: _parameter(v, replace) for k, v in equation.params.items()}
    if any(params[key] is not equation.params[key] for key in params):
        equation = equation.replace(params=params)
    invars = [_renamed(atom, names) for atom in equation.invars]
    if any(map(operator.is_not, invars, equation.invars)):
        equation = equation.replace(invars=invars)
    return equation


def _parameter(value: Any, replace: Replace) -> Any:
    """A parameter of an equation, with the programs in it rewritten."""
    if isinstance(value, _jax.PROGRAMS):
        return rewritten(value, replace)
    if not isinstance(value, tuple):
        return value
    items = [_parameter(item, replace) for item in value]
    if all(map(operator.is_, items, value)):
        return value
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


def _inlined(
    program: Any, equation: Equation, names: dict[Any, Any]
) -> Iterator[Equation]:
    """The equations of a closed program that stands for an equation.

    They name their variables anew, because one program may stand in many places.
    Into `names` goes what the equation's own outputs are called now.
    """
    own = {
        var: jex.core.Literal(value, var.aval)
        for var, value in zip(program.constvars, program.consts, strict=True)
    }
    outer = [_renamed(atom, names) for atom in equation.invars]
    own |= zip(program.invars, outer, strict=True)
    for inner in program.eqns:
        fresh = [_fresh(var) for var in inner.outvars]
        invars = [_renamed(atom, own) for atom in inner.invars]
        own |= zip(inner.outvars, fresh, strict=True)
        yield inner.replace(invars=invars, outvars=fresh)
    outputs = [_renamed(atom, own) for atom in program.outvars]
    names |= zip(equation.outvars, outputs, strict=True)


def _fresh(var: Any) -> Any:
    return var if isinstance(var, jex.core.DropVar) else jex.core.Var(var.aval)
