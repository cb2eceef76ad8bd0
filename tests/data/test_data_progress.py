"""The bars of downloads."""

import io
import logging

import pooch
import pytest
from rich.console import Console
from served_files import FILES, HASHES

from funcnn.data.fetching import fetch_all
from funcnn.data.progress import DownloadBar, shown
from funcnn.data.sources import Source


def test_bars_are_drawn_on_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with shown(True, console) as bars:
        bar = DownloadBar(bars, "moved")
        bar.total = 2000
        bar.update(5000)
        bar.reset()
        bar.update(2000)
        bar.close()
        failed = DownloadBar(bars, "failed")
        failed.remove()
        DownloadBar(bars, "cached")
        assert bar.total == 2000
        assert [task.completed for task in bars.tasks] == [2000, 0]
    drawn = console.file.getvalue()
    assert "moved" in drawn
    assert "2.0/2.0 kB" in drawn
    assert "failed" not in drawn
    assert "cached" not in drawn


@pytest.mark.parametrize(("visible", "terminal"), [(True, False), (False, True)])
def test_no_bars_elsewhere(visible, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    with shown(visible, console) as bars:
        bar = DownloadBar(bars, "file")
        bar.total = 0
        bar.update(1)
    assert console.file.getvalue() == ""


def test_the_last_frame_has_one_bar_for_each_file(serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    wrong, _ = serve(dict.fromkeys(FILES, b"wrong"))
    good, _ = serve(FILES)
    fetch_all(Source((wrong, good), HASHES), tmp_path, progress=True)
    erased = "\x1b[2K"
    last_frame = capsys.readouterr().err.rpartition(erased)[2]
    assert [last_frame.count(name) for name in FILES] == [1, 1]
    assert "120.0/120.0 kB" in last_frame


def test_poochs_news_is_kept_from_the_bars(monkeypatch):
    logger = pooch.get_logger()
    monkeypatch.setattr(logger, "level", logging.INFO)
    with shown(False):
        assert logger.level == logging.WARNING
    assert logger.level == logging.INFO


def test_nothing_is_printed_without_progress(serve, tmp_path, capfd):
    mirror, _ = serve(FILES)
    fetch_all(Source((mirror,), HASHES), tmp_path, progress=False)
    assert capfd.readouterr() == ("", "")
