"""The notebooks as they are committed; `python -m notebooks --check` runs them."""

import ast
import json
import pathlib
import re
import subprocess
import sys

import pytest

import funcnn as fn

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 1_000_000  # a code host shows no larger ones well
MOST_WORDS = 2_400  # of text: ten minutes at 240 words a minute
PLACES = r"(/home|/root|/tmp|/work|site-packages)/"  # of one machine
ROOMS = (fn.ops, fn.layers, fn.gradients, fn.training, fn.data, fn.plots)

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def cells(path, kind):
    notebook = json.loads(path.read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell):
    return "".join(cell["source"])


def outputs(path):
    return [output for cell in cells(path, "code") for output in cell["outputs"]]


def test_there_are_seven():
    assert [path.stem[0] for path in NOTEBOOKS] == list("1234567")


@every_notebook
def test_it_was_run_from_top_to_bottom(path):
    counts = [cell["execution_count"] for cell in cells(path, "code")]
    assert counts == list(range(1, len(counts) + 1))
    assert outputs(path)


@every_notebook
def test_its_outputs_are_fit_to_be_read(path):
    for output in outputs(path):
        assert output["output_type"] != "error"
        assert output.get("name") != "stderr"
    plain = [o for o in outputs(path) if "image/png" not in o.get("data", {})]
    assert not re.search(PLACES, json.dumps(plain))
    assert path.stat().st_size <= MOST_BYTES


@every_notebook
def test_it_asserts_its_numbers(path):
    code = "\n".join(source(cell) for cell in cells(path, "code"))
    assert len(re.findall(r"^\s*assert |np\.testing\.assert", code, re.M)) >= 3


@every_notebook
def test_it_is_read_in_ten_minutes(path):
    text = " ".join(source(cell) for cell in cells(path, "markdown"))
    assert len(text.split()) <= MOST_WORDS


@every_notebook
def test_it_defines_nothing_that_the_library_has(path):
    known = {n for room in ROOMS for n in room.__all__ if callable(getattr(room, n))}
    for cell in cells(path, "code"):
        plain = re.sub(r"^%.*$", "", source(cell), flags=re.M)
        for node in ast.walk(ast.parse(plain)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert node.name not in known


def _notebook(*sources):
    made = [
        {"cell_type": "code", "execution_count": None, "id": f"cell-{i}"}
        | {"metadata": {}, "outputs": [], "source": text}
        for i, text in enumerate(sources)
    ]
    return json.dumps(
        {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "said", "code"),
    [
        ("print(x + 1)", "3_made.ipynb: ", 0),
        ("assert x == 3", "AssertionError", 1),
        ("import warnings; warnings.warn('look here')", "look here", 1),
    ],
    ids=["right", "wrong", "warns"],
)
def test_the_command_runs_them(tmp_path, last, said, code):
    room = tmp_path / "notebooks"
    room.mkdir()
    (room / "__main__.py").write_text((FOLDER / "__main__.py").read_text())
    made = room / "3_made.ipynb"
    made.write_text(_notebook("x = 2", last))
    before = made.read_text()
    command = [sys.executable, "-m", "notebooks"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout
    assert (made.read_text() == before) == bool(code)
    if not code:
        assert outputs(made)[0]["text"] == ["3\n"]
    absent = subprocess.run(
        [*command, "4_none.ipynb"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (absent.returncode, "4_none.ipynb" in absent.stderr) == (2, True)
