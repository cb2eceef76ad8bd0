"""Rules for reverse mode, used forward: the transpose of the backward pass."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcnn import _jax
from funcnn.gradients._calls import Call, Mode, later
from funcnn.gradients._programs import transformed


def forward_mode(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` with every hand-written reverse rule usable in forward mode too.

    A `jax.custom_vjp` gives the linear map from cotangents of the output to those of
    the arguments, and refuses `jax.jvp`. The tangent map is that map's transpose, and
    JAX can transpose what `backward` computes. So `jax.jvp`, `jax.jacfwd`,
    `jax.hessian` and `jax.linearize` of the result work, and they too go by the
    hand-written derivative: where a rule is wrong, they are wrong alike. `jax.grad`
    of the result transposes once more, which is `backward` again.

    A rule of forward mode, `jax.custom_jvp`, stays what it is. This holds wherever a
    rule stands in `f`, as for `autodiff`, rules in programs traced earlier included.

    Args:
      f: any function that JAX can trace. Arrays among its arguments, in pytrees or
        not, are traced; everything else, such as ``train=True``, is kept as it is.

    Returns:
      A function with the signature of `f`.

    Raises:
      NotImplementedError: from the result when it is differentiated, naming the rule
        with file and line, when its `backward` cannot be transposed: a step of it is
        not linear in the cotangent, or loops without a fixed number of turns, or is
        a kernel that JAX cannot see into.

    Limits:
      - A `backward` that is not linear is noticed by the step that is not; one that
        adds a constant, or that drops the cotangent altogether, is transposed as if
        it did not.
      - A rule inside the shard_map of a program that was traced earlier
        (`jax.make_jaxpr`) is an error, except in JAX 0.12 with ``JAX_CUSTOM_VJP3``;
        give the function that was traced.
      - What the rule saves is computed in full, also for a tangent that is zero.
    """
    return transformed(f, _BOTH_WAYS, _both_ways_equation)


def _both_ways(custom: Any, call: Call) -> Call:
    """A `jax.custom_vjp` as a function with a tangent map."""
    statics = _jax.static_positions(custom)
    place = _place(custom, getattr(custom, "backward", None) or custom.bwd)
    return _with_tangent_map(_jax.undecorated(custom), call, statics, place)


def _both_ways_equation(equation: _jax.Equation) -> Any:
    """The same of an equation, in a program traced earlier."""
    if not _jax.is_reverse_rule(equation):
        return None
    call, place = functools.partial(_jax.bind, equation), _jax.rule_name(equation)
    both = _jax.trace_at(_with_tangent_map(call, call, (), place), equation)
    if not _jax.gives_types_of(both, equation):
        raise NotImplementedError(
            f"forward_mode: {place} stands in a shard_map of a program traced earlier, "
            "where JAX cannot trace it again; give forward_mode the "
            "function that was traced"
        )
    return both


def _with_tangent_map(
    primal: Call, call: Call, statics: Sequence[int], place: str
) -> Call:
    """`primal`, whose tangent map is the transpose of the one `call` has backward."""
    both: Any = jax.custom_jvp(primal, nondiff_argnums=tuple(statics))

    def tangent_map(*args: Any) -> tuple[Any, Any]:
        *static, primals, tangents = args

        def of_arrays(*arrays: Any) -> Any:
            whole = list(arrays)
            for position, value in zip(statics, static, strict=True):
                whole.insert(position, value)
            return call(*whole)

        return _push_forward(of_arrays, primals, tangents, place)

    both.defjvp(tangent_map)
    return both


def _push_forward(
    f: Call, primals: tuple[Any, ...], tangents: tuple[Any, ...], place: str
) -> tuple[Any, Any]:
    """The output and its tangent, by nothing but the reverse rule of `f`."""
    leaves, tree = jax.tree.flatten(primals)
    moving = [i for i, leaf in enumerate(leaves) if _is_inexact(leaf)]

    def of_floats(floats: list[Any]) -> tuple[list[Any], Any]:
        given = dict(zip(moving, floats, strict=True))
        whole = [given.get(i, leaf) for i, leaf in enumerate(leaves)]
        output = f(*jax.tree.unflatten(tree, whole))
        return [y for y in jax.tree.leaves(output) if _is_inexact(y)], output

    floats = [leaves[i] for i in moving]
    outputs, pull, output = jax.vjp(of_floats, floats, has_aux=True)
    flat = jax.tree.leaves(tangents)
    pushed = _transposed(pull, outputs, [flat[i] for i in moving], place)
    given = iter(pushed)
    return output, jax.tree.map(
        lambda y: next(given) if _is_inexact(y) else _no_tangent(y), output
    )


def _transposed(
    pull: Call, outputs: list[Any], tangents: list[Any], place: str
) -> list[Any]:
    def push(pull: Call, tangents: list[Any]) -> list[Any]:
        def cast(cotangents: list[Any]) -> list[Any]:
            # a rule of others may give them in another precision than the argument's
            return [c.astype(t.dtype) for c, t in zip(cotangents, tangents)]

        transpose = jax.linear_transpose(lambda g: cast(pull(g)[0]), outputs)
        try:
            return transpose(tangents)[0]
        except Exception as error:  # JAX has no one kind for this
            raise NotImplementedError(
                f"forward_mode: the backward pass of {place} has no tangent map, "
                "because JAX cannot transpose it; every step has to be linear in the "
                f"cotangent ({type(error).__name__}: {error})"
            ) from error

    # what `backward` makes of the saved values is not kept, but made again
    return jax.checkpoint(push)(pull, tangents)


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(jax.typeof(leaf).dtype, jnp.inexact)


def _no_tangent(leaf: Any) -> np.ndarray:
    return np.zeros(jnp.shape(leaf), jax.dtypes.float0)


def _with_later_jvp(custom: Any, call: Call) -> Call:
    """A `jax.custom_jvp` whose rule calls other rules in this mode, too."""
    jvp, symbolic_zeros = _jax.jvp_of(custom)
    if jvp is None:
        return call  # which raises
    copy: Any = jax.custom_jvp(
        _jax.undecorated(custom), nondiff_argnums=_jax.static_positions(custom)
    )
    copy.defjvp(later(jvp), symbolic_zeros=symbolic_zeros)
    return functools.partial(call.func, copy)  # type: ignore[attr-defined]


def _place(custom: Any, backward: Any) -> str:
    name = getattr(custom, "__name__", type(custom).__name__)
    while isinstance(backward, functools.partial):
        backward = backward.func
    code = getattr(backward, "__code__", None)
    if code is None:
        return name
    return f"{name} ({code.co_filename}:{code.co_firstlineno})"


_BOTH_WAYS = Mode("forward_mode", _both_ways, _with_later_jvp, references=False)
