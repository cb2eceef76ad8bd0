"""`funcnn check`, run as a person runs it."""

import contextlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

import matrix
import pytest
from commands import run
from shares import a_share

import funcnn
from funcnn import ops
from funcnn.cli._check_rows import merged
from funcnn.cli._interrupts import interrupts
from funcnn.gradients.checker import AuditRow
from funcnn.ops._rules import rules_of_ops

PACKAGE = pathlib.Path(funcnn.__file__).parent


@pytest.fixture(scope="session")
def checked(tmp_path_factory):
    """Two ops, saved: the process and its folder."""
    folder = tmp_path_factory.mktemp("check")
    files = ["--json", folder / "report.json", "--html", folder / "report.html"]
    return run("check", "squared_error", "relu", "--fast", *files), folder


def test_a_row_per_rule(checked):
    done, _ = checked
    assert done.returncode == 0, done.stderr
    title, header, _, *rows, summary = done.stdout.splitlines()
    assert title == "check of funcnn's rules"
    assert header.split() == ["rule", "at", "cases", "points", "verdict", "error"]
    assert [row.split()[0] for row in rows] == ["squared_error", "relu"]
    assert re.search(r"_pointwise\.py:\d+ +\d+ +\d+ +OK", rows[1])
    assert summary == "2 rules, 0 wrong"


def test_plain_lines_tell_how_far_it_is(checked):
    lines = checked[0].stderr.splitlines()
    assert [line.split("  ")[:3] for line in lines] == [
        ["1/2", "squared_error", "OK"],
        ["2/2", "relu", "OK"],
    ]


def test_what_it_saves(checked):
    folder = checked[1]
    saved = json.loads((folder / "report.json").read_text())
    assert saved["ok"]
    relu = saved["rows"][1]
    assert relu["cases"] == len(relu["each_case"]) > 4
    assert relu["points"] == sum(case["points"] for case in relu["each_case"])
    assert "squared_error" in (folder / "report.html").read_text()


def broken(folder, file, right, wrong):
    """The environment in which a copy of the package has a wrong rule."""
    copy = folder / "funcnn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / "ops" / file).read_text()
    assert source.count(right) == 1
    (copy / "ops" / file).write_text(source.replace(right, wrong))
    lines = source.splitlines()
    return os.environ | {"PYTHONPATH": str(folder)}, lines, copy / "ops" / file


def test_a_broken_rule_is_named_with_file_and_line(tmp_path):
    right = "jnp.where(low, back(g, *options), g)"
    wrong = right.replace(", g)", ", 1.001 * g)")
    environment, lines, file = broken(
        tmp_path, "_pointwise/_pointwise.py", right, wrong
    )
    line = next(i for i, text in enumerate(lines, 1) if right in text) - 2
    assert lines[line - 1].strip() == "def backward(*args):"
    options = {"env": environment, "cwd": tmp_path}
    done = run("check", "squared_error", "relu", "--fast", **options)
    assert done.returncode == 1, done.stderr
    rows = done.stdout.splitlines()[3:]
    assert re.match(rf"relu +_pointwise\.py:{line} .* RULE WRONG +case \d +x ", rows[0])
    assert re.match(r"squared_error .* OK", rows[1])
    assert rows[2:] == ["2 rules, 1 wrong", f"relu: {file}:{line}"]


@pytest.mark.slow
def test_unknown_ops_are_one_line_with_those_near():
    done = run("check", "relu", "softmx")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "'softmx'" in line
    assert "softmax" in line
    assert "affine" not in line
    far = run("check", "zzzzzz").stderr  # none is near, so all are named
    assert {"relu,", "softmax,", "conv,"} <= set(far.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "file", "words"),
    [
        ("--json", "report.txt", "ends in .json"),
        ("--html", "report.json", "ends in .html"),
        ("--html", "none/report.html", "no folder none"),
    ],
)
def test_files_that_cannot_be_written_are_refused_at_once(option, file, words):
    done = run("check", "relu", option, file)
    assert done.returncode == 2
    assert option in done.stderr
    assert words in done.stderr
    assert "1/1" not in done.stderr


@pytest.mark.slow
def test_two_processes_find_what_one_finds(checked):
    done = run("check", "squared_error", "relu", "--fast", "--jobs", 2)
    assert done.stdout == checked[0].stdout, done.stderr
    assert {line.split()[0] for line in done.stderr.splitlines()} == {"1/2", "2/2"}


@pytest.mark.slow
@pytest.mark.parametrize("jobs", a_share(["2", "1"], 2))
def test_ctrl_c_says_what_is_known(jobs):
    names = ["relu", "conv", "tanh", "--fast", "--jobs", jobs]
    command = [sys.executable, "-m", "funcnn", "check", *names]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first = process.stderr.readline()
    assert first  # a rule is done, and the next one has begun
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    # the second rule may be ended where JAX drops what was raised in it
    assert re.search(r"interrupted: [12] of 3 rules were checked", output)
    assert first.split("  ")[1] in output
    assert "Traceback" not in errors


def test_a_ctrl_c_that_was_dropped_is_raised_again():
    before = signal.getsignal(signal.SIGINT)
    with interrupts() as look:
        look()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it raises at once too")
        with pytest.raises(KeyboardInterrupt):
            look()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_a_bar_on_a_terminal():
    command = [sys.executable, "-m", "funcnn", "check", "squared_error", "--fast"]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = _read_all(ours)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, shown
    assert "1/1" in shown
    assert "━" in shown
    assert "squared_error" in shown
    assert b"\x1b" not in output


def _read_all(descriptor, seconds=120):
    read, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([descriptor], [], [], 1)[0]:
            continue
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        read += part
    os.close(descriptor)
    return read.decode()


def test_help_explains_the_verdicts():
    done = run("check", "--help", env=os.environ | {"COLUMNS": "100"})
    assert done.returncode == 0
    for words in ["RULE WRONG", "KINK OUTSIDE", "AUTO WRONG", "SURROGATE", "--fast"]:
        assert words in done.stdout
    # each on a line of its own
    assert re.search(r"^ *OK  .*\n *KINK  ", done.stdout, re.MULTILINE)


def test_every_rule_is_of_one_op():
    found = [rule for rules in rules_of_ops(ops).values() for rule in rules.values()]
    assert len(found) == len(matrix.RULES)
    assert set(map(id, found)) == set(map(id, matrix.RULES.values()))
    names = [name for rules in rules_of_ops(ops).values() for name in rules]
    assert len(set(names)) == len(names)


def _row(**fields):
    plain = {"at": "", "path": "", "argument": "", "error": 0.0, "says": ""}
    return AuditRow(**{"rule": "r", "verdict": "OK", "points": 2} | plain | fields)


def test_the_worst_case_stands_for_the_rule():
    rows = [
        _row(path="case 0", error=9.0),
        _row(path="case 1", verdict="RULE WRONG", error=1.0),
        _row(path="case 2", verdict="RULE WRONG", error=float("nan")),
        _row(path="case 3", verdict="KINK", error=99.0),
    ]
    row = merged("op", rows)
    assert (row.verdict, row.case, row.cases, row.points) == (
        "RULE WRONG",
        "case 2",
        4,
        8,
    )
    assert merged("op", rows[:2]).case == "case 1"
    assert merged("op", rows[:1]).case == ""


_DEVICES = """
import jax
from funcnn.cli._devices import ask_for_cpu_devices
{before}
ask_for_cpu_devices()
print(jax.device_count())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "before", "count"),
    [
        ({}, "", 4),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}, "", 2),
        ({"JAX_NUM_CPU_DEVICES": "3"}, "", 3),
        ({}, "jax.devices()", 1),  # in use already
    ],
)
def test_rules_get_four_devices_unless_the_user_said_otherwise(
    environment, before, count
):
    plain = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _DEVICES.format(before=before)],
        env=plain | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{count}\n", done.stderr
