"""Every fault of `python -m benchmarks.survival` is made, and survived."""

import pytest

from benchmarks.survival import _command, _killed
from benchmarks.survival._runs import SurvivalError, Workplace, needed

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Workplace(tmp_path_factory.mktemp("survival"))


@slow
@pytest.mark.parametrize("number", range(6))
def test_a_killed_run_ends_with_the_same_bits(place, number):
    print(_killed.killed(place, number))


@slow
@pytest.mark.parametrize("fault", _command.FAULTS)
def test_a_fault_is_survived(place, fault):
    print(_command.FAULTS[fault](place))


def test_a_fault_that_is_not_survived_is_said(monkeypatch, capsys, tmp_path):
    def spoiled(place):
        needed(False, "other parameters at the end")

    monkeypatch.setattr(_command, "Workplace", lambda folder: None)
    monkeypatch.setattr(
        _command, "FAULTS", {"spoiled": spoiled, "fine": lambda place: "well"}
    )
    with pytest.raises(_command.typer.Exit):
        _command.survival(kills=0, only=None, out=tmp_path / "table.md")
    table = (tmp_path / "table.md").read_text()
    assert "FAILED: other parameters at the end" in table
    assert "well" in table
    assert "spoiled" in capsys.readouterr().err
    with pytest.raises(SurvivalError):
        spoiled(None)
