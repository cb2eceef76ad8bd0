"""A walk through a program that changes one of its equations."""

import collections
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import numpy as np

from funcnn import _jax
from funcnn.gradients._places import code_place, short_place
from funcnn.gradients._shadow import called, parts
from funcnn.gradients._steps import bind
from funcnn.gradients.mutation._equation_changes import changed, changes


class Site(NamedTuple):
    """An equation and what is wrong in it.

    Attributes:
      primitive: its operation.
      ordinal: how many equations of that operation are before it.
      change: what it is called.
    """

    primitive: str
    ordinal: int
    change: str


class Walk:
    """Runs a program, with at most one equation changed.

    It goes into the programs that are called, and into loops and branches; a rule is
    one operation, and so is what nothing depends on: it is left out.

    Attributes:
      found: the sites that were passed, and where their equations were written.
    """

    def __init__(self, target: Site | None = None) -> None:
        self.found: dict[Site, str] = {}
        self._target = target
        self._counts: collections.Counter[str] = collections.Counter()
        self._hit = False

    def run(
        self, program: Any, args: Sequence[Any], needed: Sequence[bool], place: str = ""
    ) -> list[Any]:
        """The program's results; None for those that are not needed."""
        jaxpr, consts = parts(program)
        live = _live(jaxpr, needed)
        values = dict(zip(jaxpr.constvars, consts, strict=True))
        values |= zip(jaxpr.invars, args, strict=True)

        def read(atom: Any) -> Any:
            literal = isinstance(atom, jex.core.Literal)
            return atom.val if literal else values.get(atom)

        for equation in jaxpr.eqns:
            wanted = [variable in live for variable in equation.outvars]
            if any(wanted):
                inputs = [read(atom) for atom in equation.invars]
                outputs = self._step(equation, inputs, wanted, place)
                values |= zip(equation.outvars, outputs, strict=True)
        return [read(x) if n else None for x, n in zip(jaxpr.outvars, needed)]

    def _step(
        self, equation: Any, inputs: list[Any], wanted: list[bool], place: str
    ) -> list[Any]:
        # A program may have been traced elsewhere before: only its call tells where.
        place = place or short_place(code_place(equation))
        name = equation.primitive.name
        if name == "cond" and "branches_platforms" in equation.params:
            branch = _branch_here(equation)
            return self.run(branch, inputs[1:], wanted, place)
        program = None if _has_rule(equation) else called(equation)
        if program is not None:
            return self.run(program, inputs, wanted, place)
        if name in ("scan", "while", "cond"):
            return bind(self._with_inner(equation, place), *inputs)
        return self._operation(equation, inputs, place)

    def _operation(self, equation: Any, inputs: list[Any], place: str) -> list[Any]:
        possible = changes(equation)
        name = equation.primitive.name
        if possible:
            ordinal = self._counts[name]
            self._counts[name] += 1
            for change in possible:
                site = Site(name, ordinal, change)
                self.found[site] = place
                if site == self._target:
                    self._hit = True
                    return changed(equation, possible[change], inputs)
        return bind(equation, *inputs)

    def _with_inner(self, equation: Any, place: str) -> Any:
        """The equation, with a program in it changed if the target stands there."""
        before = self._hit
        params = {k: self._parameter(v, place) for k, v in equation.params.items()}
        return equation if self._hit == before else equation.replace(params=params)

    def _parameter(self, value: Any, place: str) -> Any:
        if isinstance(value, tuple) and any(
            isinstance(v, _jax.PROGRAMS) for v in value
        ):
            return tuple(self._parameter(item, place) for item in value)
        if not isinstance(value, _jax.PROGRAMS):
            return value
        jaxpr, _ = parts(value)
        needed, before = [True] * len(jaxpr.outvars), self._hit
        types = [variable.aval for variable in jaxpr.invars]
        inner = jax.make_jaxpr(lambda *xs: self.run(value, xs, needed, place))(*types)
        if self._hit == before:
            return value
        return inner if hasattr(value, "consts") else inner.jaxpr


def walked(
    function: Callable[..., Any], walk: Walk, needed: Callable[[Any], Any] | None = None
) -> Callable[..., Any]:
    """The function, traced where it is called, and run by the walk.

    Args:
      function: of pytrees of arrays.
      walk: how.
      needed: picks from the function's result what is wanted of it.
    """

    def other(*args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        traced = [jax.typeof(x).dtype != jax.dtypes.float0 for x in leaves]

        def of_arrays(*arrays: Any) -> Any:
            given = iter(arrays)
            mixed = [next(given) if t else x for t, x in zip(traced, leaves)]
            output = function(*jax.tree.unflatten(tree, mixed))
            return output if needed is None else needed(output)

        arrays = [x for x, t in zip(leaves, traced) if t]
        program, out = jax.make_jaxpr(of_arrays, return_shape=True)(*arrays)
        everything = [True] * len(parts(program)[0].outvars)
        results = walk.run(program, arrays, everything)
        return jax.tree.unflatten(jax.tree.structure(out), results)

    return other


def _live(jaxpr: Any, needed: Sequence[bool]) -> set[Any]:
    """The variables that the needed results depend on."""
    live = {x for x, n in zip(jaxpr.outvars, needed) if n and _is_variable(x)}
    for equation in reversed(jaxpr.eqns):
        if not live.isdisjoint(equation.outvars):
            live |= {atom for atom in equation.invars if _is_variable(atom)}
    return live


def _is_variable(atom: Any) -> bool:
    return not isinstance(atom, jex.core.Literal)


def _has_rule(equation: Any) -> bool:
    return _jax.is_rule(equation) or equation.primitive.name == "custom_vmap_call"


def _branch_here(equation: Any) -> Any:
    """Of `lax.platform_dependent`: the others cannot show a fault on this machine."""
    backend = jax.default_backend()
    names = {"gpu": ("gpu", "cuda", "rocm")}.get(backend, (backend,))
    platforms = equation.params["branches_platforms"]
    fits = [p is None or bool(set(p) & set(names)) for p in platforms]
    return equation.params["branches"][int(np.argmax(fits))]
