"""Sinks: the records of a run in files that other programs read."""

import contextlib
import errno
import json
import math
import os
import resource
import signal
import sys
import warnings

import pytest
from event_files import scalars
from training_examples import TEST, fitted, training

from funcnn.training import JsonLines, TensorBoard


def lines(file):
    text = file.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line, parse_constant=_refused) for line in text.splitlines()]


def _refused(word):
    raise AssertionError(f"{word} is no JSON")


def test_a_line_per_record(tmp_path):
    file = tmp_path / "metrics.jsonl"
    _, history = fitted(test_data=TEST, sinks=[JsonLines(file)])
    assert lines(file) == list(history)
    assert len(history) == 2


def test_what_is_no_number_is_null(tmp_path):
    file = tmp_path / "lines"
    JsonLines(file)({"a": math.nan, "b": math.inf, "c": -math.inf, "d": 0.5, "e": 1})
    assert lines(file) == [{"a": None, "b": None, "c": None, "d": 0.5, "e": 1}]


def test_restart_keeps_these_records_and_no_others(tmp_path):
    file = tmp_path / "lines"
    sink = JsonLines(file)
    sink.restart([])
    assert not file.exists()
    file.write_text('{"epoch": 1}\n{"epoch": 2}\n{"ep')
    sink.restart([{"epoch": 1, "loss": math.nan}])
    assert lines(file) == [{"epoch": 1, "loss": None}]
    sink({"epoch": 2})
    assert lines(file) == [{"epoch": 1, "loss": None}, {"epoch": 2}]
    sink.restart([])
    assert lines(file) == []


def test_every_line_is_synced_and_so_is_the_name_of_a_new_file(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def fsync(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    sink = JsonLines(tmp_path / "lines")
    sink({"epoch": 1})
    assert synced == [str(tmp_path / "lines"), str(tmp_path)]
    sink({"epoch": 2})
    assert synced[2:] == [str(tmp_path / "lines")]


def _full(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_line_that_the_disk_has_no_room_for_comes_with_the_next(
    tmp_path, monkeypatch
):
    file = tmp_path / "metrics.jsonl"
    sink = JsonLines(file)
    sink({"epoch": 1})
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", _full)
        for epoch in (2, 3):
            with pytest.raises(OSError, match="No space left") as caught:
                sink({"epoch": epoch})
            assert caught.value.filename == str(file)
            assert lines(file) == [{"epoch": 1}]
    sink({"epoch": 4})
    assert [line["epoch"] for line in lines(file)] == [1, 2, 3, 4]


NO_ROOM = r"No space left|File too large"


@contextlib.contextmanager
def room_for(size):
    """Files may have so many bytes: the system writes what it has room for."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_file_that_can_take_half_a_line_has_none_of_it(tmp_path):
    file = tmp_path / "metrics.jsonl"
    sink = JsonLines(file)
    sink({"epoch": 1})
    with room_for(file.stat().st_size + 5), pytest.raises(OSError, match=NO_ROOM):
        sink({"epoch": 2})
    assert lines(file) == [{"epoch": 1}]
    sink({"epoch": 3})
    assert [line["epoch"] for line in lines(file)] == [1, 2, 3]


def test_a_sink_that_fails_does_not_end_the_run(tmp_path):
    """Nor does it keep the record from the others."""
    file, failed = tmp_path / "lines", []

    def fails_once(record):
        if record["epoch"] == 1:
            failed.append(record)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, history = fitted(epochs=2, sinks=[fails_once, JsonLines(file)])
    assert ["a record was not written" in str(w.message) for w in caught] == [True]
    assert history.not_told == ""  # of the last one
    assert len(failed) == 1
    assert lines(file) == list(history)


def test_a_sink_that_fails_to_the_end_is_told_of(tmp_path):
    def fails(record):
        raise OSError(errno.ENOSPC, "No space left on device", "there")

    with pytest.warns(UserWarning, match="a record was not written"):
        _, history = fitted(epochs=1, sinks=[fails])
    assert "there" in history.not_told


def test_a_run_that_goes_on_has_each_line_once(tmp_path):
    file, records = tmp_path / "lines", []
    options = {"checkpoints": tmp_path / "checkpoints"}
    fitted(epochs=2, sinks=[JsonLines(file)], **options)
    with open(file, "a") as more:  # of an epoch that no checkpoint has
        more.write('{"epoch": 3, "train_loss": 7.0}\n')
    _, history = fitted(epochs=4, sinks=[JsonLines(file), records.append], **options)
    assert lines(file) == list(history)
    assert [record["epoch"] for record in records] == [3, 4]


def test_tensorboard_gets_all_figures_by_the_epoch(tmp_path):
    _, history = fitted(test_data=TEST, sinks=[TensorBoard(tmp_path / "events")])
    (file,) = (tmp_path / "events").iterdir()
    found = scalars(file)
    assert {step for _, step in found} == {1, 2}
    for record in history:
        for name, value in record.items():
            tag = name.replace("train_", "train/").replace("test_", "test/")
            assert found.pop((tag, record["epoch"])) == pytest.approx(value, rel=1e-6)
    assert not found


def test_each_run_has_a_file_of_events_of_its_own(tmp_path):
    """In one folder too, and in the same second."""
    for epoch in (1, 2):
        TensorBoard(tmp_path)({"epoch": epoch, "train_loss": 0.5})
    found = [scalars(file) for file in sorted(tmp_path.iterdir())]
    assert [{step for _, step in events} for events in found] == [{1}, {2}]


def test_events_that_the_disk_has_no_room_for_come_with_the_next(tmp_path):
    sink = TensorBoard(tmp_path)
    sink({"epoch": 1, "train_loss": 0.5})
    (file,) = tmp_path.iterdir()
    with room_for(file.stat().st_size + 5), pytest.raises(OSError, match=NO_ROOM):
        sink({"epoch": 2, "train_loss": 0.25})
    sink({"epoch": 3, "train_loss": 0.125})
    losses = {step: x for (tag, step), x in scalars(file).items() if "loss" in tag}
    assert losses == {1: 0.5, 2: 0.25, 3: 0.125}


def test_tensorboard_says_when_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(ImportError):
        training.TensorBoard(tmp_path)
