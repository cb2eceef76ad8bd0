"""What can be said of a rule without a single number."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax

from funcnn.gradients._autodiff import without_rules
from funcnn.gradients._residuals import array_bytes, residual_bytes
from funcnn.gradients._shadow import parts
from funcnn.gradients._steps import bind
from funcnn.gradients.checker._occurrence import Occurrence
from funcnn.gradients.checker._witnesses import Programs, filled, held_against


class Bytes(NamedTuple):
    """What is kept from the forward to the backward pass, in bytes.

    Attributes:
      manual: by the rule.
      automatic: by automatic differentiation; None where there is none.
      inputs: what the inputs themselves take.
    """

    manual: int
    automatic: int | None
    inputs: int


def misfits(occurrence: Occurrence, traced: Programs) -> Iterator[tuple[str, str]]:
    """Names and reasons: outputs and cotangents of a wrong dtype or shape."""
    equation = occurrence.equation
    results = parts(traced.manual)[0].outvars
    number = len(equation.outvars)
    for i, (made, meant) in enumerate(zip(results[:number], equation.outvars)):
        if (text := misfit_text(made.aval, meant.aval)) is not None:
            yield f"output {i}", f"the forward pass of the rule gives {text}"
    for made, i in zip(results[number:], traced.floats):
        if (text := misfit_text(made.aval, equation.invars[i].aval)) is not None:
            yield occurrence.names[i], f"its cotangent is {text}"


def misfit_text(made: Any, meant: Any) -> str | None:
    """What an array is and should be, where these are not the same."""
    if (made.shape, made.dtype) == (meant.shape, meant.dtype):
        return None
    got, needed = _type_text(made), _type_text(meant)
    return f"{got} where {needed} is needed"


def _type_text(aval: Any) -> str:
    return f"{aval.dtype}[{','.join(map(str, aval.shape))}]"


def is_linear(equation: Any, traced: Programs) -> bool:
    """Whether JAX can transpose the backward pass, which proves it linear."""
    inputs = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.invars]
    types = [equation.outvars[i].aval for i in traced.outputs]
    weights = [jax.ShapeDtypeStruct(t.shape, t.dtype) for t in types]

    def transposed(inputs: Sequence[Any], pushed: Sequence[Any]) -> Any:
        def of_floats(*floats: Any) -> list[Any]:
            whole = list(inputs)
            for i, x in zip(traced.floats, floats):
                whole[i] = x
            return bind(equation, *whole)

        outputs, pull = jax.vjp(of_floats, *(inputs[i] for i in traced.floats))
        back = lambda *given: pull(filled(outputs, given))  # noqa: E731
        return jax.linear_transpose(back, *weights)(tuple(pushed))

    try:
        made = parts(traced.manual)[0].outvars[len(equation.outvars) :]
        pushed = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in made]
        jax.eval_shape(transposed, inputs, pushed)
    except Exception:  # JAX has no one kind for what cannot be transposed
        return False
    return True


def bytes_saved(occurrence: Occurrence, traced: Programs) -> Bytes | None:
    """By what `jax.vjp` keeps; None where that cannot be seen."""
    equation = occurrence.equation
    types = [v.aval for v in equation.invars]

    def residuals(function: Any) -> int:
        return residual_bytes(function, types, traced.floats)

    try:
        manual = residuals(lambda *args: bind(equation, *args))
        automatic = None
        plain = traced.automatic is not None and not traced.reason
        if plain and not occurrence.region:
            automatic = residuals(held_against(occurrence, without_rules))
    except Exception:  # an estimate is not worth a failure
        return None
    return Bytes(manual, automatic, sum(map(array_bytes, types)))
