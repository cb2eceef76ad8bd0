"""Where an op stands, and whether its code is still what was measured."""

import ast
import functools
import hashlib
import inspect
import io
import sys
import tokenize
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import funcnn
from funcnn import rules

_ROOM = "funcnn.ops"


def line_of(op: Callable[..., Any]) -> tuple[str, int]:
    """The file of an op, from the folder that holds the package, and its line."""
    package = Path(funcnn.__file__).parent
    file = Path(inspect.getfile(op)).relative_to(package.parent)
    return file.as_posix(), op.__code__.co_firstlineno


def fingerprint(op: Callable[..., Any]) -> str:
    """Changes with the code that an op is made of, and not with its text.

    That is its file, the files of ops that it uses, and what makes rules; docstrings,
    comments and layout do not count.
    """
    digest = hashlib.sha256()
    modules = {m.__name__: m for m in _used(sys.modules[op.__module__])}
    modules[rules.__name__] = rules
    for name in sorted(modules):
        digest.update(f"{name}\n{_bare(inspect.getsource(modules[name]))}\n".encode())
    return digest.hexdigest()[:16]


def _used(module: types.ModuleType) -> Iterator[types.ModuleType]:
    """A module of ops, and those that it takes something from."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current.__name__ in seen:
            continue
        seen.add(current.__name__)
        yield current
        names = {getattr(v, "__module__", None) for v in vars(current).values()}
        names |= {v.__name__ for v in vars(current).values() if inspect.ismodule(v)}
        waiting += [sys.modules[n] for n in names if n and n.startswith(_ROOM)]


@functools.cache
def _bare(source: str) -> str:
    """The same for every version of Python, which a dump of the tree is not."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            lines[body[0].lineno - 1 : body[0].end_lineno] = [""] * _height(body[0])
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "".join("".join(lines).split())


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
