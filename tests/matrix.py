"""The rules and their cases: what the matrix of rules and properties runs over.

Arrays are NumPy's where they can be: every operation on JAX's would be compiled once
for each shape, which costs more than all the mathematics here.
"""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import pkgutil
import zlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcnn.ops
from funcnn.rules import Pullback, is_rule


def _find_rules():
    for module in pkgutil.walk_packages(funcnn.ops.__path__, "funcnn.ops."):
        contents = vars(importlib.import_module(module.name))
        for name, value in contents.items():
            if is_rule(value):
                file = module.name.rpartition(".")[2]
                yield f"{file}.{name}".replace("._", ".").lstrip("_"), value


RULES = dict(_find_rules())
NAMES = sorted(RULES)
PLAIN = [name for name in NAMES if RULES[name].surrogate is None]
LINEAR = [n for n in NAMES if not isinstance(RULES[n].surrogate, Pullback)]


@dataclasses.dataclass(frozen=True)
class Case:
    """One argument tuple of a rule; `floats` are those that are differentiated."""

    name: str
    op: object
    args: tuple
    positions: tuple[int, ...]  # of the float arguments
    arrays: tuple[int, ...]  # of all array arguments

    @property
    def floats(self):
        return tuple(self.args[i] for i in self.positions)

    def at(self, f, positions=None):
        """`f` as a function of the arguments at `positions`, by default the floats."""
        positions = self.positions if positions is None else positions

        def of_some(*values):
            given = dict(zip(positions, values, strict=True))
            return f(*(given.get(i, arg) for i, arg in enumerate(self.args)))

        return of_some

    @functools.cached_property
    def manual(self):
        return self.at(self.op)

    @functools.cached_property
    def automatic(self):
        """What the rule's derivative is declared to be that of."""
        return self.at(self.op.declared)

    def cotangent(self, seed=1):
        """Random normal, for every output."""
        shapes = jax.eval_shape(self.manual, *self.floats)
        rng = np.random.default_rng(seed)
        return jax.tree.map(
            lambda y: rng.standard_normal(y.shape).astype(y.dtype), shapes
        )

    def direction(self, seed=2):
        rng = np.random.default_rng(seed)
        return tuple(rng.standard_normal(x.shape).astype(x.dtype) for x in self.floats)


def cases(name: str, op=None, dtype=jnp.float64) -> Iterator[Case]:
    """The cases of a rule, their floats in `dtype`; `op` stands in for the rule."""
    op = RULES[name] if op is None else op
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    parameters = inspect.signature(op.reference).parameters
    dynamic = [i for i, p in enumerate(parameters) if p not in op.static]

    def normal(*shape):
        return jnp.asarray(rng.standard_normal(shape))

    for number, args in enumerate(op.cases(normal)):
        arrays = tuple(i for i in dynamic if args[i] is not None)
        floats = tuple(
            i for i in arrays if jnp.issubdtype(jax.typeof(args[i]).dtype, jnp.floating)
        )
        args = tuple(
            np.asarray(arg).astype(dtype) if i in floats else arg
            for i, arg in enumerate(args)
        )
        yield Case(f"{name} case {number}", op, args, floats, arrays)


def together(runs, inputs):
    """What each of the functions gives for its arguments, compiled as one program.

    A program for each would cost several times as much, for nearly all of the time
    goes into compiling.
    """

    def all_of_them(inputs):
        return [run(*args) for run, args in zip(runs, inputs, strict=True)]

    return jax.device_get(jax.jit(all_of_them)(inputs))


def pullback(f):
    """A function of primals and a cotangent: the output, and their cotangents."""

    def run(primals, cotangent):
        output, pull = jax.vjp(f, *primals)
        return output, pull(cotangent)

    return run


def assert_near(got, expected, relative=1e-9, where=""):
    """Leaf by leaf, relative to the largest entry of what is expected."""
    assert jax.tree.structure(got) == jax.tree.structure(expected), where
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    for number, (g, e) in enumerate(pairs):
        place = f"{where}, leaf {number}"
        assert g.shape == e.shape, place
        assert g.dtype == e.dtype, place
        g, e = np.asarray(g, np.float64), np.asarray(e, np.float64)
        assert np.isfinite(e).all(), f"{place}: {e}"
        # not `>`: a NaN must fail
        error, bound = abs(g - e).max(initial=0), relative * abs(e).max(initial=0)
        bound += 1e-13  # what rounding leaves of numbers of order 1 that cancel
        assert error <= bound, f"{place}: {error} > {bound}\n{g}\n{e}"


@contextlib.contextmanager
def refused(error, words, **options):
    """As `pytest.raises`; and the message has to have these words."""
    with pytest.raises(error, **options) as caught:
        yield caught
    for word in words:
        assert word in str(caught.value)
