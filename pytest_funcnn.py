"""The fixture `check_gradient`, for pytest.

pytest imports this file in every project of an environment that funcnn is installed
in. It stands outside of the package, whose import would import JAX.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from funcnn.gradients import Report


class GradientCheck:
    """Fails a test where a hand-written derivative is wrong."""

    def __call__(
        self, op_or_f: Callable[..., Any], *args: Any, fast: bool = False
    ) -> "Report":
        """Asserts that `funcnn.check` finds nothing wrong with a rule.

        Args:
          op_or_f: the rule, or a function that calls it.
          *args: where to check it; an op made with `funcnn.rule` needs none.
          fast: look at fewer points.

        Returns:
          The report.

        Raises:
          AssertionError: with the table of what failed, or because there is no rule.
        """
        __tracebackhide__ = True
        import funcnn

        return _passed(funcnn.check(op_or_f, *args, fast=fast))

    def audit(self, f: Callable[..., Any], *args: Any, **options: Any) -> "Report":
        """Asserts that `funcnn.audit` finds nothing wrong with a program's rules.

        Args:
          f: any function that JAX can trace.
          *args: its arguments.
          **options: `reference` and `fast`, as `funcnn.audit` has them.

        Returns:
          The report.

        Raises:
          AssertionError: with the table of what failed, or because there is no rule.
        """
        __tracebackhide__ = True
        import funcnn

        return _passed(funcnn.audit(f, *args, **options))


@pytest.fixture(scope="session")
def check_gradient() -> GradientCheck:
    """Fails the test where a hand-written derivative is wrong, with a table."""
    return GradientCheck()


def _passed(report: "Report") -> "Report":
    __tracebackhide__ = True
    try:
        report.assert_ok()
    except AssertionError as error:  # again, so that pytest shows the test's line alone
        raise AssertionError(str(error)) from None
    if not report.rows:  # a test that meets no rule proves nothing
        raise AssertionError(f"{report.title}: there is no hand-written rule in it")
    return report
