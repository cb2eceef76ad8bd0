"""What every layer shares: how it prints and how its errors find their place."""

import contextlib
import contextvars
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from funcnn._jax import with_split_rows
from funcnn.errors import located

Params = Any
State = Any
Initializer = Callable[[jax.Array, tuple[int, ...], Any], jax.Array]


class Layer:
    """Hyperparameters with two pure methods; subclasses are frozen dataclasses.

    A subclass needs `apply`, and `init` if it has parameters or state. Errors that
    it raises carry its class's name; a `combinator` names its parts itself.
    """

    def __init_subclass__(cls, *, combinator: bool = False) -> None:
        """Gives `init` and `apply`, inherited ones too, their place in errors."""
        for name in ("init", "apply"):
            if name in vars(cls) and not combinator:
                setattr(cls, name, _located_method(vars(cls)[name]))

    def init(
        self, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
    ) -> tuple[Params, State]:
        """Parameters and state for inputs shaped like `x`; here there are none."""
        del key, x
        return (), ()

    def apply(
        self,
        params: Params,
        state: State,
        x: jax.Array,
        *,
        key: jax.Array | None = None,
        train: bool = False,
    ) -> tuple[Any, State]:
        """The output for `x`, and the state after it.

        Args:
          params: what `init` gave, and an optimizer may have changed.
          state: what `init` or the last `apply` gave.
          x: the input, with its batch axes first.
          key: for layers that draw random numbers in training.
          train: whether this is training.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        """The code that builds this layer."""
        return call_code(type(self).__name__, *_arguments(self))


def _located_method(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(type(self), method.__name__) is not wrapped:
            return method(self, *args, **kwargs)  # by `super()`: it has its place
        with located(type(self).__name__):
            return method(self, *args, **kwargs)

    return wrapped


def _arguments(layer: Any) -> tuple[list[Any], dict[str, Any]]:
    """Fields without a default by position, the others where they differ from it."""
    fields = dataclasses.fields(layer)
    positional = [getattr(layer, f.name) for f in fields if _required(f)]
    optional = {f.name: getattr(layer, f.name) for f in fields if not _required(f)}
    defaults = {f.name: f.default for f in fields}
    return positional, {n: v for n, v in optional.items() if v != defaults[n]}


def _required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING


def call_code(name: str, args: Any, kwargs: dict[str, Any], width: int = 80) -> str:
    """`name(...)` as code, broken into lines where it is longer than `width`."""
    parts = [code(a) for a in args] + [f"{n}={code(v)}" for n, v in kwargs.items()]
    line = f"{name}({', '.join(parts)})"
    if len(line) <= width and "\n" not in line:
        return line
    body = "".join(f"{part},\n" for part in parts)
    indented = "".join(f"    {row}\n" for row in body.splitlines())
    return f"{name}(\n{indented})"


def code(value: Any) -> str:
    """`value` as the code that makes it: functions by their name."""
    if isinstance(value, functools.partial):
        return call_code("partial", (value.func, *value.args), value.keywords)
    if isinstance(value, Layer) or not callable(value):
        return repr(value)
    return getattr(value, "__name__", repr(value))


def parameter_dtype(x: jax.Array | jax.ShapeDtypeStruct) -> Any:
    """The dtype of the parameters for inputs `x`: theirs, if that is a float."""
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    # NumPy's float64 is float32 to JAX, unless it is told otherwise.
    return jax.dtypes.canonicalize_dtype(x.dtype if floating else float)


# How combinators use their parts.


class Application(NamedTuple):
    """One use of a layer that has no parts, in shapes: what `observed` collects."""

    path: str
    layer: Any
    params: Params
    state: State
    x: Any
    y: Any


_path: contextvars.ContextVar[str] = contextvars.ContextVar("path", default="")
_seen: contextvars.ContextVar[list[Application] | None] = contextvars.ContextVar(
    "seen", default=None
)


@contextlib.contextmanager
def observed() -> Iterator[list[Application]]:
    """Collects the applications of all layers without parts, in order."""
    applications: list[Application] = []
    token = _seen.set(applications)
    try:
        yield applications
    finally:
        _seen.reset(token)


@contextlib.contextmanager
def unobserved() -> Iterator[None]:
    """Hides parts from `observed`: of a layer that maps one part over many parameters.

    The layer is then one application, with the parameters and costs of all.
    """
    token = _seen.set(None)
    try:
        yield
    finally:
        _seen.reset(token)


def check_part(place: str, layer: Any) -> None:
    """Raises TypeError unless `layer` is a layer or a function of one array."""
    if isinstance(layer, type):
        raise TypeError(
            f"{place}: got the class {layer.__name__}, needs a layer: "
            f"{layer.__name__}(...)"
        )
    if not hasattr(layer, "apply") and not callable(layer):
        raise TypeError(
            f"{place}: needs a layer or a function of one array, got {layer!r}"
        )


def init_part(
    place: str, layer: Any, key: jax.Array, x: jax.Array | jax.ShapeDtypeStruct
) -> tuple[Params, State, jax.ShapeDtypeStruct]:
    """A part's parameters and state, and the shape of its output."""
    params, state = (), ()
    if hasattr(layer, "init"):
        with located(place):
            params, state = layer.init(key, x)
    y, _ = jax.eval_shape(
        lambda p, s, x: apply_part(place, layer, p, s, x), params, state, x
    )
    return params, state, y


def apply_part(
    place: str,
    layer: Any,
    params: Params,
    state: State,
    x: Any,
    *,
    key: jax.Array | None = None,
    train: bool = False,
) -> tuple[Any, State]:
    """Applies a part, be it a layer or a plain function."""
    path = f"{_path.get()}.{place}".strip(".")
    token = _path.set(path)
    seen = _seen.get()
    before = len(seen) if seen is not None else 0
    try:
        with located(place) if place else contextlib.nullcontext():
            if hasattr(layer, "apply"):
                y, new_state = layer.apply(params, state, x, key=key, train=train)
            else:
                with located(code(layer)):
                    y, new_state = layer(x), ()
    finally:
        _path.reset(token)
    y = with_split_rows(y)
    if seen is not None and len(seen) == before and not _has_parts(layer):
        shapes = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (params, state, x, y)
        )
        seen.append(Application(path, layer, *shapes))
    return y, new_state


def _has_parts(layer: Any) -> bool:
    return bool(getattr(layer, "layers", ()))


def part_key(key: jax.Array | None, index: int) -> jax.Array | None:
    """The key of a part: adding a part leaves the draws of the others alone."""
    return None if key is None else jax.random.fold_in(key, index)


def joined(states: list[State]) -> State:
    """The states of the parts, or () when all of them are empty."""
    return tuple(states) if jax.tree.leaves(states) else ()


def split(state: State, count: int) -> State:
    """What `joined` was made of."""
    return state if jax.tree.leaves(state) else ((),) * count
