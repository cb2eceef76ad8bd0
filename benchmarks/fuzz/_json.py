"""JSON that is wrong: its text, its types, its numbers, its depth, its density."""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz._mutations import PATHS, damaged


def _nested(depth: int) -> Any:
    value: Any = 0
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


_NUMBERS = [0, 1, -1, 2, 255, 2**31, 2**32, 2**63, -(2**63), 10**100, 10**4000]
_NUMBERS_OTHER = [True, False, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf")]
_TEXTS = [
    *PATHS,
    "nan",
    "1",
    "mlp",
    "cnn",
    "adam",
    "\ud800",
    "\x1b[2J",
    "é\n",
    "x" * 999,
]
_TREES: list[Any] = [None, [], {}, [[]], [0] * 3, {"a": {}}, {"0": 1}, ["a", 1, None]]
_TREES += [_nested(20), _nested(200), [10**9] * 3, [2**40, 2**40, 1], [-1, 8, 1]]
_HOSTILE = [*_NUMBERS, *_NUMBERS_OTHER, *_TEXTS, *_TREES]


def values() -> st.SearchStrategy[Any]:
    """Values that are seldom what is needed."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    trees = st.recursive(
        scalars,
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    )
    return (st.sampled_from(_HOSTILE) | trees).map(copy.deepcopy)


def changed(valid: Any) -> st.SearchStrategy[Any]:
    """The tree with some of its values, at any depth, replaced, missing or added."""

    @st.composite
    def strategy(draw: Callable[[Any], Any]) -> Any:
        tree = json.loads(json.dumps(valid))
        for _ in range(draw(st.integers(1, 3))):
            tree = _changed(draw, tree)
        return tree

    return strategy()


def _changed(draw: Callable[[Any], Any], tree: Any) -> Any:
    if not isinstance(tree, dict | list) or not tree or draw(st.integers(0, 9)) == 0:
        return draw(values())
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = draw(st.sampled_from(keys))
    what = draw(st.sampled_from(["inside", "inside", "inside", "without", "more"]))
    if what == "inside":
        tree[key] = _changed(draw, tree[key])
    elif what == "without":
        del tree[key]
    elif isinstance(tree, dict):
        tree[draw(st.text(max_size=8))] = draw(values())
    else:
        tree.append(draw(values()))
    return tree


# Few bytes that are many objects, or many frames.
_DENSE = ["{},", "[],", '"ab",', "0.5,", '{"a":1},', '{"epoch":1},', "[[]],", '"é",']
_DEEP = ["[", '{"a":', '[{"a":', "[["]


@st.composite
def heavy(draw: Callable[[Any], Any], around: str = '{"a":[%s0]}') -> bytes:
    """A large text: deep, or dense."""
    if draw(st.booleans()):
        part, times = draw(st.sampled_from(_DEEP)), [50, 500, 5000, 100_000]
        return (part * draw(st.sampled_from(times))).encode()
    unit, times = draw(st.sampled_from(_DENSE)), [1000, 30_000, 200_000]
    wide = draw(st.sampled_from(["", '"\U0001f600",', '"\\ud83d\\ude00",']))
    return (around % (wide + unit * draw(st.sampled_from(times)))).encode()


def texts(valid: Any, large: st.SearchStrategy[bytes] | None = None) -> Any:
    """Files of JSON: mostly well-formed ones with a wrong value."""
    written = json.dumps(valid, indent=2).encode()
    trees = changed(valid).map(lambda tree: json.dumps(tree).encode())
    small = st.one_of(trees, trees, trees, damaged([written]))
    rare = heavy() if large is None else large
    return st.integers(0, 99).flatmap(lambda n: rare if n == 0 else small)
