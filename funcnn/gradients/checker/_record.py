"""Where the rules of a program stand, and the values that reach them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp

from funcnn import _jax
from funcnn.gradients._steps import Path, bind


class Value(NamedTuple):
    """An array of the program, and whether a derivative can reach it."""

    array: Any
    active: bool


class Visit(NamedTuple):
    """One rule where it stands, once.

    Attributes:
      equation: the rule's, or that of a program that is checked as a whole.
      path: the programs that it stands in, from the outside.
      around: the equations that hold these programs.
      inputs: what reached it.
      region: whether rules stand inside of the equation, which is looked at as one.
    """

    equation: Any
    path: Path
    around: tuple[Any, ...]
    inputs: list[Value]
    region: bool


class Recorder:
    """Runs a program, with values or while it is traced, and collects the visits.

    `jit`, `checkpoint`, all branches of `cond` and the primals of rules are gone
    into; of `scan` the first two rounds, of `while` the first. A program that cannot
    be gone into, such as that of `shard_map`, is visited as a whole where it holds
    rules.

    Attributes:
      visits: in the order of the program.
      reached: the equation that was run last.
    """

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.reached: Any = None
        self._around: tuple[Any, ...] = ()

    def run(self, program: Any, args: Sequence[Value], path: Path = ()) -> list[Value]:
        """Runs an open or closed program, and gives its results."""
        jaxpr = getattr(program, "jaxpr", program)
        consts = (Value(c, False) for c in getattr(program, "consts", ()))
        values = dict(zip(jaxpr.constvars, consts))
        values |= zip(jaxpr.invars, args, strict=True)

        def read(atom: Any) -> Value:
            if isinstance(atom, jex.core.Literal):
                aval: Any = atom.aval
                return Value(jnp.asarray(atom.val, aval.dtype), False)
            return values[atom]

        for equation in jaxpr.eqns:
            given = [read(atom) for atom in equation.invars]
            values |= zip(equation.outvars, self._equation(equation, given, path))
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(
        self, equation: Any, args: list[Value], path: Path
    ) -> Sequence[Value]:
        name, self.reached = equation.primitive.name, equation
        if _jax.is_rule(equation):
            if not _jax.has_nothing_to_derive(equation):
                self._visit(equation, args, path)
            inner = _jax.primal_program(equation)
            return self._inside(
                equation,
                inner,
                args,
                (*path, _jax.rule_name(equation).partition(" at ")[0]),
            )
        if name in _CALLS:
            program = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
            return self._inside(equation, program, args, (*path, _CALLS[name]))
        if name == "custom_vmap_call":
            return self._inside(equation, equation.params["call"], args, path)
        if name in _PARTS and _holds_rules(equation):
            _PARTS[name](self, equation, args, path)
        elif _holds_rules(equation):
            self._visit(equation, args, path, region=True)
        results = bind(equation, *(value.array for value in args))
        active = name != "stop_gradient" and any(value.active for value in args)
        return [Value(result, active and _is_inexact(result)) for result in results]

    def _visit(
        self, equation: Any, args: list[Value], path: Path, region: bool = False
    ) -> None:
        visit = Visit(equation, path, self._around, args, region)
        self.visits.append(visit)

    def _inside(
        self, equation: Any, program: Any, args: Sequence[Value], path: Path
    ) -> list[Value]:
        before, self._around = self._around, (*self._around, equation)
        results = self.run(program, args, path)
        self._around = before
        return results

    def _branches(self, equation: Any, args: list[Value], path: Path) -> None:
        for number, branch in enumerate(equation.params["branches"]):
            self._inside(equation, branch, args[1:], (*path, f"cond[{number}]"))

    def _first_round(self, equation: Any, args: list[Value], path: Path) -> None:
        params = equation.params
        tests, bodies = params["cond_nconsts"], params["body_nconsts"]
        carry = [Value(v.array, True) for v in args[tests + bodies :]]
        given = [*args[tests : tests + bodies], *carry]
        self._inside(equation, params["body_jaxpr"], given, (*path, "while[0]"))

    def _first_rounds(self, equation: Any, args: list[Value], path: Path) -> None:
        length, body = equation.params["length"], equation.params["jaxpr"]
        consts, carried = _jax.scan_counts(equation)
        fixed, carry = args[:consts], args[consts : consts + carried]
        xs = args[consts + carried :]
        # what later rounds add to the carry may depend on what the first one's do not
        moves = any(value.active for value in args)
        carry = [Value(v.array, moves and _is_inexact(v.array)) for v in carry]
        rounds = range(length)[::-1] if equation.params["reverse"] else range(length)
        for i in rounds[:2]:
            entry = [Value(x.array[i], x.active) for x in xs]
            given = [*fixed, *carry, *entry]
            out = self._inside(equation, body, given, (*path, f"scan[{i}]"))
            carry = out[:carried]


def _holds_rules(equation: Any) -> bool:
    programs = jex.core.jaxprs_in_params(equation.params)
    return any(
        (_jax.is_rule(inner) and not _jax.has_nothing_to_derive(inner))
        or _holds_rules(inner)
        for program in programs
        for inner in program.eqns
    )


def _is_inexact(array: Any) -> bool:
    return jnp.issubdtype(jax.typeof(array).dtype, jnp.inexact)


_CALLS = dict.fromkeys(("remat", "remat2", "checkpoint"), "checkpoint")
_CALLS |= dict.fromkeys(("jit", "pjit"), "jit")
_CALLS |= {"closed_call": "closed_call", "core_call": "core_call", "eval_jaxpr": "call"}
_PARTS = {
    "cond": Recorder._branches,
    "while": Recorder._first_round,
    "scan": Recorder._first_rounds,
}
