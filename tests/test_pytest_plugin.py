"""The fixture `check_gradient`, in a test suite of somebody's own."""

import importlib.metadata
import pathlib
import subprocess
import sys

import pytest

import funcnn.gradients  # before pytester: what it imports it also takes away

pytest_plugins = ["pytester"]

RULES = """
import jax
import jax.numpy as jnp
import pytest
import funcnn as fn

x = jnp.arange(1.0, 4.0)
doubled = jax.custom_vjp(lambda x: 2 * x)
doubled.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))
halved = jax.custom_vjp(lambda x: x / 2)
halved.defvjp(lambda x: (x / 2, None), lambda _, g: (0.501 * g,))
"""


@pytest.fixture
def suite(pytester):
    """Runs a test file of a user's, warnings being errors."""

    def run(tests):
        pytester.makepyfile(RULES + tests)
        return pytester.runpytest("-W", "error", *_plugin(), "-p", "no:xdist")

    return run


def _plugin():
    """Installed, it is there by itself."""
    found = importlib.metadata.entry_points(group="pytest11", name="funcnn")
    return [] if found else ["-p", "pytest_funcnn"]


def test_right_rules_pass(suite):
    suite("""
def test_rule(check_gradient):
    report = check_gradient(doubled, x, fast=True)
    assert report.rows[0].verdict == "OK"

def test_op(check_gradient):
    check_gradient(fn.rule(
        lambda x: 3 * x,
        lambda x: (3 * x, None),
        lambda _, g: (3 * g,),
        cases=lambda normal: [(normal(3),)],
    ), fast=True)

def test_program(check_gradient):
    check_gradient.audit(lambda x, n: doubled(x) ** n, x, 2, fast=True)

def test_kernel(check_gradient):
    check_gradient.audit(doubled, x, reference={doubled: lambda x: 2 * x}, fast=True)
    with pytest.raises(AssertionError):
        check_gradient.audit(doubled, x, reference={doubled: lambda x: 3 * x})
""").assert_outcomes(passed=4)


def test_a_wrong_rule_fails_with_the_table(suite):
    result = suite("""
def test_rule(check_gradient):
    check_gradient(halved, x, fast=True)

def test_program(check_gradient):
    check_gradient.audit(lambda x: halved(doubled(x)), x, fast=True)
""")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E * check of *",
            "E * rule *at *verdict *argument *",
            "E *test_a_wrong_rule_fails_with_the_table.py:10 * RULE WRONG * x *",
            "E * audit of *",
            "E *test_a_wrong_rule_fails_with_the_table.py:10 * RULE WRONG * x *",
        ]
    )
    # the table and the user's own line, nothing of ours
    result.stdout.no_fnmatch_line("*pytest_funcnn.py*")
    result.stdout.no_fnmatch_line("*_report.py*")


def test_a_function_without_a_rule_fails(suite):
    result = suite("""
def test_rule(check_gradient):
    check_gradient(jnp.sin, x)

def test_program(check_gradient):
    check_gradient.audit(jnp.sin, x)
""")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E *there is no hand-written rule*"] * 2)


def test_it_costs_other_suites_nothing():
    program = "import pytest_funcnn, sys; print({'jax', 'funcnn'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={"PYTHONPATH": str(pathlib.Path(funcnn.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
