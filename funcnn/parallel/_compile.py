"""Compiling for a target that need not be here."""

import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from funcnn._flops import flops_of
from funcnn._quiet import quiet
from funcnn.parallel._carried import has_shardings, placed, unplaced
from funcnn.parallel._collectives import collectives
from funcnn.parallel._hlo import Program, parse_hlo
from funcnn.parallel._report import Memory, Report
from funcnn.parallel._targets import Target, TargetError, parse_target
from funcnn.parallel._topologies import target_devices
from funcnn.parallel._work import (
    has_branches,
    has_loops,
    has_open_loops,
    moved_bytes,
)

_UNITS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_REFUSED = (
    re.compile(r"\(([\d.]+)([BKMGT]?)\) exceeds available HBM \(([\d.]+)([BKMGT]?)\)"),
    re.compile(r"Used ([\d.]+)([BKMGT]?) of ([\d.]+)([BKMGT]?) hbm"),
)

_OF_BRANCHES = "Of branches the costliest counts, or all of them, though one runs."


class CompilationError(RuntimeError):
    """The target's compiler refuses the program, and not for its memory."""


def compile_for(target: str | Target, f: Callable[..., Any], *args: Any) -> Report:
    """Compiles a function for a target that need not be here, and says what it needs.

    The program is lowered and compiled ahead of time by the target's own compiler; it
    does not run, and `args` may be types (`jax.ShapeDtypeStruct`) as well as arrays.

    An argument with a sharding over a mesh (`NamedSharding`) keeps it: over the
    target's devices, if the mesh is of these (see `target_devices`), and else by its
    axes' names, which also an `AbstractMesh` has. All other arguments are whole on
    every device; where no argument has such a sharding and the target has more than
    one device, each device does the whole, unless `f` is jitted with shardings of its
    own.

    Args:
      target: `cpu`, `cpu:8`, `tpu:v5e:4x4`, `gpu:h100:8`, ...: see `parse_target`.
      f: a function, or a jitted one, which keeps its donations and static arguments.
      *args: what it is called with.

    Returns:
      Memory on each chip, operations, bytes, collectives, and estimates of time. A
      program that a TPU's compiler refuses for its memory has a report too, which
      says so.

    Raises:
      TargetError: when there is no such target, or a mesh has another number of
        devices.
      MissingCompilerError: when the target's compiler is not installed.
      CompilationError: when the compiler refuses the program.
    """
    target = parse_target(target) if isinstance(target, str) else target
    devices = target_devices(target)
    lowered = _lower(target, f, args, devices)
    start = time.perf_counter()
    try:
        with quiet():
            compiled = lowered.program.compile()
    except jax.errors.JaxRuntimeError as error:
        seconds = time.perf_counter() - start
        return _refused(target, lowered, str(error), seconds)
    seconds = time.perf_counter() - start
    _check_devices(target, compiled, devices)
    return _report(target, lowered, compiled, seconds)


class _Lowered(NamedTuple):
    """A program for a target, not compiled yet.

    Attributes:
      name: that of the function.
      program: as JAX has it.
      flops: of its products on each device.
      flops_of: what that number is.
    """

    name: str
    program: Any
    flops: float
    flops_of: str


def _lower(
    target: Target, f: Callable[..., Any], args: Any, devices: list[Any]
) -> _Lowered:
    jitted: Any = f if hasattr(f, "trace") else jax.jit(f)
    shared = has_shardings(args) and target.devices > 1
    try:
        traced = jitted.trace(*placed(args, target, devices))
        program = _lower_quietly(traced)
    except TargetError:
        raise
    except ValueError:
        if has_shardings(args):
            raise
        # it has shardings of its own, which ours do not agree with
        shared, traced = target.devices > 1, jitted.trace(*unplaced(args))
        program = _lower_quietly(traced)
    flops = float(flops_of(traced.jaxpr, products_only=True))
    said = "matrix products and convolutions, as traced"
    if shared:
        flops, said = flops / target.devices, f"{said}; an equal share"
    name = str(getattr(f, "__name__", type(f).__name__))
    return _Lowered(name, program, flops, said)


def _lower_quietly(traced: Any) -> Any:
    with quiet():
        return traced.lower()


def _check_devices(target: Target, compiled: Any, devices: list[Any]) -> None:
    shardings = jax.tree.leaves((compiled.input_shardings, compiled.output_shardings))
    used = {device for sharding in shardings for device in sharding.device_set}
    if not used <= set(devices):
        raise TargetError(
            f"{target.text}: the function has shardings of its own over other devices; "
            "make its mesh of target_devices(target)"
        )


def _report(target: Target, lowered: _Lowered, compiled: Any, seconds: float) -> Report:
    program = parse_hlo(compiled.as_text())
    stats = compiled.memory_analysis()
    memory = Memory(
        stats.argument_size_in_bytes,
        stats.output_size_in_bytes,
        stats.alias_size_in_bytes,
        stats.temp_size_in_bytes,
        stats.generated_code_size_in_bytes,
    )
    cost = compiled.cost_analysis() or {}
    counted = "flops" not in cost or has_loops(program)
    own_seconds, unknown = compiler_seconds(target, cost)
    return Report(
        target,
        lowered.name,
        memory,
        memory.total,
        target.chip.memory if target.chip else None,
        collectives=collectives(program, target.devices),
        compile_seconds=seconds,
        compiler_seconds=own_seconds,
        notes=_notes(target, program, unknown),
        **_work(program, lowered, cost, counted),
    )


def _work(
    program: Program, lowered: _Lowered, cost: Mapping[str, float], counted: bool
) -> dict[str, Any]:
    """The compiler counts a loop as if it ran once, and on GPUs nothing."""
    if counted:
        return {
            "flops": lowered.flops,
            "flops_of": lowered.flops_of,
            "bytes_accessed": float(moved_bytes(program)),
            "bytes_of": "operands and results of the compiled instructions",
        }
    return {
        "flops": cost["flops"],
        "flops_of": "by the compiler",
        "bytes_accessed": cost.get("bytes accessed"),
        "bytes_of": "by the compiler",
    }


def compiler_seconds(
    target: Target, cost: Mapping[str, float]
) -> tuple[float | None, int]:
    """The compiler's estimate of a step, and of how many instructions it has none.

    It is there for a single TPU. In its sum, each instruction that it has no time for
    is -1 second, as all collectives are.
    """
    seconds = cost.get("optimal_seconds", 0.0)
    unknown = max(0, math.ceil(-seconds))
    # longer ones could hide a whole second
    short = cost.get("flops", 0.0) < 0.1 * target.chip.flops if target.chip else False
    if target.platform != "tpu" or target.devices > 1 or not (short or seconds > 0):
        return None, 0
    return float(seconds + unknown) or None, unknown


def _notes(target: Target, program: Program, unknown: int) -> tuple[str, ...]:
    notes = []
    alone = target.platform == "tpu" and target.devices == 1
    if has_open_loops(program):
        notes.append("A loop has no known end: it is counted as if it ran once.")
    elif has_loops(program) and alone:
        notes.append("The compiler's time is that of loops that run once.")
    if has_branches(program):
        notes.append(_OF_BRANCHES)
    if unknown:
        notes.append(f"The compiler's time is without {unknown} of the instructions.")
    return tuple(notes)


def _refused(target: Target, lowered: _Lowered, message: str, seconds: float) -> Report:
    found = next((m for form in _REFUSED if (m := form.search(message))), None)
    if found is None or target.chip is None:
        said = message.strip().splitlines()[0]
        raise CompilationError(
            f"{target.text}: the compiler refuses {lowered.name}: {said}"
        )
    needed, available = (
        int(float(number) * _UNITS[unit])
        for number, unit in (found.group(1, 2), found.group(3, 4))
    )
    return Report(
        target,
        lowered.name,
        None,
        needed,
        available,
        bytes_accessed=None,
        bytes_of="",
        compiler_seconds=None,
        collectives=(),
        compile_seconds=seconds,
        notes=("The compiler refuses the program, for it needs more memory.",),
        flops=lowered.flops,
        flops_of=lowered.flops_of,
    )
