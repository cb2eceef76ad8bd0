"""Programs in which every call of a rule carries a mark, so that it is found again."""

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax

import funcnn.rules
from funcnn import _jax
from funcnn.gradients._calls import Call, Mode, entered

_MARK = re.compile(r"funcnn-rule\[([\d.]+)\]")


class Marked(NamedTuple):
    """One call of a rule, as it was met while a program was traced.

    Attributes:
      custom: the `jax.custom_vjp` or `jax.custom_jvp`.
      args: what it was called with; arrays may be tracers of a trace that is over.
      keywords: the same.
    """

    custom: Any
    args: tuple[Any, ...]
    keywords: dict[str, Any]


class Marks:
    """Numbers the calls of rules in one trace; "2.0" is the first inside of "2".

    Attributes:
      calls: what has been met, by number.
    """

    def __init__(self) -> None:
        self.calls: dict[str, Marked] = {}
        self._inside: list[str] = []
        self._counts: list[int] = [0]

    def around(self, custom: Any, call: Call) -> Call:
        """`call` under a name that its equation keeps in the program."""

        def marked(*args: Any, **keywords: Any) -> Any:
            number = ".".join([*self._inside[-1:], str(self._counts[-1])])
            self._counts[-1] += 1
            self.calls[number] = Marked(custom, args, keywords)
            with self._within(number), jax.named_scope(f"funcnn-rule[{number}]"):
                return call(*args, **keywords)

        return marked

    @contextlib.contextmanager
    def _within(self, number: str) -> Iterator[None]:
        self._inside.append(number)
        self._counts.append(0)
        try:
            yield
        finally:
            self._inside.pop()
            self._counts.pop()


def mark_of(equation: _jax.Equation) -> str:
    """The number of the call that made an equation; empty where there was none."""
    found = _MARK.findall(str(equation.source_info.name_stack))
    return found[-1] if found else ""


Declared = Mapping[Any, Callable[..., Any]]
"""By rule: the plain function whose derivative it is to be held against."""


def marked_program(f: Callable[..., Any], arrays: list[Any]) -> tuple[Any, Marks]:
    """The program of `f`, and the calls of rules that were met on the way."""
    marks = Marks()
    # of this trace alone: what is compiled under a mode is kept under it
    mode = Mode("check", marks.around, marks.around, references=False)
    with entered(mode):
        return jax.make_jaxpr(f)(*arrays), marks


def declared_program(
    f: Callable[..., Any], arrays: list[Any], declared: Declared
) -> tuple[Any, Marks]:
    """The same, where each rule is that of what it is declared to be."""
    marks = Marks()

    def around(custom: Any, call: Call) -> Call:
        plain = declaration(custom, declared)
        if plain is not None:
            stand_in = as_rule(plain, _jax.static_positions(custom))
            # past the class, whose way of being called leads here
            call = functools.partial(call.func, stand_in)  # type: ignore[attr-defined]
        return marks.around(custom, call)

    mode = Mode("check declared", around, marks.around, references=False)
    with entered(mode):
        return jax.make_jaxpr(f)(*arrays), marks


def declaration(custom: Any, declared: Declared) -> Callable[..., Any] | None:
    """The function that stands for a rule, other than its own primal."""
    for rule, function in declared.items():
        if rule is custom:
            return function
    if not funcnn.rules.is_rule(custom):
        return None
    return custom.declared


def as_rule(plain: Callable[..., Any], statics: tuple[int, ...]) -> Any:
    """`plain` as a rule with its automatic derivative.

    Its equation takes the arguments alone: what arrays of numbers the code of `plain`
    has stay inside, in one program, where JAX would make them inputs of the rule.
    """

    def apart(args: tuple[Any, ...]) -> tuple[Callable[..., Any], list[Any]]:
        def of_arrays(*given: Any) -> Any:
            whole = list(given)
            for i in statics:
                whole.insert(i, args[i])
            return plain(*whole)

        return of_arrays, [a for i, a in enumerate(args) if i not in statics]

    @functools.wraps(plain, updated=())
    def closed(*args: Any) -> Any:
        of_arrays, arrays = apart(args)
        return jax.jit(of_arrays)(*arrays)

    stand_in: Any = jax.custom_vjp(closed, nondiff_argnums=statics)

    def forward(*args: Any) -> tuple[Any, Any]:
        of_arrays, arrays = apart(args)
        return jax.vjp(of_arrays, *arrays)

    stand_in.defvjp(forward, lambda *args: args[-2](args[-1]))
    return stand_in
