"""`--distributed`: one run in many processes, of which the first writes and talks."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator

import jax
import typer

from funcnn.parallel import initialize
from funcnn.parallel._launch import is_about_others
from funcnn.parallel._processes import is_first
from funcnn.training import TrainState


@contextlib.contextmanager
def joined(distributed: bool) -> Iterator[None]:
    """The processes of the job as one; alone, nothing.

    When this one fails, it leaves at once: JAX would wait for the others to come to
    the end too, and they wait for this one.

    Raises:
      LaunchError: when they cannot be joined.
    """
    if not distributed:
        yield
        return
    initialize()
    try:
        with _only_the_first_talks():
            yield
            together("end of the run")
    except BaseException as error:
        code = _told(error)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@contextlib.contextmanager
def _only_the_first_talks() -> Iterator[None]:
    if is_first():
        yield
        return
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
        yield


def together(place: str) -> None:
    """Waits until all processes have come here."""
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(place)


def alone(state: TrainState) -> TrainState:
    """A train state that every device has whole, as this process's first has it."""
    one: TrainState = jax.tree.map(lambda leaf: leaf.addressable_data(0), state)
    return one


def _told(error: BaseException) -> int:
    """Tells of an error, unless that was done, and gives the exit code."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    me = f"process {jax.process_index()} of {jax.process_count()}"
    if is_about_others(error):
        typer.echo(f"funcnn: {me}: another one is gone: {error}", err=True)
    else:
        traceback.print_exception(error)
        typer.echo(f"funcnn: {me} failed", err=True)
    return 1
