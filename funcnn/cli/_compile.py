"""`funcnn compile`: what a program needs on a TPU or GPU that is not here."""

import json as json_format
from typing import Annotated, Any

import jax
import typer

from funcnn.cli._choices import MODELS, ModelName, Partitioning, Precision
from funcnn.cli._compile_programs import Program, training_step, users_program
from funcnn.cli._compile_progress import Display, shown
from funcnn.cli._faults import InputError, reported
from funcnn.cli._imports import calling_users_code
from funcnn.parallel import (
    Report,
    Target,
    compile_for,
    largest_batch,
    make_mesh,
    parse_target,
    target_devices,
)
from funcnn.parallel._targets import known_targets

_BATCH = 64


def compile_(
    target: Annotated[
        str,
        typer.Option(
            metavar="TARGET",
            help="tpu:v5e:4x4, tpu:v5e:16, gpu:h100:8, cpu, cpu:8, ...",
        ),
    ],
    program: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|MODULE:FUNCTION",
            help=f"{' or '.join(MODELS)}: its training step; or what makes a program: "
            "see above.",
        ),
    ] = ModelName.CNN.value,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, max=2**31 - 1, show_default=str(_BATCH), help="Examples per step."
        ),
    ] = None,
    mesh: Annotated[
        str,
        typer.Option(
            metavar="AXES",
            help="How the devices are shared out: over the batch and over the model; "
            "-1 takes what is left.",
        ),
    ] = "data=-1,model=1",
    partition: Annotated[
        Partitioning,
        typer.Option(help="How a model's parameters are split over the mesh."),
    ] = Partitioning.REPLICATED,
    precision: Annotated[
        Precision, typer.Option(help="What a model's step computes in.")
    ] = Precision.FLOAT32,
    largest: Annotated[
        bool,
        typer.Option(
            "--largest-batch",
            help="Find the largest batch that fits, from this one on.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Compiles for TPUs, GPUs or CPUs that need not be here."""
    with reported():
        wanted = parse_target(target)
        _leave_accelerators()
        devices = target_devices(wanted)
        try:
            laid_out = make_mesh(**_axes(mesh), devices=devices)
        except ValueError as error:
            raise InputError(f"--mesh {mesh}: {error}") from None
        made, takes_batch = _program(program, laid_out, partition, precision)
        if not takes_batch and (largest or batch_size):
            raise InputError(
                f"{program} takes the mesh alone, and no size of the batch"
            )
        parts = laid_out.shape["data"]
        size = _size(batch_size, parts)
        with calling_users_code(program), shown() as tell:
            if largest:
                size, report = largest_batch(
                    wanted, made, multiple=parts, start=size, tell=tell
                )
            else:
                report = _compiled(wanted, made, size, tell)
        name = "largest batch" if largest else "batch size"
        _answer(report, {name: size} if takes_batch else {}, json)
        if report.fits is False:
            raise typer.Exit(1)


compile_.__doc__ = f"""{compile_.__doc__}

Says what a step needs on each chip: memory, operations, bytes, collectives, and
estimates of its time. The target's compiler has to be installed, the device not: for
TPUs pip install 'funcnn[cli,tpu]', for GPUs 'funcnn[cli,gpu]', each in an environment
of its own.

\b
funcnn compile --target tpu:v5e:4x4 cnn --batch-size 4096
funcnn compile --target gpu:h100:8 mlp --partition fsdp --json
funcnn compile --target tpu:v5e:1 cnn --largest-batch
funcnn compile --target tpu:v5e:64 my/model.py:step --mesh data=16,model=4

FUNCTION is called with the mesh, of axes data and model, over the target's devices; if
it takes two arguments, with the size of the batch as well. It returns (f, args): a
function, jitted or not, and the tuple of its arguments. These are arrays or
jax.ShapeDtypeStruct, and those with a sharding over the mesh are laid out so:

\b
def step(mesh, batch_size):
    rows = jax.NamedSharding(mesh, jax.P("data"))
    x = jax.ShapeDtypeStruct((batch_size, 512), jnp.float32, sharding=rows)
    w = jax.ShapeDtypeStruct((512, 512), jnp.float32)
    return jax.grad(loss), (w, x)

Targets: {known_targets()}; with the sides of a TPU's slice or a number of devices.

Exit code 0: it fits; 1: it does not, or could not be compiled; 2: it could not be
asked.
"""


def _leave_accelerators() -> None:
    """Nothing runs, so JAX need not look for any."""
    config: Any = jax.config  # whose options are not in its type
    if not config.jax_platforms:
        config.update("jax_platforms", "cpu")


def _axes(text: str) -> dict[str, int]:
    axes = {}
    for part in text.split(","):
        name, _, size = part.strip().partition("=")
        if name not in {"data", "model"} or name in axes or not _is_integer(size):
            raise InputError(
                f"--mesh needs sizes of data and model, as data=4,model=2, got {text!r}"
            )
        axes[name] = int(size)
    return axes


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and len(text) < 9


def _program(
    name: str, mesh: Any, partition: Partitioning, precision: Precision
) -> tuple[Program, bool]:
    if name in MODELS:
        return training_step(name, mesh, partition, precision.value), True
    if ":" not in name:
        raise InputError(
            f"there is no model {name!r}: there are {', '.join(MODELS)}; "
            "a function is MODULE:FUNCTION or path/to/file.py:FUNCTION"
        )
    return users_program(name, mesh)


def _size(given: int | None, parts: int) -> int:
    """The batch, which the devices along "data" have to divide."""
    if given is None:
        return max(_BATCH, parts)
    if given % parts:
        raise InputError(
            f"--batch-size {given} is no multiple of the mesh's data={parts}"
        )
    return given


def _compiled(target: Target, made: Program, size: int, tell: Display) -> Report:
    f, args = made(size)
    tell(size, None)
    return compile_for(target, f, *args)


def _answer(report: Report, about: dict[str, int], json: bool) -> None:
    if json:
        numbers = {name.replace(" ", "_"): number for name, number in about.items()}
        typer.echo(json_format.dumps(numbers | report.to_dict()))
        return
    for name, number in about.items():
        typer.echo(f"{name}: {number:,}")
    typer.echo(str(report))
