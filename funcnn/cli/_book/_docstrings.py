"""The sections of an op's docstring."""

import inspect
import re
from collections.abc import Callable
from typing import Any

_NAMES = (
    "Shapes Dtypes Units Errors Gradient Saved Kinks Source Platforms Differs Limits "
    "Args Returns Raises"
).split()
_START = re.compile(rf"^({'|'.join(_NAMES)})[.:] *", re.MULTILINE)


def sections(op: Callable[..., Any]) -> dict[str, str]:
    """Its text by section; what stands before the first is called `Formula`."""
    text = inspect.cleandoc(op.__doc__ or "")
    formula = text.split("\n\n")[0]
    found = {"Formula": " ".join(formula.split())}
    starts = list(_START.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    for start, end in zip(starts, ends):
        # the first line is less indented than those that follow it
        first, _, rest = text[start.end() : end].partition("\n")
        found[start[1]] = f"{first}\n{inspect.cleandoc(rest)}".strip()
    return found


def in_one_line(text: str, most: int = 160) -> str:
    """The first paragraph, shortened to whole sentences of at most `most` characters.

    At least one is kept, however long.
    """
    line = " ".join(text.split("\n\n")[0].split())
    kept, *others = re.split(r"(?<=[.;:]) ", line)
    for sentence in others:
        if len(kept) + len(sentence) >= most:
            break
        kept += f" {sentence}"
    return kept.rstrip(";:")
