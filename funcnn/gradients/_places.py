"""What an operation of a program is called, and where it was written."""

import pathlib
import sys
import sysconfig
from collections.abc import Sequence
from typing import Any

import jax
import jaxlib

import funcnn.rules
from funcnn.gradients._steps import RULES

JAX = tuple(str(pathlib.Path(m.__file__ or "").parent) for m in (jax, jaxlib))
_RULES_FILE = funcnn.rules.__file__
FUNCNN = str(pathlib.Path(_RULES_FILE).parent)
_GRADIENTS = str(pathlib.Path(__file__).parent)
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")


def is_rule_call(equation: Any) -> bool:
    """Whether the operation has a derivative rule of its own."""
    return equation.primitive.name in RULES


def operation_name(equation: Any) -> str:
    """The primitive's name, or that of the function that a rule decorates."""
    if not is_rule_call(equation):
        return str(equation.primitive.name)
    name, _, place = _source(equation)
    if name.strip("_") == "reference":  # a file of one derivation, as in funcnn.ops
        return pathlib.Path(place.rpartition(":")[0]).stem.strip("_")
    return name.strip("_").removesuffix("_reference") or str(equation.primitive.name)


def rule_place(equation: Any) -> str:
    """File and line of the function that a rule decorates; empty for a primitive."""
    return _source(equation)[2] if is_rule_call(equation) else ""


def derivative_place(equation: Any) -> str:
    """File and line of a rule's backward or tangent function; empty for a primitive."""
    params = equation.params
    function = params.get("bwd") or params.get("jvp_jaxpr_fun")
    about = getattr(function, "debug_info", None)
    place = str(getattr(about, "func_src_info", "") or "").partition(" at ")[2]
    # Ours all have the same wrapper: the reference stands beside its backward.
    ours = not place or place.startswith(_RULES_FILE)
    return rule_place(equation) if ours else place


def call_place(equation: Any, around: Sequence[Any] = ()) -> str:
    """File and line, in the user's own code, of the call that made the operation.

    Args:
      equation: the operation.
      around: those whose programs it stands in; where JAX has traced a program
        before, only they know where it was called.
    """
    inner_first = (equation, *reversed(around))
    frames = (_first_frame(e, (*JAX, FUNCNN)) for e in inner_first)
    return next(filter(None, frames), "") or code_place(equation)


def code_place(equation: Any) -> str:
    """File and line that made the operation, in any code but JAX's; may be empty."""
    return _first_frame(equation, (*JAX, _RULES_FILE, _GRADIENTS))


def short_place(place: str) -> str:
    """File and line without the folders; of a notebook, cell and line: "In[5]:3"."""
    file, _, line = place.rpartition(":")
    if cell := _cell(file):
        return f"{cell}:{line}"
    return pathlib.PurePath(place).name


def _cell(file: str) -> str:
    """What IPython calls the cell that it has compiled under the name of a file."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    known = shell and shell.compile.format_code_name(file)
    return known[1] if known else ""


def _source(equation: Any) -> tuple[str, str, str]:
    program = equation.params["call_jaxpr"]
    about = getattr(program, "jaxpr", program).debug_info
    return str(getattr(about, "func_src_info", "") or "").partition(" at ")


def _first_frame(equation: Any, skipped: tuple[str, ...]) -> str:
    """The innermost frame outside of the skipped folders and the standard library."""
    traceback = equation.source_info.traceback
    for frame in traceback.frames if traceback else ():
        file = frame.file_name
        standard = file.startswith(_STANDARD_LIBRARY) and "site-packages" not in file
        if not (file.startswith(skipped) or standard or file.startswith("<frozen")):
            return f"{file}:{frame.line_num}"
    return ""
