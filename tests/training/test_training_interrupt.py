"""Ctrl-C ends `fit` between two steps, with everything that was reached."""

import os
import signal
import threading

import chex
import jax
import pytest
from training_examples import (
    ADAM,
    LOSS,
    MODEL,
    TRAIN,
    Recorder,
    fitted,
    training,
)

import funcnn as fn


@pytest.fixture(autouse=True)
def handler():
    """In place of pytest's, so that a Ctrl-C that `fit` misses fails one test only."""

    def unexpected(number, frame):
        raise AssertionError("Ctrl-C came through to the handler from before")

    before = signal.signal(signal.SIGINT, unexpected)
    yield unexpected
    signal.signal(signal.SIGINT, before)


def press():
    os.kill(os.getpid(), signal.SIGINT)


class PressAt(Recorder):
    """Presses Ctrl-C when told of the given batches."""

    def __init__(self, *places):
        super().__init__()
        self.places = places

    def batch(self, epoch, done, total):
        super().batch(epoch, done, total)
        if (epoch, done) in self.places:
            press()


def test_ctrl_c_returns_what_was_reached(handler):
    progress = PressAt((2, 2))
    state, history = fitted(epochs=5, progress=progress)
    assert history.interrupted is True
    assert [record["epoch"] for record in history] == [1]
    assert state.step == 4 + 2
    assert progress.calls[-1] == (2, 2, 4)
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_state_after_ctrl_c_is_usable():
    state, _ = fitted(epochs=5, progress=PressAt((1, 3)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    chex.assert_tree_all_finite((state.params, state.opt_state))
    y, _ = MODEL.apply(state.params, state.state, TRAIN[0])
    assert y.shape == (40, 2)


def test_ctrl_c_in_on_epoch():
    # An epoch that ended is in the history, and no step of the next was made.
    _, history = fitted(epochs=5, on_epoch=lambda state, record: press())
    assert len(history) == 1
    assert history.interrupted is True


def test_ctrl_c_in_the_last_epoch_s_end_loses_nothing():
    state, history = fitted(epochs=1, on_epoch=lambda state, record: press())
    assert len(history) == 1
    assert state.step == 4


def test_a_second_ctrl_c_raises_at_once(handler):
    class PressTwice(Recorder):
        def batch(self, epoch, done, total):
            super().batch(epoch, done, total)
            press()
            press()

    progress = PressTwice()
    with pytest.raises(KeyboardInterrupt):
        fitted(progress=progress)
    assert progress.calls == [(1, 1, 4)]
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_handler_is_restored_without_ctrl_c(handler):
    _, history = fitted()
    assert history.interrupted is False
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_handler_is_restored_when_something_raises(handler):
    def failing(state, record):
        raise RuntimeError("in on_epoch")

    with pytest.raises(RuntimeError, match="in on_epoch"):
        fitted(on_epoch=failing)
    assert signal.getsignal(signal.SIGINT) is handler


def test_fit_runs_outside_the_main_thread(handler):
    # Where Python delivers no signals and lets nobody set a handler.
    results = []
    thread = threading.Thread(target=lambda: results.append(fitted(epochs=1)))
    thread.start()
    thread.join()
    ((state, history),) = results
    assert state.step == 4
    assert isinstance(history, training.History)
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_seed_and_epoch_resume_what_ctrl_c_ended():
    # What DESIGN promises: a run goes on anywhere with three numbers.
    whole, _ = fitted(epochs=1)
    state, _ = fitted(epochs=1, progress=PressAt((1, 2)))
    step = training.make_step(LOSS, ADAM, stop_at_nonfinite=True)
    for batch in fn.data.batches(TRAIN, 10, seed=0, epoch=1, start=2):
        state, _ = step(state, batch)
    chex.assert_trees_all_equal(state, whole)
