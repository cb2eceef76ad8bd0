"""The leaves of pytrees by their paths, and patterns that paths fit."""

import fnmatch
from collections.abc import Iterable
from typing import Any

import jax


def named(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree by their paths, such as ``params.0.kernel``.

    Raises:
      ValueError: when two leaves have one name, as for a key with a dot in it.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    keystr = jax.tree_util.keystr
    by_name = {keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
    if len(by_name) < len(leaves):
        raise ValueError("two leaves have one name; is there a dot in a key?")
    return by_name


def first_fits(
    user: str, paths: Iterable[str], patterns: Iterable[str]
) -> dict[str, str | None]:
    """For each path the first pattern that fits it, in the sense of `fnmatch`, or None.

    Args:
      user: what an error names.
      paths: those of the leaves.
      patterns: in their order.

    Raises:
      ValueError: for a pattern that no path fits first, with the paths.
    """
    paths, patterns = list(paths), list(patterns)
    fits = {path: first_fit(path, patterns) for path in paths}
    unused = ", ".join(sorted(set(patterns) - set(fits.values())))
    if unused:
        raise ValueError(
            f"{user}: no parameter is left for {unused}; there are {', '.join(paths)}"
        )
    return fits


def first_fit(path: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that a path fits, in the sense of `fnmatch`, or None."""
    return next((p for p in patterns if fnmatch.fnmatchcase(path, p)), None)
