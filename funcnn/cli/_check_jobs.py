"""Rules that are checked one after the other, or in several processes."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from funcnn import ops
from funcnn.cli._check_rows import CheckRow, merged
from funcnn.cli._devices import ask_for_cpu_devices
from funcnn.gradients import check as check_rule
from funcnn.ops._rules import rules_of_ops


class Task(NamedTuple):
    """A rule to check.

    Attributes:
      name: the rule's, as in `rules_of_ops`.
      chosen: the ops that were asked for; a name depends on them.
      fast: whether to look at fewer points.
    """

    name: str
    chosen: tuple[str, ...]
    fast: bool


class Done(NamedTuple):
    """What is known of a rule, and how long that took."""

    row: CheckRow
    seconds: float


def rules_of(chosen: Sequence[str]) -> dict[str, Any]:
    """The rules of the chosen ops, or of all, by name."""
    by_op = rules_of_ops(ops, chosen)
    return {name: rule for rules in by_op.values() for name, rule in rules.items()}


def done_by(task: Task) -> Done:
    """Checks one rule."""
    start = time.perf_counter()
    report = check_rule(rules_of(task.chosen)[task.name], fast=task.fast)
    return Done(merged(task.name, report.rows), time.perf_counter() - start)


def in_processes(
    work: Callable[[Any], Any], tasks: Sequence[Any], jobs: int
) -> Iterator[Any]:
    """Does tasks in `jobs` processes at a time; gives the results as they are done.

    The processes are ended when the iteration is.
    """
    # a fork of a process in which JAX has threads would hang
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(jobs, len(tasks)), initializer=_begin) as pool:
        yield from pool.imap_unordered(work, tasks)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers
    ask_for_cpu_devices()
