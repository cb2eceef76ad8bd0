"""Where an op stands, and whether its code is still what was measured."""

import ast
import collections
import functools
import hashlib
import inspect
import io
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import funcnn

_ROOMS = ("funcnn.ops", "funcnn.rules")


def line_of(op: Callable[..., Any]) -> tuple[str, int]:
    """The file of an op, from the folder that holds the package, and its line."""
    package = Path(funcnn.__file__).parent
    file = Path(inspect.getfile(op)).relative_to(package.parent)
    return file.as_posix(), op.__code__.co_firstlineno


def fingerprint(op: Callable[..., Any]) -> str:
    """Changes with the code that an op is made of, and not with its text.

    That is its definition with those that it uses, one after another, in the files of
    ops and in what makes rules; docstrings, comments and layout do not count.
    """
    digest = hashlib.sha256()
    for code in sorted(reached(op.__module__, op.__name__).values()):
        digest.update(f"{code}\n".encode())  # without its place: it may be moved
    return digest.hexdigest()[:16]


def reached(module: str, name: str) -> dict[tuple[str, str], str]:
    """The code of a definition and of those it uses, by module and name.

    Raises:
      LookupError: when a name that is imported from a module stands in none.
    """
    found: dict[tuple[str, str], str] = {}
    waiting = [(module, name)]
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        parts = _parts(place[0])
        if place[1] in parts.imported:
            waiting.append(parts.imported[place[1]])
        elif place[1] in parts.codes:
            found[place] = parts.codes[place[1]]
            waiting += [(place[0], other) for other in parts.uses[place[1]]]
        else:
            waiting += _elsewhere(*place)
    return found


def _elsewhere(module: str, name: str) -> list[tuple[str, str]]:
    """Of a name that a package lists: what stands for it, or all in a module."""
    value = getattr(sys.modules[module], name, None)
    if inspect.ismodule(value):
        return [(value.__name__, other) for other in _parts(value.__name__).codes]
    place = getattr(value, "__module__", module), getattr(value, "__name__", name)
    if place == (module, name):
        raise LookupError(f"{module} has no definition of {name}")
    return [place]


class _Parts(NamedTuple):
    """What stands at the top of a module.

    Attributes:
      codes: the bare code by which each name is defined.
      uses: the names at the top of the module that this code has.
      imported: names of other rooms' definitions, with their module and name there.
    """

    codes: dict[str, str]
    uses: dict[str, set[str]]
    imported: dict[str, tuple[str, str]]


@functools.cache
def _parts(module: str) -> _Parts:
    source = inspect.getsource(sys.modules[module])
    codes: dict[str, str] = collections.defaultdict(str)
    names: dict[str, set[str]] = collections.defaultdict(set)
    imported = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_ROOMS):
            for alias in node.names:
                origin = (node.module or "", alias.name)
                imported[alias.asname or alias.name] = origin
        elif not isinstance(node, (ast.Import, ast.ImportFrom)) and not _is_text(node):
            for name in _defined(node):
                codes[name] += _bare(_segment(source, node))
                names[name] |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    known = {*codes, *imported}
    return _Parts(dict(codes), {n: names[n] & known for n in codes}, imported)


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {n.id for n in stored if isinstance(n.ctx, ast.Store)}


def _segment(source: str, node: ast.stmt) -> str:
    """The lines of a statement, with its decorators."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


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
