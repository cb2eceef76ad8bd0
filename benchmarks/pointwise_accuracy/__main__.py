"""The command: sweep, print, write; exit code 1 when a bound is broken."""

import argparse
import concurrent.futures
import multiprocessing
import pathlib
import sys
import time

from .measure import Row, measured
from .points import DTYPES
from .report import markdown, text
from .truths import OPS

DESCRIPTION = """Values and slopes of the functions of one number, over all numbers of
16 bits and 2^24 of float32 with every exponent, against the truth in float64: at most
1 unit in the last place in half precision, and 4 + 2c in float32, c being the
condition number. Beside them those of jax.nn. Takes about ten minutes on two cores."""
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
    names = options.ops or list(OPS)
    rows, whole = [], True
    try:
        rows = swept(names, count, options.jobs)
    except KeyboardInterrupt:
        whole = False
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


def swept(names: list[str], count: int, jobs: int) -> list[Row]:
    """The rows of all of them, in order; says how far it is."""
    tasks = [(name, dtype) for name in names for dtype in DTYPES]
    begun = time.monotonic()
    found: dict[tuple[str, str], list[Row]] = {}
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
    return [row for task in tasks for row in found[task]]


if __name__ == "__main__":
    sys.exit(main())
