"""The command: sweep, print, write."""

import argparse
import contextlib
import json
import pathlib
from collections.abc import Iterable, Iterator

from .cases import Case
from .coverage import not_covered
from .integers import raising
from .report import as_json, markdown, merged, representatives, text, verified
from .sweep import Outcome, audit
from .tables import CASES

DESCRIPTION = """Gradients of jax.nn, jax.numpy, jax.scipy.special, jax.scipy.stats and
optax.losses against the truth (mpmath), at float32 inputs over the whole range.
Takes about three minutes on two cores. Ctrl-C prints what is known so far."""
MARKDOWN = pathlib.Path(__file__).parent.with_suffix(".md")


def main() -> None:
    """Sweep, print the table, and write it."""
    options = parse()
    chosen = [c for c in CASES if options.only in c.source]
    outcomes: list[Outcome] = []
    whole = True
    try:
        for case in progress(chosen):
            outcome = audit(case)
            finding = raising(case, bool(outcome.error))
            outcome.findings += [finding] if finding else []
            outcomes.append(outcome)
    except KeyboardInterrupt:
        whole = False
        print(f"Stopped after {len(outcomes)} of {len(chosen)} cases.")
    defects = merged(representatives(outcomes), others(options.merge))
    versions = [verified(defects)]
    versions += [verified(defects, python) for python in options.also]
    missing = not_covered(CASES)
    print(text(defects, outcomes, missing))
    if options.json:
        options.json.write_text(json.dumps(as_json(defects, missing), indent=1))
    if whole and not options.only:
        options.markdown.write_text(markdown(defects, outcomes, missing, versions))
        print(f"Written: {options.markdown}")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        "benchmarks.third_party_audit", description=DESCRIPTION
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="only cases with this in their source; writes no Markdown",
    )
    parser.add_argument(
        "--json", type=pathlib.Path, metavar="FILE", help="the defects as JSON"
    )
    parser.add_argument(
        "--markdown",
        type=pathlib.Path,
        default=MARKDOWN,
        metavar="FILE",
        help="where the table goes (%(default)s)",
    )
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="PYTHON",
        help="an interpreter with another JAX, to try each "
        "reproduction with; may be repeated",
    )
    parser.add_argument(
        "--merge",
        action="append",
        default=[],
        metavar="FILE",
        type=pathlib.Path,
        help="the JSON of a run with another JAX, "
        "whose defects are added; may be repeated",
    )
    return parser.parse_args()


def others(files: list[pathlib.Path]) -> list[dict]:
    """The defects that other runs have found."""
    return [row for file in files for row in json.loads(file.read_text())["defects"]]


def progress(cases: Iterable[Case]) -> Iterator[Case]:
    """The cases, with a bar where rich is installed and somebody is looking."""
    with contextlib.suppress(ImportError):
        from rich.progress import track

        yield from track(list(cases), description="auditing")
        return
    yield from cases


if __name__ == "__main__":
    main()
