"""The README's code runs as it stands, top to bottom."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parent.parent / "README.md"


@pytest.mark.slow
def test_the_code_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 9
    names = {}
    exec(compile("\n".join(blocks), str(README), "exec"), names)
    assert names["report"].ok
    assert names["swish"](1.0) > 0.7
    assert "Chain[0].Conv" in capsys.readouterr().out


def test_the_wrong_rule_is_found_as_it_says(tmp_path, capsys):
    """`check_grads`, in the same block, lets it pass."""
    text = README.read_text()
    (block,) = re.findall(r"```python\n(from jax.test_util.*?)```", text, re.DOTALL)
    table = re.findall(r"```text\n(.*?)```", text, re.DOTALL)[0]
    file = tmp_path / "softplus.py"
    source = "import jax, jax.numpy as jnp\nimport funcnn as fn\n" + block
    file.write_text(source)  # for the report, which says where the derivative stands
    exec(compile(source, str(file), "exec"), {})
    printed = capsys.readouterr().out
    assert _without_points(printed) == _without_points("check of softplus\n" + table)


def _without_points(report):
    """How many there were may change."""
    return re.sub(r" +\d+ +the rule", " the rule", report)


def test_the_commands_are_as_ci_finds_them():
    commands = re.findall(r"^    (pip install .* && .*)$", README.read_text(), re.M)
    assert [command.split(" && ")[1] for command in commands] == [
        "funcnn train",
        "pytest",
    ]
