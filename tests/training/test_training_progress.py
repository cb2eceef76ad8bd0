"""What a person sees: how fast it is, and how long it will take."""

import io
import re
import sys
import types

import pytest
from rich.console import Console
from training_examples import classes, fitted

from funcnn.training import _progress
from funcnn.training._progress import Bar, Lines

EPOCHS, BATCHES, SIZE = 2, 100, 50


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    clock = types.SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(_progress, "time", clock)
    return clock


def record(epoch):
    return {"epoch": epoch, "train_loss": 0.5, "train_accuracy": 0.75, "seconds": 9.0}


def run(display, clock, after_each, compiling=20.0, resumed=(1, 1)):
    """Tells of batches up to the end, with the first one's compilation before it."""
    clock.now += compiling
    for epoch in range(resumed[0], EPOCHS + 1):
        for done in range(resumed[1] if epoch == resumed[0] else 1, BATCHES + 1):
            display.batch(epoch, done, BATCHES)
            clock.now += 1.0
            after_each(epoch, done)
        display.epoch(record(epoch))


def lines_of(clock, **options):
    written = []
    display = Lines(EPOCHS, written.append, every=30.0, batch_size=SIZE)
    run(display, clock, lambda epoch, done: None, **options)
    return "".join(written).splitlines()


def test_lines_have_the_speed_and_the_time_left(clock):
    lines = lines_of(clock)
    assert lines == [
        # 11 s after the beginning of batches, of which there is one in a second
        "epoch 1/2  batch 11/100  50 examples/s  0:03:09 left",
        "epoch 1/2  batch 41/100  50 examples/s  0:02:39 left",
        "epoch 1/2  batch 71/100  50 examples/s  0:02:09 left",
        "epoch 1/2  train loss 0.5000  train accuracy  75.00%  9.0 s",
        "epoch 2/2  batch 31/100  50 examples/s  0:01:09 left",
        "epoch 2/2  batch 61/100  50 examples/s  0:00:39 left",
        "epoch 2/2  batch 91/100  50 examples/s  0:00:09 left",
        "epoch 2/2  train loss 0.5000  train accuracy  75.00%  9.0 s",
    ]


def test_a_run_that_goes_on_counts_what_it_does_itself(clock):
    """Not the 140 batches that were done before, which took it no time."""
    lines = lines_of(clock, resumed=(2, 41))
    assert lines[0] == "epoch 2/2  batch 51/100  50 examples/s  0:00:49 left"


def test_days_are_said(clock):
    written = []
    display = Lines(1, written.append, every=30.0, batch_size=10_000)
    for done in range(1, 4):
        display.batch(1, done, 5000)
        clock.now += 40.0
    # a batch in 40 s, 4997 of them left
    assert written[-1].endswith("batch 3/5000  250 examples/s  2 days, 7:31:20 left\n")


def test_the_first_batch_has_no_speed_yet(clock):
    written = []
    display = Lines(1, written.append, every=30.0, batch_size=SIZE)
    clock.now += 60.0  # compiling
    display.batch(1, 1, BATCHES)
    assert written == ["epoch 1/1  batch 1/100  \n"]


@pytest.fixture
def bar(clock, monkeypatch):
    """Rich's bar, drawn into a string on a terminal that is wide."""
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr("rich.console.Console", lambda **options: console)
    with _progress._rich_bar() as rich:
        yield rich, Bar(EPOCHS, rich, SIZE), drawn


def test_the_bar_has_the_speed_and_the_time_left(bar, clock):
    rich, display, drawn = bar
    seen = {}

    def look(epoch, done):
        (task,) = rich.tasks
        seen[epoch, done] = task.fields["speed"], task.completed, task.total
        assert task.description == f"epoch {epoch}/{EPOCHS}"

    run(display, clock, look)
    assert seen[1, 1] == ("", 1, 200)
    assert seen[1, 2] == ("50 examples/s  0:03:18 left", 2, 200)
    assert seen[1, 100] == ("50 examples/s  0:01:40 left", 100, 200)
    assert seen[2, 100] == ("50 examples/s  0:00:00 left", 200, 200)
    rich.refresh()
    text = drawn.getvalue()
    assert "epoch 1/2  train loss 0.5000  train accuracy  75.00%  9.0 s\n" in text
    last = text.splitlines()[-1]
    for words in ["epoch 2/2", "200/200 batches", "50 examples/s  0:00:00 left"]:
        assert words in last


def test_compiling_is_said(bar):
    rich, _, drawn = bar
    rich.refresh()
    assert "compiling" in drawn.getvalue()


@pytest.mark.parametrize(("terminal", "kind"), [(True, Bar), (False, Lines)])
def test_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch, terminal, kind):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with _progress.shown(2, True, 50) as display:
        assert type(display) is kind


def test_lines_where_rich_is_not(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with _progress.shown(2, True, 50) as display:
        assert type(display) is Lines


def test_fit_tells_how_many_examples_a_batch_has(clock, capsys, monkeypatch):
    """Every look at the clock finds it 20 s later; a batch has one to three looks."""

    def monotonic():
        clock.now += 20.0
        return clock.now

    monkeypatch.setattr(clock, "monotonic", monotonic)
    fitted(classes(20_000), epochs=1, batch_size=2000, progress=True)
    within = [x for x in capsys.readouterr().err.splitlines() if "batch" in x]
    speeds = [re.search(r"(\d+) examples/s", line) for line in within[1:]]
    assert speeds
    assert all(2000 / 60 - 1 <= int(speed[1]) <= 2000 / 20 for speed in speeds)
