"""The rules of a program, with what is known of each."""

import dataclasses
import functools
import inspect
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.extend as jex
import jax.numpy as jnp

import funcnn.rules
from funcnn import _jax
from funcnn.gradients import _places
from funcnn.gradients._structures import leaf_names
from funcnn.gradients.checker._marks import (
    Declared,
    Marked,
    Marks,
    as_rule,
    declaration,
    declared_program,
    mark_of,
    marked_program,
)
from funcnn.gradients.checker._record import Recorder, Value, Visit


@dataclasses.dataclass(frozen=True, eq=False)
class Occurrence:
    """A rule where it stands in a program.

    Attributes:
      equation: the rule's, or that of a region with rules in it.
      stands_for: the equation whose program it is held against, where that is
        another: of our reference, or of what a surrogate declares.
      call: how it was called, if that was seen.
      path: the programs that it stands in.
      around: the equations that hold those.
      active: for each input, whether a derivative of the program reaches it.
      inputs: the arrays that reached it, once for each visit.
      region: whether it is a program with rules in it, looked at as one.
      surrogate: whether it is held against a declaration and not against its value.
      inside: of a region, names and places of the rules in it.
      unheld: why there is nothing to hold it against but its own value, where it
        declares something.
    """

    equation: Any
    stands_for: Any
    call: Marked | None
    path: tuple[str, ...]
    around: tuple[Any, ...]
    active: tuple[bool, ...]
    inputs: tuple[list[Any], ...]
    region: bool
    surrogate: bool
    inside: tuple[tuple[str, str], ...] = ()
    unheld: str = ""

    @property
    def pullback(self) -> bool:
        """Whether what is declared is a pullback, and no function's derivative."""
        declared = getattr(self.call and self.call.custom, "surrogate", None)
        return self.surrogate and isinstance(declared, funcnn.rules.Pullback)

    @property
    def name(self) -> str:
        """What the rule, or the program, is called."""
        if self.region:
            names = dict.fromkeys(name for name, _ in self.inside)
            return f"{self.equation.primitive.name} with {', '.join(names)}"
        if self.call is not None:
            name = getattr(self.call.custom, "__name__", "")
            if name.strip("_") not in ("", "reference", "<lambda>"):
                return str(name)
        return _jax.rule_name(self.equation).partition(" at ")[0]

    @property
    def place(self) -> str:
        """File and line of what computes the derivative."""
        if self.call is not None and (place := _derivative_place(self.call.custom)):
            return place
        if self.region:
            places = dict.fromkeys(place for _, place in self.inside)
            return next(iter(places)) if len(places) == 1 else self.called_at
        name = _jax.rule_name(self.equation)
        has_program = "call_jaxpr" in self.equation.params
        known = _places.derivative_place(self.equation) if has_program else ""
        return known or name.partition(" at ")[2]

    @property
    def called_at(self) -> str:
        """File and line, in the user's code, of the call."""
        return _places.call_place(self.equation, self.around)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """What the inputs are called."""
        types = [atom.aval for atom in self.equation.invars]
        fallback = tuple(f"input {i}" for i in range(len(types)))
        if self.region:
            return fallback
        consts = _jax.rule_constants(self.equation)
        names = _call_names(self.call)
        if len(names) != len(types) - consts:
            program = self.equation.params.get("call_jaxpr")
            about = getattr(getattr(program, "jaxpr", program), "debug_info", None)
            names = [str(n) for n in getattr(about, "arg_names", None) or ()]
            names = names[-(len(types) - consts) :] if len(types) > consts else []
        if len(names) != len(types) - consts:
            return fallback
        return (*(f"constant {i}" for i in range(consts)), *names)


@dataclasses.dataclass
class Found:
    """What a program holds.

    Attributes:
      occurrences: in the order of the program.
      consumed: calls of rules that the program itself has differentiated, so that
        only the call was seen.
      stopped: where the program failed, and how; None where it ran to the end.
      program: the program.
      marks: the calls that were met.
    """

    occurrences: list[Occurrence]
    consumed: list[Marked]
    stopped: tuple[str, BaseException] | None
    program: Any
    marks: Marks


def occurrences(f: Callable[..., Any], arrays: list[Any], declared: Declared) -> Found:
    """Traces ``f(*arrays)``, runs it, and finds its rules.

    Raises:
      Exception: what `f` raises while it is traced.
    """
    program, marks = marked_program(f, arrays)
    against = _against(f, arrays, declared, marks)
    recorder, values, stopped = _recorded(program, arrays)
    merged: dict[int, Occurrence] = {}
    for visit, inputs in zip(recorder.visits, values):
        mark_of(visit.equation)
        known = merged.get(id(visit.equation))
        if known is None:
            merged[id(visit.equation)] = _occurrence(visit, inputs, marks, against)
        else:
            merged[id(visit.equation)] = dataclasses.replace(
                known, inputs=(*known.inputs, inputs)
            )
    seen = set(_by_mark(program))
    consumed = [c for number, c in marks.calls.items() if not _is_seen(number, seen)]
    return Found(list(merged.values()), consumed, stopped, program, marks)


def _is_seen(number: str, seen: set[str]) -> bool:
    """Whether an equation is left of a call, or of the call that it was made in."""
    parts = number.split(".")
    return any(".".join(parts[:n]) in seen for n in range(1, len(parts) + 1))


@dataclasses.dataclass(frozen=True)
class _Declaration:
    """What a call is held against, and the equations of it in the program."""

    plain: Callable[..., Any]
    equations: list[Any]

    def of(self, call: Marked, equation: Any) -> tuple[Any, str]:
        """The equation that a rule's own stands for; without one, why."""
        other = None
        alone = _traced_alone(self.plain, call, equation)
        for other in itertools.chain(self.equations, alone):
            if _fits(other, equation):
                return other, ""
        if other is None:
            return None, "its reference cannot be traced where the rule stands"
        rule, own = _types_text(equation), _types_text(other)
        return None, f"it is {rule} where its reference is {own}"


def _against(
    f: Callable[..., Any], arrays: list[Any], declared: Declared, marks: Marks
) -> dict[str, _Declaration]:
    """By number of the call, of those that are held against another function."""
    plain = {n: declaration(c.custom, declared) for n, c in marks.calls.items()}
    if not any(plain.values()):
        return {}
    program, others = declared_program(f, arrays, declared)
    equations = _by_mark(program)

    def same(number: str) -> bool:
        # inside of a rule its reference may call others than its forward pass
        other = others.calls.get(number)
        return "." not in number or (
            other is not None and other.custom is marks.calls[number].custom
        )

    return {
        number: _Declaration(function, equations.get(number, []) * same(number))
        for number, function in plain.items()
        if function is not None
    }


def _fits(other: Any, equation: Any) -> bool:
    """Whether what an equation is held against can take its inputs.

    Their constants may differ in number only where `other` has none. Where it has,
    they are arrays of the program around, which both close over.
    """
    if _jax.rule_constants(other):
        return _types(other, 0) == _types(equation, 0)
    return _types(other, 0) == _types(equation, _jax.rule_constants(equation))


def _traced_alone(
    plain: Callable[..., Any], call: Marked, equation: Any
) -> Iterator[Any]:
    """The equation of what is declared, called as the rule was; none under `vmap`."""
    statics = _jax.static_positions(call.custom)
    dynamic = [a for i, a in enumerate(call.args) if i not in statics]
    leaves, tree = jax.tree.flatten(dynamic)
    constants = _jax.rule_constants(equation)
    types = [atom.aval for atom in equation.invars[constants:]]
    if call.keywords or [jnp.shape(x) for x in leaves] != [t.shape for t in types]:
        return

    def alone(*given: Any) -> Any:
        whole = jax.tree.unflatten(tree, given[constants:])
        for i in statics:
            whole.insert(i, call.args[i])
        return as_rule(plain, statics)(*whole)

    try:
        program = _jax.trace_at(alone, equation)
    except Exception:  # what it closes over is of a trace that is over
        return
    yield from (e for e in program.eqns if _jax.is_rule(e))


def _occurrence(
    visit: Visit, inputs: list[Any], marks: Marks, against: dict[str, _Declaration]
) -> Occurrence:
    number = mark_of(visit.equation)
    call = None if visit.region else marks.calls.get(number)
    stands_for, unheld = None, ""
    if call is not None and number in against:
        stands_for, unheld = against[number].of(call, visit.equation)
    surrogate = getattr(call and call.custom, "surrogate", None) is not None
    return Occurrence(
        visit.equation,
        stands_for,
        call,
        visit.path,
        visit.around,
        tuple(value.active for value in visit.inputs),
        (inputs,),
        visit.region,
        surrogate and stands_for is not None,
        _rules_inside(visit.equation, marks) if visit.region else (),
        unheld,
    )


def _rules_inside(equation: Any, marks: Marks) -> tuple[tuple[str, str], ...]:
    found = []
    for program in jex.core.jaxprs_in_params(equation.params):
        for inner in _rules_in(program):
            call = marks.calls.get(mark_of(inner))
            name = _jax.rule_name(inner).partition(" at ")[0]
            place = _derivative_place(call.custom) if call else ""
            found.append((getattr(call and call.custom, "__name__", name), place))
    return tuple(found)


def _recorded(
    program: Any, arrays: list[Any]
) -> tuple[Recorder, list[list[Any]], tuple[str, BaseException] | None]:
    """The visits, the values of their inputs, and where the program failed."""
    recorders: list[Recorder] = []

    def run(arrays: list[Any]) -> list[list[Any]]:
        recorder = Recorder()
        recorders.append(recorder)
        recorder.run(program, [Value(a, _is_inexact(a)) for a in arrays])
        return [[value.array for value in v.inputs] for v in recorder.visits]

    try:
        values = jax.block_until_ready(jax.jit(run)(arrays))
    except Exception:  # one operation after the other, as far as that goes
        try:
            values = run(arrays)
        except Exception as error:
            recorder = recorders[-1]
            values = [[value.array for value in v.inputs] for v in recorder.visits]
            at = recorder.reached
            where = f"{at.primitive.name} at {_places.call_place(at)}" if at else ""
            return recorder, values, (where, error)
    return recorders[-1], values, None


def _by_mark(program: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for equation in _rules_in(program):
        found.setdefault(mark_of(equation), []).append(equation)
    return found


def _rules_in(program: Any) -> Iterator[Any]:
    for equation in program.eqns:
        if _jax.is_rule(equation):
            yield equation
            yield from _rules_in(_jax.primal_program(equation))
            continue
        for inner in jex.core.jaxprs_in_params(equation.params):
            yield from _rules_in(inner)


def _types(equation: Any, constants: int) -> list[Any]:
    """Of the inputs, without so many at their beginning, and of the outputs."""
    inputs, outputs = equation.invars[constants:], equation.outvars
    return [[(v.aval.shape, v.aval.dtype) for v in part] for part in (inputs, outputs)]


def _types_text(equation: Any) -> str:
    inputs = equation.invars[_jax.rule_constants(equation) :]
    sides = (inputs, equation.outvars)
    given, made = (", ".join(v.aval.str_short() for v in side) for side in sides)
    return f"({given}) -> ({made})"


def _call_names(call: Marked | None) -> list[str]:
    if call is None or call.keywords:
        return []
    statics = _jax.static_positions(call.custom)
    args = tuple(None if i in statics else a for i, a in enumerate(call.args))
    try:
        return leaf_names(_jax.undecorated(call.custom), args)
    except (TypeError, ValueError, IndexError):
        return []


def _derivative_place(custom: Any) -> str:
    if funcnn.rules.is_rule(custom):
        return _code_place(custom.backward)
    found = getattr(custom, "bwd", None)
    if found is None:
        found = _jax.jvp_of(custom)[0]
    place = _code_place(found) if found else ""
    # made by `defjvps`, from functions that are not to be had
    made = pathlib.PurePath(place).name.startswith("custom_derivatives.py")
    return _code_place(_jax.undecorated(custom)) if made else place


def _code_place(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def _is_inexact(array: Any) -> bool:
    return jnp.issubdtype(jax.typeof(array).dtype, jnp.inexact)
