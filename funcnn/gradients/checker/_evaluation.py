"""A rule and what it is held against, evaluated without rounding to its dtypes."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np

from funcnn import _jax
from funcnn.gradients._numeric import Slopes, directional
from funcnn.gradients._shadow import exact as _exact
from funcnn.gradients._shadow import in_own_dtypes, is_exact, parts, rounded_otherwise
from funcnn.gradients.checker._witnesses import Programs, is_inexact

Arrays = list[np.ndarray]

# Relative to the largest entry, by the narrowest dtype in the programs: their
# constants are rounded to it even where nothing else is.
_TOLERANCES = {8: 1e-6, 4: 2e-5, 2: 3e-2}
_OWN_DTYPES = {8: 1e-6, 4: 5e-4, 2: 1e-1}  # where they cannot be lifted
_OWN_VALUES = {8: 2e-7, 4: 5e-5, 2: 1e-1}
_LOOPS = 5e-3  # what solves by iteration is as far off as it stops early
_LONG_SCAN, _LONG_SCANS = 8, 2e-4
_ROUNDINGS = 4  # in as many ways


class Outcome(NamedTuple):
    """At one point, for one cotangent; all in float64.

    Attributes:
      value: the outputs where nothing is differentiated.
      forward: those that the rule's forward pass gives.
      manual: the cotangents of the inputs by the rule.
      declared: the outputs of the program that it is held against.
      automatic: its cotangents; None where it has none.
    """

    value: Arrays
    forward: Arrays
    manual: Arrays
    declared: Arrays
    automatic: Arrays | None

    @property
    def defined(self) -> bool:
        """Whether the function has a finite value here."""
        return all(_finite(y) for y in (*self.value, *self.declared))


class Evaluation:
    """Compiles a rule's programs once, and evaluates them where it is asked to."""

    def __init__(self, programs: Programs, *, lift: bool = True) -> None:
        self.programs, self.lift = programs, lift
        exact = _exact if lift else in_own_dtypes
        self._value = exact(programs.value)
        self._manual = exact(programs.manual)
        self._declared = exact(programs.declared)
        lifted = [self._value, self._manual, self._declared]
        if programs.automatic is not None:
            self._automatic = exact(programs.automatic)
            lifted.append(self._automatic)
        self.exact = all(map(is_exact, lifted))
        self.width = _narrowest(programs)
        self._run = jax.jit(self._all, compiler_options=_FAST if lift else None)
        self.avals = [v.aval for v in parts(programs.value)[0].invars]
        self.types = [
            parts(programs.value)[0].outvars[i].aval for i in programs.outputs
        ]

    @property
    def tolerance(self) -> float:
        """Relative to the largest entry: what is no difference."""
        bound = (_TOLERANCES if self.exact else _OWN_DTYPES)[self.width]
        loops = _loops(self.programs.declared)
        return max(bound, *loops) if loops else bound

    @property
    def value_tolerance(self) -> float:
        """The same for outputs."""
        exact = {8: 2e-7, 4: 4e-7, 2: 2e-2}
        return (exact if self.exact else _OWN_VALUES)[self.width]

    @functools.cached_property
    def stops_gradients(self) -> bool:
        """Whether the declared program has other slopes than derivatives."""
        return _stops_gradients(self.programs.declared)

    @functools.cached_property
    def iterates(self) -> bool:
        """Whether the declared program repeats until it has come near enough."""
        return _LOOPS in _loops(self.programs.declared)

    @functools.cached_property
    def loops(self) -> bool:
        """Whether it repeats anything often."""
        return bool(_loops(self.programs.declared))

    def _all(self, inputs: list[Any], cotangents: list[Any]) -> tuple[Any, ...]:
        number = len(self.programs.value.out_avals)
        manual = self._manual(*inputs, *cotangents)
        declared, automatic = self._declared(*inputs), None
        if self.programs.automatic is not None:
            automatic = self._automatic(*inputs, *cotangents)[number:]
        value = self._value(*inputs)
        return value, manual[:number], manual[number:], declared, automatic

    def at(self, inputs: Sequence[Any], cotangents: Sequence[Any]) -> Outcome:
        """Evaluates everything; only floats among the outputs are given."""
        with jax.enable_x64(True):
            value, forward, manual, declared, automatic = self._run(
                list(inputs), list(cotangents)
            )
        outputs = self.programs.outputs

        def kept(values: list[Any]) -> Arrays:
            return [np.asarray(values[i]) for i in outputs]

        back = None if automatic is None else [np.asarray(x) for x in automatic]
        manual = [np.asarray(x) for x in manual]
        return Outcome(kept(value), kept(forward), manual, kept(declared), back)

    def by_rounding(self, inputs: Sequence[Any], cotangents: Sequence[Any]) -> Arrays:
        """The most that rounding to float64 was seen to change of `automatic`."""
        number, given = len(self.programs.value.out_avals), [*inputs, *cotangents]
        with jax.enable_x64(True):
            right, *others = [
                [np.asarray(x) for x in jax.jit(program)(*given)[number:]]
                for program in (self._automatic, *self._rounded_otherwise)
            ]
        changes = [[np.abs(x - y) for x, y in zip(o, right)] for o in others]
        return [np.max(each, axis=0) for each in zip(*changes)]

    @functools.cached_property
    def _rounded_otherwise(self) -> list[Any]:
        seeds = range(_ROUNDINGS)
        return [rounded_otherwise(self.programs.automatic, seed) for seed in seeds]

    def lifted(self, inputs: Sequence[Any]) -> list[Any]:
        """Floats as float64, on the host; keys stay what they are."""
        return [wide(x) for x in inputs]

    def fitted(self, inputs: Sequence[Any]) -> list[Any]:
        """As they are; rounded to the program's dtypes where it cannot be lifted."""
        if self.exact:
            return list(inputs)
        rounded = [
            x.astype(a.dtype) if is_inexact(a.dtype) else x
            for x, a in zip(inputs, self.avals)
        ]
        return self.lifted(rounded)

    @functools.cached_property
    def numerical(self) -> bool:
        """Whether slopes can be taken: of real numbers, without rounding."""
        types = [a.dtype for a in (*self.avals, *self.types)]
        real = not any(jnp.issubdtype(t, jnp.complexfloating) for t in types)
        return real and (is_exact(self._declared) or self.width == 8)

    def slopes(
        self,
        inputs: Sequence[Any],
        cotangents: Sequence[Any],
        direction: dict[int, np.ndarray],
    ) -> Slopes:
        """Of the declared program along a direction, which is 0 where not given."""
        steps = [
            direction.get(i, np.zeros_like(x)) if _is_float(x) else None
            for i, x in enumerate(inputs)
        ]
        with jax.enable_x64(True):
            return directional(
                self._declared_outputs,
                tuple(inputs),
                tuple(steps),
                weights=list(cotangents),
            )

    @functools.cached_property
    def _declared_outputs(self) -> Any:
        outputs = self.programs.outputs
        return lambda *inputs: [self._declared(*inputs)[i] for i in outputs]

    @functools.cached_property
    def manual_back(self) -> Any:
        """The rule's cotangents as a function of inputs and cotangents."""
        number = len(self.programs.value.out_avals)
        return lambda *given: self._manual(*given)[number:]

    def of_floats(self, inputs: Sequence[Any]) -> Any:
        """The declared program as a function of the floats among the inputs."""

        def function(*floats: Any) -> Any:
            whole = list(inputs)
            for i, x in zip(self.programs.floats, floats, strict=True):
                whole[i] = x
            return self._declared_outputs(*whole)

        return function


_FAST = {"xla_backend_optimization_level": 0}


def wide(x: Any) -> Any:
    """A float in float64, a complex number in complex128, on the host."""
    if jnp.issubdtype(x.dtype, jax.dtypes.extended):
        return x
    x = np.asarray(x)
    if not is_inexact(x.dtype):
        return x
    complex_ = jnp.issubdtype(x.dtype, jnp.complexfloating)
    return x.astype(np.complex128 if complex_ else np.float64)


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def _finite(y: np.ndarray) -> bool:
    return bool(np.isfinite(y).all())


def _stops_gradients(program: Any) -> bool:
    """Whether it hides a part of its derivative."""
    return any(
        equation.primitive.name == "stop_gradient"
        or _jax.is_rule(equation)  # of a pullback that is declared
        or any(map(_stops_gradients, jex.core.jaxprs_in_params(equation.params)))
        for equation in parts(program)[0].eqns
    )


def _narrowest(programs: Programs) -> int:
    """Bytes of the narrowest float of the programs: 8, 4 or 2."""
    found = {8}
    for program in (programs.manual, programs.automatic, programs.declared):
        if program is not None:
            found |= set(_widths(program))
    return max(min(found), 2)


def _widths(program: Any) -> set[int]:
    jaxpr = parts(program)[0]
    variables = [*jaxpr.invars, *jaxpr.constvars]
    found: set[int] = set()
    for equation in jaxpr.eqns:
        variables += equation.outvars
        for inner in jex.core.jaxprs_in_params(equation.params):
            found |= _widths(inner)
    for variable in variables:
        dtype = variable.aval.dtype
        if jnp.issubdtype(dtype, jnp.floating):
            found.add(dtype.itemsize)
        elif jnp.issubdtype(dtype, jnp.complexfloating):
            found.add(dtype.itemsize // 2)
    return found


def _loops(program: Any) -> list[float]:
    """How exact a program with such loops may be expected to be."""
    found = []
    for equation in parts(program)[0].eqns:
        if equation.primitive.name == "while":
            found.append(_LOOPS)
        if (
            equation.primitive.name == "scan"
            and equation.params["length"] >= _LONG_SCAN
        ):
            found.append(_LONG_SCANS)
        for inner in jex.core.jaxprs_in_params(equation.params):
            found += _loops(inner)
    return found
