"""How a reference, a forward pass and a backward pass become one op."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn import _jax

use_references = jax.make_user_context(default_value=False)
"""While it is True, a rule traces its reference in place of its forward pass.

`funcnn.gradients.autodiff` sets it. It is part of `jax.jit`'s cache key, so no
compiled function of the other mode is ever used.
"""


class ConsumedRuleError(ValueError):
    """A rule that has to be taken out is being used for a gradient instead."""


@dataclasses.dataclass(frozen=True)
class Pullback:
    """A gradient that is no function's derivative, declared by plain code for it.

    ``pullback(*args, cotangent)`` takes all arguments of the op and gives what its
    `backward` has to: a tuple with one cotangent per argument that is not static. It
    need not be linear in the cotangent; such a gradient has no forward mode.
    """

    pullback: Callable[..., Sequence[Any]]


def rule(
    reference: Callable[..., Any],
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[..., Sequence[Any]],
    *,
    static: str | Sequence[str] = (),
    cases: Callable[[Callable[..., jax.Array]], Iterable[tuple[Any, ...]]],
    surrogate: Callable[..., Any] | Pullback | None = None,
    name: str | None = None,
) -> Any:
    """Makes an op whose gradient is written by hand: a `jax.custom_vjp` function.

    Args:
      reference: the plain JAX definition, with positional parameters only. Its
        automatic derivative is what the rule is held against.
      forward: ``forward(*args) -> (output, saved)``, plain code; `saved` is a
        pytree of arrays that is kept for the backward pass.
      backward: ``backward(*static, saved, cotangent)`` gives a tuple with one
        cotangent per argument that is not static: of the argument's shape, in
        any real dtype (it is cast to the argument's), None for zero. Integer,
        boolean and key arguments take None.
      static: names of the arguments that are hashable and not arrays.
      cases: ``cases(normal)`` yields argument tuples that show every branch of
        the rule, where ``normal(*shape)`` gives seeded arrays.
      surrogate: where the gradient differs on purpose, the function whose
        derivative the rule declares instead of the reference's; where it is no
        function's, a `Pullback`.
      name: what errors call the op; by default the reference's name.

    Returns:
      The op, with the arguments of this call kept on it as attributes
      `reference`, `forward`, `backward`, `static`, `cases` and `surrogate`; and
      `declared`, the function whose gradient the rule has to have.

    Raises:
      TypeError: when `static` names no parameter of the reference, or the
        reference has parameters that are not positional.
      ValueError, TypeError: when a gradient is traced and `backward` gives a
        wrong number of cotangents, or one of a wrong shape or kind; the message
        names the op and the argument.

    A call that is not differentiated runs `forward`. `jax.jvp` of an op raises,
    as for every `jax.custom_vjp`; a second derivative differentiates the code of
    `forward` and `backward`.
    """
    static = (static,) if isinstance(static, str) else tuple(static)
    name = name or _name_of(reference)
    parameters = _positional_parameters(reference, static, name)
    arrays = tuple(p for p in parameters if p not in static)

    # Of a jitted reference the attributes hold its name, and would bring it along.
    @functools.wraps(reference, updated=())
    def primal(*args: Any) -> Any:
        if use_references.value:
            return reference(*args)
        return _forward_pair(name, forward, args)[0]

    def rule_forward(*args: Any) -> tuple[Any, Any]:
        if use_references.value:  # no call comes here: it stands in a traced program
            raise ConsumedRuleError(
                f"{name}: a program that was traced with its rule is differentiated "
                "inside a function without rules; trace it inside that function, or "
                "put autodiff around what was traced"
            )
        output, saved = _forward_pair(name, forward, args)
        given = dict(zip(parameters, args, strict=True))
        return output, (saved, _Primals.of({p: given[p] for p in arrays}))

    def rule_backward(*args: Any) -> tuple[Any, ...]:
        *statics, (saved, primals), cotangent = args
        return primals.conform(name, backward(*statics, saved, cotangent))

    primal.__name__ = primal.__qualname__ = name
    op: Any = jax.custom_vjp(primal, nondiff_argnames=static)
    op.defvjp(rule_forward, rule_backward)
    op.reference, op.forward, op.backward = reference, forward, backward
    op.static, op.cases, op.surrogate = static, cases, surrogate
    op.declared = surrogate or reference
    if isinstance(surrogate, Pullback):
        op.declared = _with_pullback(name, reference, surrogate.pullback, static)
    return op


def _with_pullback(
    name: str,
    reference: Callable[..., Any],
    pullback: Callable[..., Sequence[Any]],
    static: tuple[str, ...],
) -> Any:
    """`reference` with `pullback` for its derivative."""
    parameters = _positional_parameters(reference, static, name)

    def forward(*args: Any) -> tuple[Any, Any]:
        given = dict(zip(parameters, args, strict=True))
        arrays = {p: given[p] for p in parameters if p not in static}
        return reference(*args), (arrays, _Primals.of(arrays))

    def backward(*args: Any) -> tuple[Any, ...]:
        *statics, (arrays, primals), cotangent = args
        given = arrays | dict(zip((p for p in parameters if p in static), statics))
        back = pullback(*(given[p] for p in parameters), cotangent)
        return primals.conform(f"{name}, as declared", back)

    declared: Any = jax.custom_vjp(reference, nondiff_argnames=static)
    declared.defvjp(forward, backward)
    return declared


def is_rule(value: object) -> bool:
    """Whether `value` is an op that `rule` made."""
    return callable(value) and hasattr(value, "defvjp") and hasattr(value, "cases")


def _name_of(reference: Callable[..., Any]) -> str:
    name = getattr(reference, "__name__", type(reference).__name__).strip("_")
    # In a file of one derivation the reference is called `_reference`.
    module = (getattr(reference, "__module__", None) or "").rpartition(".")[2]
    return module.strip("_") or name if name == "reference" else name


def _positional_parameters(
    reference: Callable[..., Any], static: tuple[str, ...], name: str
) -> tuple[str, ...]:
    parameters = inspect.signature(reference).parameters.values()
    for p in parameters:
        if p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            raise TypeError(
                f"{name}: the reference's parameter {p} must be positional, "
                "because jax.custom_vjp resolves arguments by position"
            )
    names = tuple(p.name for p in parameters)
    for s in static:
        if s not in names:
            raise TypeError(
                f"{name}: static {s!r} is not one of its parameters {names}"
            )
    return names


def _forward_pair(
    name: str, forward: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[Any, Any]:
    pair = forward(*args)
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(
            f"{name}: forward must return the pair (output, saved), "
            f"got {type(pair).__name__}"
        )
    return pair


class _Type(NamedTuple):
    """That of an array, and over which axes of a mesh, in `shard_map`, it varies."""

    shape: tuple[int, ...]
    dtype: Any
    varying: frozenset[str]

    @classmethod
    def of(cls, x: Any) -> "_Type":
        return cls(jnp.shape(x), jax.typeof(x).dtype, _jax.varying_axes(x))


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class _Primals:
    """The structure and types of an op's array arguments; saved, costs no bytes."""

    names: tuple[str, ...]
    trees: tuple[Any, ...]
    types: tuple[tuple["_Type", ...], ...]

    @classmethod
    def of(cls, args: dict[str, Any]) -> "_Primals":
        flat = [jax.tree.flatten(arg) for arg in args.values()]
        types = [tuple(_Type.of(x) for x in leaves) for leaves, _ in flat]
        return cls(tuple(args), tuple(tree for _, tree in flat), tuple(types))

    def conform(self, op: str, cotangents: Any) -> tuple[Any, ...]:
        """Checks each cotangent against its argument and casts it to its dtype."""
        if not isinstance(cotangents, tuple | list):
            raise TypeError(
                f"{op}: backward must return a tuple with one cotangent for each of "
                f"{', '.join(self.names)}; got {type(cotangents).__name__}"
            )
        if len(cotangents) != len(self.names):
            raise ValueError(
                f"{op}: backward returned {len(cotangents)} cotangents, "
                f"one is needed for each of {', '.join(self.names)}"
            )
        rows = zip(self.names, self.trees, self.types, cotangents, strict=True)
        return tuple(_conform(f"{op}: argument {name}", *row) for name, *row in rows)


def _conform(where: str, tree: Any, types: Any, cotangent: Any) -> Any:
    if cotangent is None:
        return None  # JAX's own sign for zero
    try:
        leaves = tree.flatten_up_to(cotangent)
    except ValueError as error:
        raise ValueError(
            f"{where}: its cotangent must have its structure {tree}, "
            f"got {jax.tree.structure(cotangent)}"
        ) from error
    rows = zip(types, leaves, strict=True)
    return tree.unflatten(_conform_leaf(where, type_, leaf) for type_, leaf in rows)


def _conform_leaf(where: str, type_: _Type, leaf: Any) -> Any:
    shape, dtype, varying = type_
    differentiable = jnp.issubdtype(dtype, jnp.inexact)
    if leaf is None:
        return jnp.zeros(shape, dtype) if differentiable else _no_tangent(shape)
    try:
        given = jax.typeof(leaf)
    except TypeError as error:
        raise TypeError(
            f"{where}: its cotangent must be an array, got {type(leaf).__name__}"
        ) from error
    if not differentiable:
        if given.dtype == jax.dtypes.float0:
            return leaf
        raise TypeError(
            f"{where} is {dtype}{list(shape)} and has no gradient: its cotangent "
            f"must be None, got {given.dtype}{list(given.shape)}"
        )
    if given.shape != shape:
        raise ValueError(
            f"{where}: its cotangent must have its shape {shape}, got {given.shape}"
        )
    # complex -> real and integer -> real would each hide a mistake
    needed = jnp.inexact if jnp.issubdtype(dtype, jnp.complexfloating) else jnp.floating
    if not jnp.issubdtype(given.dtype, needed):
        raise TypeError(
            f"{where}: its cotangent must be castable to {dtype}, got {given.dtype}"
        )
    # What is the same on all devices has a gradient that is the sum over them.
    return _jax.varying_over(jnp.asarray(leaf, dtype), varying)


def _no_tangent(shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape, jax.dtypes.float0)
