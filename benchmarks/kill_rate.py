"""How many injected faults the checker finds, rule by rule.

``python -m benchmarks.kill_rate`` breaks every rule of `funcnn.ops` in many ways
(`funcnn.gradients.mutants`), asks `funcnn.check` about each, and prints and writes
the table. It exits with 1 when less than 97 % are found. With ``--sample N`` at most
N faults of each family and rule are tried, chosen at random from the seed.
"""

import argparse
import collections
import concurrent.futures
import multiprocessing
import pathlib
import sys
from typing import Any, NamedTuple

from funcnn._tables import text_table

LEAST = 0.97
OUT = pathlib.Path(__file__).with_suffix(".md")


class Counts(NamedTuple):
    """Of the mutants of one rule, or of one family."""

    killed: int = 0
    survived: int = 0
    equivalent: int = 0
    convention: int = 0

    def __add__(self, other: "Counts") -> "Counts":  # type: ignore[override]
        return Counts(*(a + b for a, b in zip(self, other)))

    @property
    def rate(self) -> float:
        """Of the faults, that is without those that are none."""
        faults = self.killed + self.survived
        return self.killed / faults if faults else 1.0


class Result(NamedTuple):
    """What became of the mutants of one rule."""

    name: str
    families: dict[str, Counts]
    survivors: list[str]

    @property
    def counts(self) -> Counts:
        """All families together."""
        return sum(self.families.values(), Counts())


def rules() -> dict[str, Any]:
    """All rules of `funcnn.ops`, by name."""
    import funcnn.ops
    from funcnn.ops._rules import rules_of_ops

    by_op = rules_of_ops(funcnn.ops).values()
    return {name: rule for own in by_op for name, rule in own.items()}


def measured(name: str, sample: int | None, seed: int) -> Result:
    """Breaks one rule; in a process of its own."""
    import jax

    # so that what a rule does over several devices is checked
    jax.config.update("jax_num_cpu_devices", 4)
    from funcnn.gradients import kill_rate

    report = kill_rate(rules()[name], sample=sample, seed=seed)
    families: dict[str, Counts] = collections.defaultdict(Counts)
    for row in report.rows:
        one = Counts(**{row.verdict.lower(): 1})
        families[row.family] = families[row.family] + one
    survivors = [
        f"{name}: {row.family}, {row.fault} {row.argument} ({row.reason})"
        for row in report.rows
        if row.verdict == "SURVIVED"
    ]
    return Result(name, dict(families), survivors)


def main() -> int:
    """Measures, prints and writes; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="most faults per family and rule")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="every how many-th rule")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("rules", nargs="*", help="by default all")
    options = parser.parse_args()
    names = options.rules or sorted(rules())[:: options.every]
    unknown = set(names) - set(rules())
    if unknown:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}")
    results = _all(names, options)
    text = _table(results, options.sample)
    print(text)
    options.out.write_text(f"# Injected faults that `funcnn.check` finds\n\n{text}\n")
    total = sum((r.counts for r in results), Counts())
    return 0 if total.rate >= LEAST else 1


def _all(names: list[str], options: argparse.Namespace) -> list[Result]:
    context = multiprocessing.get_context("spawn")
    results = []
    # a new process for each rule: what is compiled is not kept
    with concurrent.futures.ProcessPoolExecutor(
        options.jobs, context, max_tasks_per_child=1
    ) as pool:
        waiting = [
            pool.submit(measured, name, options.sample, options.seed) for name in names
        ]
        for done in concurrent.futures.as_completed(waiting):
            result = done.result()
            results.append(result)
            counts = result.counts
            print(
                f"{len(results)}/{len(names)} {result.name}: "
                f"{counts.killed} of {counts.killed + counts.survived}",
                file=sys.stderr,
                flush=True,
            )
    return sorted(results)


def _table(results: list[Result], sample: int | None) -> str:
    header = ["", "found", "of", "share", "equivalent", "convention"]
    families: dict[str, Counts] = collections.defaultdict(Counts)
    for result in results:
        for family, counts in result.families.items():
            families[family] = families[family] + counts
    total = sum((r.counts for r in results), Counts())
    by_rule = [_cells(result.name, result.counts) for result in results]
    by_family = [_cells(family, counts) for family, counts in families.items()]
    what = "all faults" if sample is None else f"at most {sample} per family and rule"
    survivors = [line for result in results for line in result.survivors]
    return "\n".join(
        [
            f"{total.killed} of {total.killed + total.survived} faults found, "
            f"{total.rate:.1%} ({what}).",
            "",
            "```",
            text_table(["rule", *header[1:]], by_rule, [0]),
            "",
            text_table(["family", *header[1:]], by_family, [0]),
            "```",
            "",
            "Not found:" if survivors else "None was missed.",
            *(f"- {line}" for line in survivors),
        ]
    )


def _cells(name: str, counts: Counts) -> list[str]:
    faults = counts.killed + counts.survived
    share = f"{counts.rate:.1%}"
    others = [str(counts.equivalent), str(counts.convention)]
    return [name, str(counts.killed), str(faults), share, *others]


if __name__ == "__main__":
    sys.exit(main())
