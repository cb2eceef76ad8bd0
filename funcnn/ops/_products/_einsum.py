"""Sums of products over named axes, for two arrays."""

import re
import string

import jax
import jax.numpy as jnp
from jax import lax

from funcnn.errors import ShapeError
from funcnn.ops._arguments import floats, wide
from funcnn.rules import rule


def einsum(equation: str, x: jax.Array, y: jax.Array) -> jax.Array:
    """The products of entries of `x` and `y`, summed as the equation says.

    A letter names an axis, as in `jnp.einsum`: ``einsum("bij,bjk->bik", x, y)`` is a
    batch of matrix products. Letters that the output lacks are summed over. ``...``
    stands for the axes without a letter, aligned at the right and broadcast against
    each other. Without ``->`` the output has the letters that occur once, in
    alphabetical order, after the axes of ``...``.

    Shapes: one axis per letter; axes of one letter have one size.
    Dtypes: the arguments' common float dtype; sums in float32 or wider.
    Errors: ValueError for an equation that is not understood, or that names two axes
            of one array alike (a diagonal); ShapeError where the arrays do not fit
            it; TypeError unless both are floats.

    Gradient. Let a, b and c be the letters of x, y and the output z. Without the
    letters that x alone or y alone has and that are summed over,
        z_c = sum over (a + b) - c of x_a y_b.
    This is linear in x, with y_b as its matrix, so the cotangents are again sums of
    products with the letters exchanged:
        dx_a = sum over (b + c) - a of g_c y_b,
        dy_b = sum over (a + c) - b of g_c x_a.
    Where a sum runs over a letter of x alone, z = f(sum over it of x), and the
    cotangent of the sum goes to each of its terms: dx does not vary along it.
    Saved: x and y, each summed over the letters that it alone has.
    Kinks: none.
    """
    x, y = floats("einsum", x=x, y=y)
    return _einsum(*_explicit(equation, x, y))


_TERM = re.compile(r"[A-Za-z]*(\.\.\.)?[A-Za-z]*")


def _explicit(equation, x, y):
    """The arrays and the equation without ellipsis, and with its output."""
    terms, output = _parsed(equation)
    extra = [_unnamed_axes(term, z) for term, z in zip(terms, (x, y))]
    spare = [c for c in string.ascii_letters if c not in equation][: max(extra)]
    named = "".join(spare)
    a, b = (
        term.replace("...", named[len(named) - count :])
        for term, count in zip(terms, extra)
    )
    if output is None:
        once = {c for c in a + b if (a + b).count(c) == 1} - {*named}
        output = named + "".join(sorted(once))
    output = output.replace("...", named)
    if not {*output} <= {*a, *b}:
        raise ValueError(f"einsum: the output of {equation!r} has a letter of its own")
    # What is broadcast has no say in the sums: it loses its axis.
    a, x = _without_broadcast(a, x, named, dict(zip(b, y.shape)))
    b, y = _without_broadcast(b, y, named, dict(zip(a, x.shape)))
    _check_sizes(equation, a, x, b, y)
    return x, y, f"{a},{b}->{output}"


def _parsed(equation):
    """The letters of the inputs, and of the output or None."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != 2:
        raise ValueError(f"einsum: needs an equation of two arrays, got {equation!r}")
    for term in (*terms, output):
        if not _TERM.fullmatch(term):
            raise ValueError(
                f"einsum: {equation!r} has {term!r}, which must be letters and at "
                "most one ellipsis"
            )
        letters = term.replace("...", "")
        if len({*letters}) < len(letters):
            raise ValueError(
                f"einsum: {equation!r} names two axes of one array alike in {term!r}; "
                "take the diagonal before"
            )
    return terms, output if arrow else None


def _unnamed_axes(term, x):
    letters = len(term.replace("...", ""))
    if x.ndim < letters or (x.ndim > letters and "..." not in term):
        more = " or more" if "..." in term else ""
        raise ShapeError(
            f"einsum: {term!r} needs an array of {letters}{more} axes, got {x.shape}"
        )
    return x.ndim - letters


def _without_broadcast(letters, x, named, others):
    axes = [
        axis
        for axis, c in enumerate(letters)
        if c in named and x.shape[axis] == 1 and others.get(c, 1) != 1
    ]
    kept = "".join(c for axis, c in enumerate(letters) if axis not in axes)
    return kept, jnp.squeeze(x, axes)


def _check_sizes(equation, a, x, b, y):
    sizes = dict(zip(b, y.shape))
    for letter, size in zip(a, x.shape):
        if sizes.get(letter, size) != size:
            raise ShapeError(
                f"einsum: {equation!r} needs axes of one size for one letter, got x "
                f"{x.shape} with {a!r} and y {y.shape} with {b!r}"
            )


def _reference(x, y, equation):
    return jnp.einsum(equation, x, y)


def _letters(equation):
    """Of both inputs the letters, the axes that are summed alone, what is kept; c."""
    inputs, _, c = equation.partition("->")
    a, b = inputs.split(",")
    return _parted(a, b + c), _parted(b, a + c), c


def _parted(letters, others):
    alone = tuple(axis for axis, c in enumerate(letters) if c not in others)
    return alone, "".join(c for c in letters if c in others)


def _product(a, x, b, y, c):
    """The sums in the order that x has its letters in, which costs it no copy.

    The factor that the output begins with comes first.
    """
    if next((letter in b for letter in c if (letter in a) != (letter in b)), False):
        a, x, b, y = b, y, a, x
    batch = [letter for letter in c if letter in a and letter in b]
    summed = [letter for letter in a if letter not in c]
    over, along = (([*map(a.index, of)], [*map(b.index, of)]) for of in (summed, batch))
    dtype = jnp.promote_types(wide(x).dtype, wide(y).dtype)
    x, y = (z if x.dtype == y.dtype else z.astype(dtype) for z in (x, y))
    z = lax.dot_general(x, y, (over, along), preferred_element_type=dtype)
    found = [*batch, *(letter for letter in a + b if (letter in a) != (letter in b))]
    return z.transpose([*map(found.index, c)])


def _forward(x, y, equation):
    (x_alone, a), (y_alone, b), c = _letters(equation)
    shapes = [jnp.zeros((0, *z.shape)) for z in (x, y)]  # of no bytes
    x_sum = wide(x).sum(x_alone) if x_alone else x
    y_sum = wide(y).sum(y_alone) if y_alone else y
    z = _product(a, x_sum, b, y_sum, c)
    return z.astype(x.dtype), (x_sum, y_sum, *shapes)


def _backward(equation, saved, g):
    (x_alone, a), (y_alone, b), c = _letters(equation)
    x, y, x_shape, y_shape = saved
    dx = jnp.expand_dims(_product(c, g, b, y, a), x_alone)
    dy = jnp.expand_dims(_product(c, g, a, x, b), y_alone)
    return tuple(
        jnp.broadcast_to(dz, like.shape[1:])
        for dz, like in [(dx, x_shape), (dy, y_shape)]
    )


def _cases(normal):
    yield normal(2, 3), normal(3, 4), "ab,bc->ac"
    yield normal(2, 3, 2), normal(2, 1, 2), "bij,bkj->kbi"
    yield normal(3, 2), normal(2, 4), "ij,jk->k"  # i is of x alone
    yield normal(2, 3), normal(3, 2), "ia,bj->ba"  # i and j are, and none is of both
    yield normal(3, 2), normal(2, 3), "ij,ji->ij"
    yield normal(), normal(5), ",a->"
    yield normal(0, 3), normal(3, 2), "ab,bc->ac"


_einsum = rule(_reference, _forward, _backward, static="equation", cases=_cases)
