"""What a rule says of a derivative, and what automatic differentiation says of it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp
import numpy as np

from funcnn import _jax
from funcnn.gradients._autodiff import without_rules
from funcnn.gradients._programs import inner_rewritten
from funcnn.gradients._steps import bind
from funcnn.gradients.checker._occurrence import Occurrence

_MOST_COLUMNS = 256  # of a Jacobian that is made by forward mode


class Programs(NamedTuple):
    """A rule's derivative and the automatic one, each as one program.

    Both take the inputs and then a cotangent for each output of floats.

    Attributes:
      floats: the positions of the inputs that are differentiated.
      outputs: the positions of the outputs that have a cotangent.
      value: of the inputs: the outputs where nothing is differentiated.
      manual: gives the outputs and the cotangents of `floats`.
      automatic: the same of the program that the rule is held against; None where
        no automatic derivative exists.
      declared: of the inputs: that program's outputs.
      reason: why there is no automatic derivative.
    """

    floats: tuple[int, ...]
    outputs: tuple[int, ...]
    value: Any
    manual: Any
    automatic: Any
    declared: Any
    reason: str


def programs(occurrence: Occurrence) -> Programs:
    """Traces them.

    Raises:
      Exception: what the rule raises when it is differentiated.
    """
    equation = occurrence.equation
    avals = [atom.aval for atom in equation.invars]
    skipped = 0 if occurrence.region else _jax.rule_constants(equation)
    partly = not occurrence.region and _jax.knows_zeros(equation)
    floats = tuple(
        i
        for i, a in enumerate(avals)
        if i >= skipped and is_inexact(a.dtype) and (occurrence.active[i] or not partly)
    )
    types = [v.aval for v in equation.outvars]
    outputs = tuple(i for i, a in enumerate(types) if is_inexact(a.dtype))
    inputs = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in avals]
    cotangents = [jax.ShapeDtypeStruct(types[i].shape, types[i].dtype) for i in outputs]

    def run(*args: Any) -> list[Any]:
        return bind(equation, *args)

    plain = _declared(occurrence)
    pulled = pullback(run, floats, len(inputs))
    manual = jax.make_jaxpr(pulled)(*inputs, *cotangents)
    automatic, reason = None, ""
    for way in (pullback, _pushed_forward):
        try:
            way_back = way(plain, floats, len(inputs))
            automatic = jax.make_jaxpr(way_back)(*inputs, *cotangents)
            break
        except Exception as error:  # JAX has no one kind for this
            reason = reason or f"{type(error).__name__}: {_first_line(error)}"
    value, held = (jax.make_jaxpr(function)(*inputs) for function in (run, plain))
    return Programs(floats, outputs, value, manual, automatic, held, reason)


def pullback(
    function: Callable[..., list[Any]], floats: Sequence[int], number: int
) -> Callable[..., list[Any]]:
    """Of `number` inputs and the cotangents: the outputs and what is sent back."""

    def run(*given: Any) -> list[Any]:
        inputs, cotangents = given[:number], given[number:]
        outputs, pull = jax.vjp(
            _of_floats(function, inputs, floats), *(inputs[i] for i in floats)
        )
        return [*outputs, *pull(filled(outputs, cotangents))]

    return run


def filled(outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """The cotangents, with those of outputs that are not floats between them."""
    given = iter(cotangents)
    return [
        next(given)
        if is_inexact(jax.typeof(y).dtype)
        else np.zeros(jnp.shape(y), jax.dtypes.float0)
        for y in outputs
    ]


def _of_floats(
    function: Callable[..., list[Any]], inputs: Sequence[Any], floats: Sequence[int]
) -> Callable[..., list[Any]]:
    def of_floats(*given: Any) -> list[Any]:
        whole = list(inputs)
        for position, value in zip(floats, given, strict=True):
            whole[position] = value
        return function(*whole)

    return of_floats


def _pushed_forward(
    function: Callable[..., list[Any]], floats: Sequence[int], number: int
) -> Callable[..., list[Any]]:
    """As `pullback`, but by forward mode, one entry of the inputs after the other."""

    def run(*given: Any) -> list[Any]:
        inputs, cotangents = given[:number], given[number:]
        moving = [inputs[i] for i in floats]
        sizes = [x.size for x in moving]
        if sum(sizes) > _MOST_COLUMNS or any(map(jnp.iscomplexobj, moving)):
            raise NotImplementedError("too large for forward mode")
        of_floats = _of_floats(function, inputs, floats)
        outputs = function(*inputs)

        def along(column: Any) -> Any:
            parts = jnp.split(column, np.cumsum(sizes)[:-1])
            tangents = [
                p.reshape(x.shape).astype(x.dtype)
                for p, x in zip(parts, moving, strict=True)
            ]
            pushed = jax.jvp(of_floats, moving, tangents)[1]
            pairs = zip(filled(outputs, cotangents), pushed, strict=True)
            kept = [jnp.sum(c * t) for c, t in pairs if is_inexact(jnp.result_type(t))]
            return sum(kept, jnp.zeros(()))

        wide = jnp.result_type(*moving)
        found = jax.lax.map(along, jnp.eye(sum(sizes), dtype=wide))
        parts = jnp.split(found, np.cumsum(sizes)[:-1])
        back = [
            p.reshape(x.shape).astype(x.dtype)
            for p, x in zip(parts, moving, strict=True)
        ]
        return [*outputs, *back]

    return run


def _declared(occurrence: Occurrence) -> Callable[..., list[Any]]:
    """The plain function that an occurrence is held against."""
    if occurrence.region:
        inside = inner_rewritten(occurrence.equation, without_rules)
        return lambda *args: bind(inside, *args)
    pullback = occurrence.pullback  # which is a rule itself, and is left
    return held_against(occurrence, _jax.primal_program if pullback else without_rules)


def held_against(
    occurrence: Occurrence, way: Callable[[Any], Any]
) -> Callable[..., list[Any]]:
    """The program that `way` gives of what a rule stands for, of the rule's inputs."""
    equation = occurrence.stands_for or occurrence.equation
    left_out = len(occurrence.equation.invars) - len(equation.invars)
    function = jex.core.jaxpr_as_fun(way(equation))
    return lambda *args: function(*args[left_out:])


def is_inexact(dtype: Any) -> bool:
    """Whether it has a derivative."""
    return jnp.issubdtype(dtype, jnp.inexact)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0]
