"""The words that the gradient tools judge with, from harmless to wrong."""

OK = "OK"
KINK = "KINK"  # inside the one-sided slopes: a convention, not a mistake
SURROGATE = "SURROGATE"  # differs on purpose, and as declared
NOT_TESTABLE = "NOT TESTABLE"  # the row says why
AUTO_WRONG = "AUTO WRONG"  # the rule is right where automatic differentiation is not
KILLED = "KILLED"  # a mutant that the checker found
EQUIVALENT = "EQUIVALENT"  # a mutant that computes the same
CONVENTION = "CONVENTION"  # a mutant that differs on kinks, within the slopes
SURVIVED = "SURVIVED"  # a mutant that is wrong, and that the checker let pass
STRUCTURE = "STRUCTURE"  # a cotangent of the wrong number, shape or dtype
RAISES = "RAISES"
NONFINITE = "NONFINITE"
KINK_OUTSIDE = "KINK OUTSIDE"  # no slope between the one-sided ones
DIFFERENT = "DIFFERENT"
BOTH_WRONG = "BOTH WRONG"
RULE_WRONG = "RULE WRONG"

PASSING = (
    OK,
    KILLED,
    EQUIVALENT,
    CONVENTION,
    SURROGATE,
    KINK,
    AUTO_WRONG,
    NOT_TESTABLE,
)
FAILING = (
    SURVIVED,
    STRUCTURE,
    RAISES,
    NONFINITE,
    KINK_OUTSIDE,
    DIFFERENT,
    BOTH_WRONG,
    RULE_WRONG,
)


def fails(verdict: str) -> bool:
    """Whether a row with this verdict makes its report fail.

    A word that is not of the vocabulary fails: a slip of the pen passes no check.
    """
    return verdict not in PASSING


def severity(verdict: str) -> int:
    """A number that grows from `OK` to `RULE WRONG`; unknown words come last."""
    words = (*PASSING, *FAILING)
    return words.index(verdict) if verdict in words else len(words)
