"""How far a program's values are from where its derivative may jump."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend as jex
import jax.numpy as jnp
import jaxlib
import numpy as np

from funcnn.gradients._boundaries import margin_of
from funcnn.gradients._shadow import called, parts

_CHECKER = str(pathlib.Path(__file__).parent)
_LIBRARY = tuple(str(pathlib.Path(m.__file__ or "").parent) for m in (jax, jaxlib))


class Margin(NamedTuple):
    """The signed distances to one boundary, in the units of what is compared.

    Attributes:
      kind: the primitive whose branches meet there.
      source: file and line, in the first code that is neither JAX's nor the checker's.
      values: one for each place where it decides; 0 on the boundary, infinite where
        there is nothing to compare.
    """

    kind: str
    source: str
    values: np.ndarray


def margins(f: Callable[..., Any], *args: Any) -> list[Margin]:
    """The margins of every operation of ``f(*args)`` with a boundary, in order.

    For max, min and comparisons the difference of the operands; for abs and sign the
    operand; for clamp the distances to both bounds; for floor, ceil, rem and casts to
    integers that to the nearest integer (multiple, for rem), for round to the nearest
    half; for sort and top_k between neighbours in order; for the maxima and minima of
    an axis or a window between the first and the second (windows of more than 64 have
    none). What `select_n` and `cond` branch on is a comparison, and is there.

    Programs inside are gone into: rules by their primal, of `scan` every round (a
    leading axis of the margins), of `while` the first, of `cond` the branch
    taken. Boundaries of what does not depend on a float argument are left out.
    """
    recorder = Recorder(f, args)
    values = recorder.values(recorder.leaves)
    return [Margin(*where, v) for where, v in zip(recorder.boundaries, values)]


class Recorder:
    """The margins of a program as functions of its leaves, and their gradients.

    Attributes:
      leaves: of the arguments, in order.
      moving: the positions of those that are floats.
      boundaries: kind and source for each array of margins.
    """

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.leaves, tree = jax.tree.flatten(args)
        kinds = jax.Array | np.ndarray | np.generic
        self._arrays = [i for i, x in enumerate(self.leaves) if isinstance(x, kinds)]
        types = {i: jax.typeof(self.leaves[i]).dtype for i in self._arrays}
        self.moving = [i for i, t in types.items() if jnp.issubdtype(t, jnp.floating)]

        def of_arrays(*arrays: Any) -> Any:
            leaves = list(self.leaves)
            for i, array in zip(self._arrays, arrays):
                leaves[i] = array
            return f(*jax.tree.unflatten(tree, leaves))

        arrays = [self.leaves[i] for i in self._arrays]
        self._program = jax.make_jaxpr(of_arrays)(*arrays)
        self.boundaries: list[tuple[str, str]] = []
        self._run, self._pulled = jax.jit(self._walk), jax.jit(self._pull)

    def _walk(self, leaves: list[Any]) -> list[Any]:
        walk = _Walk()
        walk.program(
            self._program, [(leaves[i], i in self.moving) for i in self._arrays]
        )
        self.boundaries = [(kind, source) for kind, source, _ in walk.found]
        return [values for *_, values in walk.found]

    def _pull(self, leaves: list[Any], cotangents: list[Any]) -> Any:
        def of_moving(moving: list[Any]) -> list[Any]:
            given = list(leaves)
            for i, leaf in zip(self.moving, moving):
                given[i] = leaf
            return self._walk(given)

        found, pull = jax.vjp(of_moving, [leaves[i] for i in self.moving])
        return found, pull(cotangents)[0]

    def values(self, leaves: list[Any]) -> list[np.ndarray]:
        """The margins with these leaves."""
        return [np.asarray(x) for x in self._run(self._only_arrays(leaves))]

    def gradient(
        self, leaves: list[Any], number: int, entry: tuple[int, ...]
    ) -> tuple[float, list[np.ndarray]]:
        """One margin, and its gradient with respect to the floats."""
        leaves = self._only_arrays(leaves)
        shapes = jax.eval_shape(self._run, leaves)
        cotangents = [np.zeros(s.shape, s.dtype) for s in shapes]
        cotangents[number][entry] = 1
        found, gradients = self._pulled(leaves, cotangents)
        return float(found[number][entry]), [np.asarray(g) for g in gradients]

    def _only_arrays(self, leaves: list[Any]) -> list[Any]:
        """Leaves that are no arrays, such as names, are in the program already."""
        return [x if i in self._arrays else 0 for i, x in enumerate(leaves)]


Value = tuple[Any, bool]  # and whether it depends on a float argument


class _Walk:
    """Evaluates programs and records margins on the way."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, Any]] = []  # kind, source, margins

    def program(
        self, program: Any, args: Sequence[Value], place: str = ""
    ) -> list[Value]:
        """`place` is where a program of JAX's own was called: it has no other."""
        jaxpr, consts = parts(program)
        known = dict(zip(jaxpr.constvars, ((c, False) for c in consts), strict=True))
        known |= zip(jaxpr.invars, args, strict=True)

        def read(atom: Any) -> Value:
            if isinstance(atom, jex.core.Literal):
                aval: Any = atom.aval
                return np.asarray(atom.val, aval.dtype), False
            return known[atom]

        for equation in jaxpr.eqns:
            inputs = [read(atom) for atom in equation.invars]
            outputs = self._equation(equation, inputs, place)
            known |= zip(equation.outvars, outputs, strict=True)
        return [read(atom) for atom in jaxpr.outvars]

    def _inside(
        self, equation: Any, program: Any, args: Sequence[Value], place: str
    ) -> list[Value]:
        # JAX's own functions are traced once, and remember who called them first.
        own = _is_library(program)
        return self.program(program, args, place or (_source(equation) if own else ""))

    def _equation(
        self, equation: Any, inputs: list[Value], place: str
    ) -> Sequence[Value]:
        name, params = equation.primitive.name, equation.params
        if (program := called(equation)) is not None:
            return self._inside(equation, program, inputs, place)
        if name == "stop_gradient":
            return inputs  # margins move with what it hides
        if name == "platform_index":
            return [(_platform(params["platforms"]), False)]
        values, moves = [v for v, _ in inputs], any(m for _, m in inputs)
        if name == "cond" and isinstance(values[0], np.ndarray):
            branch = params["branches"][int(values[0])]
            return self._inside(equation, branch, inputs[1:], place)
        self._held_programs(equation, inputs, place)
        if (
            moves
            and (margin := margin_of(equation, values)) is not None
            and margin.size
        ):
            margin = jnp.where(jnp.isfinite(margin), margin, jnp.inf)
            self.found.append((name, place or _source(equation), margin))
        if name == "while":  # it has no reverse derivative
            values = [jax.lax.stop_gradient(v) for v in values]
        options = equation.primitive.get_bind_params(params)
        outputs = equation.primitive.bind(*values, **options)
        outputs = outputs if equation.primitive.multiple_results else [outputs]
        return [(output, moves) for output in outputs]

    def _held_programs(self, equation: Any, inputs: list[Value], place: str) -> None:
        """Records in the programs that an equation repeats or chooses from."""
        name, params = equation.primitive.name, equation.params
        if name == "scan" and params["length"]:
            self._rounds(equation, inputs, place)
        elif name == "while":
            tests, steps = params["cond_nconsts"], params["body_nconsts"]
            carry = inputs[tests + steps :]
            first = [*inputs[:tests], *carry]
            self._inside(equation, params["cond_jaxpr"], first, place)
            first = [*inputs[tests : tests + steps], *carry]
            self._inside(equation, params["body_jaxpr"], first, place)
        elif name == "cond":
            for number, branch in enumerate(params["branches"]):
                start, taken = len(self.found), inputs[0][0] == number
                self._inside(equation, branch, inputs[1:], place)
                for i, (kind, source, m) in enumerate(self.found[start:], start):
                    self.found[i] = kind, source, jnp.where(taken, m, jnp.inf)

    def _rounds(self, equation: Any, inputs: list[Value], place: str) -> None:
        """Records in every round of a `scan`: in the first all may be as it began."""
        params, (body, _) = equation.params, parts(equation.params["jaxpr"])
        # What is cut into rounds has one axis less inside; the names of the numbers
        # of constants, carries and slices differ between versions of JAX.
        sliced = sum(np.ndim(v) > x.aval.ndim for (v, _), x in zip(inputs, body.invars))
        pairs = zip(equation.outvars, body.outvars)
        carried = sum(whole.aval.ndim == one.aval.ndim for whole, one in pairs)
        constants = len(inputs) - carried - sliced
        values, moves = [v for v, _ in inputs], any(m for _, m in inputs)
        where: list[tuple[str, str]] = []

        def one_round(carry: list[Any], slices: list[Any]) -> tuple[Any, list[Any]]:
            walk, now = _Walk(), [(v, moves) for v in (*carry, *slices)]
            args = [*inputs[:constants], *now]
            outputs = walk._inside(equation, params["jaxpr"], args, place)
            where[:] = [(kind, source) for kind, source, _ in walk.found]
            return [v for v, _ in outputs[:carried]], [m for *_, m in walk.found]

        start, slices = values[constants:][:carried], values[constants + carried :]
        options = {key: params[key] for key in ("length", "reverse")}
        _, found = jax.lax.scan(one_round, start, slices, **options)
        self.found += [(*names, margin) for names, margin in zip(where, found)]


def _platform(platforms: Sequence[Any]) -> np.ndarray:
    """The branch for the device at hand; others might not even compile for it."""
    here = jax.default_backend()
    chosen = (i for i, names in enumerate(platforms) if names is None or here in names)
    return np.asarray(next(chosen, 0), np.int32)


def _is_library(program: Any) -> bool:
    about = getattr(parts(program)[0].debug_info, "func_src_info", None) or ""
    return about.partition(" at ")[2].startswith(_LIBRARY)


def _source(equation: Any) -> str:
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback else ():
        if not frame.file_name.startswith((*_LIBRARY, _CHECKER, "<")):
            return f"{frame.file_name}:{frame.line_num}"
    return ""
