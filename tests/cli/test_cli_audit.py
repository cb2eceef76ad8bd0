"""`funcnn audit`, run as a person runs it, on somebody's own file."""

import json
import os
import pathlib
import re
import sys

import pytest
import typer
from commands import run

import funcnn
from funcnn.cli._audit import audit as command

PROGRAM = """\
import typing
import jax
import jax.numpy as jnp


@jax.custom_vjp
def scaled(x, factor):
    return x * factor


def forward(x, factor):
    return x * factor, (x, factor)


def right(saved, g):
    x, factor = saved
    return g * factor, (g * x).sum()


def wrong(saved, g):
    x, factor = saved
    return g * factor, 1.01 * (g * x).sum()


scaled.defvjp(forward, right)
wrongly_scaled = jax.custom_vjp(lambda x, factor: x * factor)
wrongly_scaled.defvjp(forward, wrong)


def loss(x, factor):
    return scaled(x, factor).sum()


def broken(x, factor):
    return wrongly_scaled(scaled(x, factor), factor).sum()


def of_one(x):
    return scaled(x, jnp.float32(2)).sum()


def of_none():
    return scaled(jnp.arange(3.0), jnp.float32(2)).sum()


def plain(x):
    return x * x


def impossible(x):
    return x + jnp.ones(4)


class Pair(typing.NamedTuple):
    x: object
    factor: object


def of_pair(pair):
    return scaled(*pair).sum()


class Examples:
    def both():
        return jnp.arange(3.0), jnp.float32(1.5)

    def as_list():
        return [jnp.arange(3.0), jnp.float32(1.5)]

    def single():
        return jnp.arange(3.0)

    def pair():
        return Pair(jnp.arange(3.0), jnp.float32(1.5))


def raising():
    raise ValueError("no data here\\nat all")


def leaving():
    raise SystemExit(0)


def stopping(x):
    raise SystemExit(0)


number = 3
"""
LINES = PROGRAM.splitlines()
MODULES = {
    "losses": PROGRAM,
    "needing": "import nowhere_to_be_found\n",
    "damaged": "def f(:\n",
    "failing": "1 / 0\n",
    "leaving": "raise SystemExit(0)\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audited")
    for name, source in MODULES.items():
        (folder / f"{name}.py").write_text(source)
    return folder


@pytest.fixture
def audit(folder, monkeypatch, capsys):
    """The command in that folder: exit code, output and errors."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def audit(*arguments, **options):
        code = 0
        try:
            command(*arguments, **options)
        except typer.Exit as leaving:
            code = leaving.exit_code
        return code, *capsys.readouterr()

    yield audit
    for name in MODULES:
        sys.modules.pop(name, None)


def process(folder, *arguments):
    """The command in a process of its own, as a person runs it."""
    above = pathlib.Path(funcnn.__file__).parent.parent
    environment = os.environ | {"PYTHONPATH": str(above)}
    return run("audit", *arguments, cwd=folder, env=environment)


def test_a_wrong_rule_comes_first_with_file_and_line(folder):
    files = ["--json", "report.json", "--html", "report.html"]
    given = ["losses:broken", "--args", "losses:Examples.both", "--fast"]
    done = process(folder, *given, *files)
    assert done.returncode == 1, done.stderr
    title, _, _, first, second, summary, *_, place = done.stdout.splitlines()
    line = LINES.index("def wrong(saved, g):") + 1
    assert title == "audit of broken"
    assert re.search(rf" losses\.py:{line} +RULE WRONG +factor ", first)
    assert re.match(r"scaled .* OK", second)
    assert summary == "2 rules, 1 wrong"
    assert place.endswith(f"{folder}/losses.py:{line}")
    saved = json.loads((folder / "report.json").read_text())
    assert not saved["ok"]
    # in the order of the program
    assert [row["verdict"] for row in saved["rows"]] == ["OK", "RULE WRONG"]
    assert "RULE WRONG" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["losses:loss", "losses:Examples.both"],
        ["losses:loss", "losses:Examples.as_list"],
        ["losses.py:of_one", "losses.py:Examples.single"],
        ["./losses.py:of_pair", "losses.py:Examples.pair"],
        ["losses:of_none"],
    ],
    ids=["tuple", "list", "one array", "named tuple", "none"],
)
def test_right_programs(audit, arguments):
    code, output, _ = audit(*arguments, fast=True)
    assert code == 0, output
    assert re.search(r"^scaled +losses\.py:\d+ .* OK", output, re.MULTILINE)
    assert "1 rule, 0 wrong" in output


def test_a_program_without_rules_says_so(audit):
    code, output, _ = audit("losses:plain", "losses:Examples.single")
    assert code == 0
    assert "no hand-written rule" in output


def test_what_the_function_raises_is_a_row(audit):
    code, output, _ = audit("losses:impossible", "losses:Examples.single")
    assert code == 1
    line = LINES.index("    return x + jnp.ones(4)") + 1
    assert re.search(rf"losses\.py:{line} .* RAISES .* TypeError: add", output)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["losses"], ["MODULE:NAME", "'losses'"]),
        (["nothing:f"], ["no module 'nothing'"]),
        (["losses.deeper:f"], ["no module 'losses.deeper'"]),
        (["nothing.py:f"], ["no file", "nothing.py"]),
        (["needing:f"], ["needing", "'nowhere_to_be_found'", "needing.py:1"]),
        (["damaged:f"], ["damaged", "SyntaxError", "damaged.py"]),
        (["failing.py:f"], ["failing.py", "ZeroDivisionError", "failing.py:1"]),
        (["leaving:f"], ["leaving", "SystemExit"]),
        (["losses:gone"], ["losses has no 'gone'"]),
        (["losses:number"], ["losses:number cannot be called", "int"]),
        (["losses:loss"], ["losses:loss takes", "(x, factor)", "--args"]),
        (
            ["losses:loss", "losses:Examples.single"],
            ["losses:loss takes (x, factor)", "losses:Examples.single gives 1"],
        ),
        (
            ["losses:loss", "losses:raising"],
            ["losses:raising raised ValueError: no data here", "losses.py:"],
        ),
        (["losses:loss", "losses:leaving"], ["leaving raised SystemExit"]),
        (
            ["losses:stopping", "losses:Examples.single"],
            ["losses:stopping raised SystemExit"],
        ),
    ],
    ids=lambda value: value[-1],
)
def test_what_cannot_be_audited_is_one_line(audit, arguments, words):
    code, output, errors = audit(*arguments)
    assert code == 2
    assert output == ""
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("funcnn: ")
    for word in words:
        assert word in errors


def test_there_is_no_traceback(folder):
    done = process(folder, "losses:loss", "--args", "losses:raising")
    assert done.returncode == 2
    assert done.stderr.startswith("funcnn: losses:raising raised ValueError")
    assert len(done.stderr.splitlines()) == 1


def test_help_has_an_example():
    done = run("audit", "--help", env=os.environ | {"COLUMNS": "100"})
    assert "funcnn audit losses:hinge --args losses:example\n" in re.sub(
        " +\n", "\n", done.stdout
    )
    assert "RULE WRONG" in done.stdout
