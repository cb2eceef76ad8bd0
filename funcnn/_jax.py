"""What differs between versions of JAX, in one place.

JAX names the equation of a custom rule differently from version to version, and by
its flags: `custom_vjp_call` and `custom_jvp_call` with the program of the primal
among their parameters, or, with ``JAX_CUSTOM_VJP3``, a `call_hi_primitive` with an
object that can expand itself. They are told by what they hold, not by their names.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.sharding import NamedSharding, PartitionSpec


class Rows(NamedTuple):
    """A batch that is split over the devices of a mesh: their number, and where."""

    number: int
    sharding: Any


partitioned = jax.make_user_context(default_value=None)
"""The `Rows` of the batch, while a compiler is to split what is traced over a mesh.

A loop over parts of the batch, or over heads, would then have every device gather all
of them. It is part of `jax.jit`'s cache key, as `funcnn.rules.use_references` is.
"""

Equation = jex.core.JaxprEqn
_CLASSIC = (jax.custom_vjp, jax.custom_jvp, custom_vmap)
PROGRAMS = (jex.core.Jaxpr, jex.core.ClosedJaxpr)  # one class in newer versions


def custom_vjp_classes() -> set[type]:
    """The classes of what `jax.custom_vjp` makes, whatever the flags."""
    return {jax.custom_vjp, type(jax.custom_vjp(abs))}


def custom_jvp_classes() -> set[type]:
    """The classes of what `jax.custom_jvp` makes, whatever the flags."""
    return {jax.custom_jvp, type(jax.custom_jvp(abs))}


def undecorated(custom: Any) -> Callable[..., Any]:
    """The function under a `jax.custom_vjp`, `jax.custom_jvp` or `custom_vmap`."""
    # not by what it has: it takes over the attributes of what it decorates
    return custom.fun if isinstance(custom, _CLASSIC) else custom.f


def static_positions(custom: Any) -> tuple[int, ...]:
    """The `nondiff_argnums` of a `jax.custom_vjp` or `jax.custom_jvp`."""
    classic = isinstance(custom, _CLASSIC)
    return tuple(sorted(custom.nondiff_argnums if classic else custom.static_argnums))


def jvp_of(custom: Any) -> tuple[Callable[..., Any] | None, bool]:
    """The rule of a `jax.custom_jvp`, and whether it takes symbolic zeros."""
    if isinstance(custom, jax.custom_jvp):
        return custom.jvp, custom.symbolic_zeros
    return custom.jvp_fun, custom.symz


def is_rule(equation: Equation) -> bool:
    """Whether an equation has a derivative of its own, and a program it is of."""
    return (
        is_reverse_rule(equation)
        or "jvp_jaxpr_fun" in equation.params
        or (_expandable(equation))
    )


def has_nothing_to_derive(equation: Equation) -> bool:
    """Whether it is an operation of JAX's own, in the form of a rule, without a slope.

    Such are `jnp.nonzero` and `jnp.searchsorted` in newer versions.
    """
    if not _expandable(equation) or hasattr(equation.params["_prim"], "traced"):
        return False
    sides: Any = equation.invars, equation.outvars
    return not all(
        any(jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in side) for side in sides
    )


def is_reverse_rule(equation: Equation) -> bool:
    """Whether an equation has a rule for reverse mode only."""
    if _expandable(equation):
        return not hasattr(equation.params["_prim"], "jvp_rule")
    return "call_jaxpr" in equation.params and "bwd" in equation.params


def rule_name(equation: Equation) -> str:
    """What an error calls the rule of a `jax.custom_vjp`, with its place if known."""
    if _expandable(equation):
        traced = getattr(equation.params["_prim"], "traced", None)
        return str(getattr(traced, "fun_name", equation.primitive))
    return str(equation.params["call_jaxpr"].debug_info.func_src_info)


def is_custom_root(equation: Equation) -> bool:
    """Whether it is the rule of `jax.lax.custom_root`."""
    if "_prim" in equation.params:
        return type(equation.params["_prim"]).__name__ == "CustomRoot"
    return is_rule(equation) and rule_name(equation).startswith("_custom_root")


def rule_constants(equation: Equation) -> int:
    """How many of a rule's inputs, the first, are constants of its functions."""
    if _expandable(equation):
        expandable = equation.params["_prim"]
        if not hasattr(expandable, "drop_fwd_consts"):  # they are inside
            return 0
        return sum(part.num_leaves for part in expandable.in_tree.children()[:2])
    return int(equation.params.get("num_consts", 0))


def knows_zeros(equation: Equation) -> bool:
    """Whether a rule is told which of its arguments are differentiated."""
    if _expandable(equation):
        expandable = equation.params["_prim"]
        return any(getattr(expandable, k, False) for k in ("symz", "symbolic_zeros"))
    return bool(equation.params.get("symbolic_zeros"))


def scan_counts(equation: Equation) -> tuple[int, int]:
    """How many constants and how many carried values a scan has."""
    params = equation.params
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    # newer JAX keeps the structure in their place
    consts, carry = (len(part) for part in params["ft_in"].unpack()[:2])
    return consts, carry


def primal_program(equation: Equation) -> Any:
    """The program that a rule's equation stands for, of the equation's inputs."""
    if not _expandable(equation):
        return equation.params["call_jaxpr"]
    expandable = equation.params["_prim"]

    def expanded(*leaves: Any) -> Any:
        return expandable.expand(*jax.tree.unflatten(expandable.in_tree, leaves))

    return trace_at(expanded, equation)


def trace_at(function: Callable[..., Any], equation: Equation) -> Any:
    """The program of `function` at inputs of the types of an equation's."""
    # the types as they are: sharded, weak, varying over a mesh
    types = [atom.aval for atom in equation.invars]
    with equation.ctx.manager:
        return jax.make_jaxpr(function)(*types)


def gives_types_of(program: Any, equation: Equation) -> bool:
    """Whether a program's outputs have the types of an equation's, its mesh's too."""
    pairs = zip(program.out_avals, equation.outvars, strict=True)
    return all(a.strip_weak_type() == v.aval.strip_weak_type() for a, v in pairs)


def bind(equation: Equation, *args: Any) -> list[Any]:
    """The equation's results at other inputs."""
    options = equation.primitive.get_bind_params(equation.params)
    results = equation.primitive.bind(*args, **options)
    return results if equation.primitive.multiple_results else [results]


def with_equations(
    program: Any, equations: Sequence[Equation], outvars: Sequence[Any]
) -> Any:
    """The program, open or closed, with other equations and outputs."""
    is_high = any("_prim" in e.params for e in equations)
    is_high = is_high or any(
        inner.is_high
        for e in equations
        for inner in jex.core.jaxprs_in_params(e.params)
    )
    changed = program.jaxpr if hasattr(program, "jaxpr") else program
    changed = changed.replace(eqns=equations, outvars=outvars, is_high=is_high)
    if isinstance(changed, type(program)):
        return changed
    return jex.core.ClosedJaxpr(changed, program.consts)


def varying(x: Any, axis: str) -> Any:
    """A value that is the same on all devices of a mesh's axis, as one that may not be.

    Its cotangents are summed over the axis.
    """
    return jax.lax.pcast(x, axis, to="varying")


def varying_axes(x: Any) -> frozenset[str]:
    """The axes of a mesh over which a value is not the same on all devices."""
    return frozenset(jax.typeof(x).manual_axis_type.varying)


def transposed(f: Callable[[jax.Array], jax.Array], shape: Any, g: jax.Array) -> Any:
    """The transpose of a linear f, of arrays of that shape and g's dtype, at g.

    `jax.linear_transpose` does not know what varies over a mesh; `jax.vjp` has f itself
    in the program as well, to be left out by the compiler.
    """
    axes = varying_axes(g)
    if not axes:
        return jax.linear_transpose(f, jax.ShapeDtypeStruct(shape, g.dtype))(g)[0]
    nothing = varying_over(jnp.zeros(shape, g.dtype), axes)
    return jax.vjp(f, nothing)[1](g)[0]


def varying_over(cotangent: jax.Array, axes: frozenset[str]) -> jax.Array:
    """The cotangent of a value that varies over these axes, and no others.

    Over those where the value is the same, it is summed.
    """
    own = varying_axes(cotangent)
    if summed := own - axes:
        cotangent = jax.lax.psum(cotangent, tuple(sorted(summed)))
    if more := axes - own:
        cotangent = jax.lax.pcast(cotangent, tuple(sorted(more)), to="varying")
    return cotangent


def varying_alike(*arrays: jax.Array) -> list[jax.Array]:
    """The arrays as varying over every axis of a mesh over which one of them does.

    So have branches for several platforms the same types, whatever they sum over.
    """
    axes = frozenset().union(*map(varying_axes, arrays))
    return [varying_over(x, axes) for x in arrays]


def with_split_rows(x: Any) -> Any:
    """What a layer gives, with its rows where those of the batch are.

    Parameters are split too, and a compiler may otherwise split features as they are,
    and gather the batch.
    """
    rows: Rows | None = partitioned.value
    if rows is None:
        return x

    def one(x: Any) -> Any:
        if not hasattr(x, "shape") or x.shape[:1] != (rows.number,):
            return x
        others = [PartitionSpec.UNCONSTRAINED] * (x.ndim - 1)
        spec = PartitionSpec(*rows.sharding.spec, *others)
        return jax.lax.with_sharding_constraint(
            x, NamedSharding(rows.sharding.mesh, spec)
        )

    return jax.tree.map(one, x)


def scan(f: Callable[..., Any], init: Any, xs: Any = None, **options: Any) -> Any:
    """`lax.scan`, of a carry that may begin as the same on all devices of a mesh.

    Inside `shard_map` a sum over what varies from device to device varies too, and JAX
    wants the zero that it begins with to do so from the start.
    """
    if jax.sharding.get_abstract_mesh().manual_axes:
        init = _varying_as_it_will(f, init, xs)
    return jax.lax.scan(f, init, xs, **options)


def _varying_as_it_will(f: Callable[..., Any], init: Any, xs: Any) -> Any:
    def one(x: Any) -> jax.Array:
        return varying_over(jnp.zeros(x.shape[1:], x.dtype), varying_axes(x))

    first = jax.tree.map(one, xs)
    while True:  # each time some leaf varies over more of the axes
        leaves = jax.tree.leaves(init)
        after = jax.make_jaxpr(lambda carry: f(carry, first)[0])(init).out_avals
        own = [varying_axes(x) for x in leaves]
        more = [a | b.manual_axis_type.varying for a, b in zip(own, after, strict=True)]
        if more == own:
            return init
        lifted = [varying_over(jnp.asarray(x), a) for x, a in zip(leaves, more)]
        init = jax.tree.unflatten(jax.tree.structure(init), lifted)


def is_about_varying(error: BaseException) -> bool:
    """Whether JAX refuses a program for what varies over a mesh and what does not."""
    text = str(error).lower()
    return "manual axes" in text or "manual axis" in text


def _expandable(equation: Equation) -> bool:
    # with more parameters it is the linear part of a rule that is used up
    return hasattr(equation.params.get("_prim"), "expand") and (
        len(equation.params) == 1
    )
