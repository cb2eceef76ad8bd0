"""Hand-written rules with the mistakes that real ones have had.

`BROKEN` holds programs, one rule of each wrong in the way that its `why` says, alone
or deep inside. Nothing here was written with a checker in view.
"""

import importlib

from .example import Example

_MODULES = """
    formula cotangent missing broadcast kinks singular second_order indexing
    dtypes forward_value precondition cancellation shapes missing_terms custom_jvp
    complex_numbers structure transforms inside_programs inside_models
    fn_rules kernels
""".split()

BROKEN: tuple[Example, ...] = tuple(
    example
    for module in _MODULES
    for example in importlib.import_module(f"{__name__}.{module}").EXAMPLES
)
