"""Programs run one operation at a time, with real values in sight."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp

from funcnn import _jax

RULES = ("custom_vjp_call", "custom_jvp_call")
"""The operations that carry a rule."""

Path = tuple[str, ...]
"""The programs that an operation stands in, from the outside: ("jit", "scan[0]")."""


def bind(equation: Any, *args: Any) -> list[Any]:
    """One operation of a program, as it stands, at `args`; its rule comes along."""
    options = equation.primitive.get_bind_params(equation.params)
    with equation.ctx.manager:
        results = equation.primitive.bind(*args, **options)
    return list(results) if equation.primitive.multiple_results else [results]


class Stepper:
    """Steps through a program and into the programs inside it.

    A subclass says what an operation does with values, and what a value is. `jit`,
    `checkpoint`, `scan`, `while_loop` and `cond` are stepped into; everything else,
    a rule too, is one operation. In a path ``scan[i]`` is the entry of the scanned
    arrays, ``while[i]`` the iteration, and ``cond[i]`` the branch taken.

    Attributes:
      most_steps: of a scan that is longer only the first and the last iteration are
        stepped into; the others are run in one piece.
      notes: what a reader has to know, one sentence each.
      around: the operations whose programs are being run, from the outside.
    """

    def __init__(self, most_steps: int | None = None) -> None:
        self.most_steps = most_steps
        self.notes: list[str] = []
        self.around: tuple[Any, ...] = ()

    def constant(self, value: Any) -> Any:
        """A constant of the program, as a value."""
        return value

    def concrete(self, value: Any) -> Any:
        """A value, as an array."""
        return value

    def operation(self, equation: Any, args: list[Any], path: Path) -> list[Any]:
        """One operation that is not stepped into."""
        return bind(equation, *args)

    def glue(self, function: Callable[..., list[Any]], args: list[Any]) -> list[Any]:
        """What stands between iterations, and is no operation of the program."""
        return function(*args)

    def run(self, program: Any, args: Sequence[Any], path: Path = ()) -> list[Any]:
        """Runs an open or closed program, and gives its results."""
        jaxpr = getattr(program, "jaxpr", program)
        consts = map(self.constant, getattr(program, "consts", ()))
        values = dict(zip(jaxpr.constvars, consts))
        values |= zip(jaxpr.invars, args, strict=True)

        def read(atom: Any) -> Any:
            literal = isinstance(atom, jex.core.Literal)
            return self.constant(_literal(atom)) if literal else values[atom]

        for equation in jaxpr.eqns:
            given = [read(atom) for atom in equation.invars]
            values |= zip(equation.outvars, self._step(equation, given, path))
        return [read(atom) for atom in jaxpr.outvars]

    def _step(self, equation: Any, args: list[Any], path: Path) -> list[Any]:
        into = _INSIDE.get(equation.primitive.name)
        if into is None:
            return self.operation(equation, args, path)
        outside, self.around = self.around, (*self.around, equation)
        results = into(self, equation, args, path)
        self.around = outside
        return results


def _literal(atom: Any) -> Any:
    """As an array: a rule may index what a program writes as a plain number."""
    return jnp.asarray(atom.val, atom.aval.dtype)


def _called(self: Stepper, equation: Any, args: list[Any], path: Path) -> list[Any]:
    params = equation.params
    program = params["jaxpr"] if "jaxpr" in params else params["call_jaxpr"]
    name = equation.primitive.name
    return self.run(program, args, (*path, _SHORT.get(name, name)))


def _cond(self: Stepper, equation: Any, args: list[Any], path: Path) -> list[Any]:
    taken = int(self.concrete(args[0]))  # within bounds: JAX sees to it
    program = equation.params["branches"][taken]
    return self.run(program, args[1:], (*path, f"cond[{taken}]"))


def _while(self: Stepper, equation: Any, args: list[Any], path: Path) -> list[Any]:
    params, iteration = equation.params, 0
    tests, bodies = params["cond_nconsts"], params["body_nconsts"]
    for_test, for_body = args[:tests], args[tests : tests + bodies]
    carry = args[tests + bodies :]
    while True:
        here = (*path, f"while[{iteration}]")
        (more,) = self.run(params["cond_jaxpr"], [*for_test, *carry], here)
        if not bool(self.concrete(more)):
            return carry
        carry = self.run(params["body_jaxpr"], [*for_body, *carry], here)
        iteration += 1


def _scan(self: Stepper, equation: Any, args: list[Any], path: Path) -> list[Any]:
    length = equation.params["length"]
    if length == 0:  # nothing to step into, and nothing to stack
        return self.operation(equation, args, path)
    consts, carry, scanned = _parts(equation, args)
    collected: dict[int, list[Any]] = {}
    indices = range(length)[::-1] if equation.params["reverse"] else range(length)
    sampled = self.most_steps is not None and length > max(self.most_steps, 2)
    for i in indices:
        if sampled and 0 < i < length - 1:
            if 1 not in collected:
                parts = (consts, carry, scanned)
                carry, collected[1] = _middle(self, equation, *parts)
            continue
        entry = [self.glue(lambda x, i=i: [x[i]], [x])[0] for x in scanned]
        given = [*consts, *carry, *entry]
        out = self.run(equation.params["jaxpr"], given, (*path, f"scan[{i}]"))
        carry, collected[i] = out[: len(carry)], out[len(carry) :]
    if sampled:
        where = "/".join((*path, "scan"))
        self.notes.append(f"{where}: iterations 0 and {length - 1} of {length} shown")
    return [*carry, *_stacked(self, collected, sampled)]


def _parts(
    equation: Any, values: Sequence[Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """What a scan is given: constants, carry, scanned arrays."""
    consts, carry = _jax.scan_counts(equation)
    values = list(values)
    return values[:consts], values[consts : consts + carry], values[consts + carry :]


def _middle(
    self: Stepper, equation: Any, consts: list[Any], carry: list[Any], xs: list[Any]
) -> tuple[list[Any], list[Any]]:
    """All iterations of a scan but the first and the last, in one piece."""
    body = jex.core.jaxpr_as_fun(equation.params["jaxpr"])
    split = len(consts), len(consts) + len(carry)

    def whole(*flat: Any) -> list[Any]:
        fixed, start, rest = flat[: split[0]], flat[slice(*split)], flat[split[1] :]

        def step(carry: Any, x: Any) -> Any:
            out = body(*fixed, *carry, *x)
            return out[: len(carry)], out[len(carry) :]

        middle = [x[1:-1] for x in rest]
        length, reverse = equation.params["length"] - 2, equation.params["reverse"]
        end, ys = jax.lax.scan(step, list(start), middle, length, reverse)
        return [*end, *ys]

    out = self.glue(whole, [*consts, *carry, *xs])
    return out[: len(carry)], out[len(carry) :]


def _stacked(
    self: Stepper, collected: dict[int, list[Any]], sampled: bool
) -> list[Any]:
    def stack(*parts: Any) -> list[Any]:
        if not sampled:
            return [jnp.stack(parts)]
        first, middle, last = parts
        return [jnp.concatenate([first[None], middle, last[None]])]

    order = [collected[i] for i in sorted(collected)]
    return [self.glue(stack, list(parts))[0] for parts in zip(*order)]


_SHORT = {"pjit": "jit", "remat2": "checkpoint", "remat": "checkpoint"}
_CALLS = ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2")
_INSIDE: dict[str, Callable[..., list[Any]]] = dict.fromkeys(_CALLS, _called)
_INSIDE |= {"scan": _scan, "while": _while, "cond": _cond}
