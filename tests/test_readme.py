"""The README's code runs as it stands, top to bottom."""

import pathlib
import re

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_the_code_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 5
    names = {}
    exec(compile("\n".join(blocks), str(README), "exec"), names)
    assert names["report"].ok
    assert names["swish"](1.0) > 0.7
    assert "Chain[0].Conv" in capsys.readouterr().out


def test_the_commands_are_as_ci_finds_them():
    commands = re.findall(r"^    (pip install .* && .*)$", README.read_text(), re.M)
    assert [command.split(" && ")[1] for command in commands] == [
        "funcnn train",
        "pytest",
    ]
