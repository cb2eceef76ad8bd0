"""Calls of custom rules, led elsewhere while a program is traced.

A gradient that a program takes inside uses rules up before any program text shows
them, so they are met where they are called. What is compiled or traced under a mode
is cached under it: the mode is part of JAX's cache keys.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jax.custom_batching import custom_vmap

from funcnn import _jax
from funcnn.rules import use_references

Call = Callable[..., Any]


class Mode(NamedTuple):
    """What stands for a call of a custom rule.

    `custom_vjp` and `custom_jvp` take the decorated function and its own way of being
    called, and give the function to call instead.
    """

    name: str
    custom_vjp: Callable[[Any, Call], Call]
    custom_jvp: Callable[[Any, Call], Call]
    references: bool  # our rules trace their references


_mode: Any = jax.make_user_context(default_value=None)


@contextlib.contextmanager
def entered(mode: Mode) -> Iterator[None]:
    """Leads the calls of rules elsewhere, in this thread.

    Inside a mode that takes the rules out, there are none for another mode.
    """
    if _mode.value is not None and _mode.value.references:
        mode = _mode.value
    with _led_elsewhere(), _mode(mode), use_references(mode.references):
        yield


def later(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` with the mode of now: for what JAX calls when the tracing is over."""
    mode = _mode.value

    @functools.wraps(f)
    def in_mode(*args: Any, **kwargs: Any) -> Any:
        with entered(mode):
            return f(*args, **kwargs)

    return in_mode


def _instead_of(kind: str, custom: Any, call: Call) -> Call:
    mode = _mode.value
    if mode is None:  # another thread's call
        return call
    if kind == "custom_vmap":
        return _with_later_rule(custom, call)
    return getattr(mode, kind)(custom, call)


def _with_later_rule(custom: Any, call: Call) -> Call:
    if custom.vmap_rule is None:
        return call  # which raises
    copy: Any = custom_vmap(_jax.undecorated(custom))
    copy.def_vmap(later(custom.vmap_rule))
    return functools.partial(call.func, copy)  # type: ignore[attr-defined]


# The classes of rules are JAX's, and one for the process: the last that leaves
# a mode puts their own way of being called back.
_lock = threading.Lock()
_own_calls: dict[type, Call] = {}
_inside = 0


@contextlib.contextmanager
def _led_elsewhere() -> Iterator[None]:
    global _inside
    with _lock:
        _inside += 1
        for kind, classes in _kinds().items():
            for c in classes - _own_calls.keys():
                _own_calls[c] = vars(c)["__call__"]
                _set_call(c, _leading_elsewhere(kind, _own_calls[c]))
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            while not _inside and _own_calls:
                _set_call(*_own_calls.popitem())


def _set_call(of: Any, call: Call) -> None:
    of.__call__ = call


def _kinds() -> dict[str, set[type]]:
    return {
        "custom_vjp": _jax.custom_vjp_classes(),
        "custom_jvp": _jax.custom_jvp_classes(),
        "custom_vmap": {custom_vmap},
    }


def _leading_elsewhere(kind: str, own: Call) -> Call:
    @functools.wraps(own)
    def call(custom: Any, *args: Any, **kwargs: Any) -> Any:
        function = _instead_of(kind, custom, functools.partial(own, custom))
        return function(*args, **kwargs)

    return call
