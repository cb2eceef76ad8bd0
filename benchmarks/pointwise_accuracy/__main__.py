"""The command: sweep, print, write; exit code 1 when a bound is broken."""

import argparse
import concurrent.futures
import multiprocessing
import pathlib
import sys
import time
from concurrent.futures.process import BrokenProcessPool

from .measure import Row, measured
from .points import DTYPES
from .report import markdown, text
from .truths import OPS

DESCRIPTION = """Values and slopes of the functions of one number, over all numbers of
16 bits and 2^24 of float32 with every exponent, against the truth in float64: at most
1 unit in the last place in half precision, and 4 + 2c in float32, c being the
condition number. Beside them those of jax.nn. Takes some minutes on two cores."""
MARKDOWN = pathlib.Path(__file__).parent.with_suffix(".md")
ALL, QUICK = 2**24, 2**14


def main() -> int:
    """Sweep, print the table, write it, and give the exit code."""
    options = parse()
    unknown = set(options.ops) - set(OPS)
    if unknown:
        print(f"no such function: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    count = QUICK if options.quick else ALL
    found: dict[tuple[str, str], list[Row]] = {}
    tasks = [(name, dtype) for name in options.ops or OPS for dtype in DTYPES]
    whole = False
    try:
        sweep(tasks, count, options.jobs, found)
        whole = True
    except KeyboardInterrupt:
        print(f"stopped after {len(found)} of {len(tasks)}", file=sys.stderr)
    except BrokenProcessPool:
        print(f"a process died, after {len(found)} of {len(tasks)}", file=sys.stderr)
    rows = [row for task in tasks for row in found.get(task, [])]
    print(text(rows))
    if whole and not options.quick and not options.ops:
        options.out.write_text(markdown(rows, count))
        print(f"Written: {options.out}")
    return 0 if whole and not any(row.ours.broken for row in rows) else 1


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser("benchmarks.pointwise_accuracy", None, DESCRIPTION)
    parser.add_argument(
        "ops", nargs="*", help="by default all; else nothing is written"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer of float32; nothing is written"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--out", type=pathlib.Path, default=MARKDOWN)
    return parser.parse_args()


def sweep(
    tasks: list[tuple[str, str]],
    count: int,
    jobs: int,
    found: dict[tuple[str, str], list[Row]],
) -> None:
    """Fills `found` with the rows of every function and dtype; says how far it is."""
    begun = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, context) as pool:
        waiting = {pool.submit(measured, *task, count): task for task in tasks}
        for done in concurrent.futures.as_completed(waiting):
            task = waiting[done]
            found[task] = done.result()
            broken = sum(row.ours.broken for row in found[task])
            print(
                f"{len(found)}/{len(tasks)}  {' '.join(task)}  "
                f"{f'{broken} BROKEN' if broken else 'OK'}  "
                f"{time.monotonic() - begun:.0f} s",
                file=sys.stderr,
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
