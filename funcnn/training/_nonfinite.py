"""A run that stopped because a number was not finite."""

from typing import Any

import jax

from funcnn.gradients import find_nonfinite
from funcnn.training._loss import LossFunction
from funcnn.training._state import TrainState


class NonFiniteError(ArithmeticError):
    """A loss or gradient has a NaN or an infinity.

    Attributes:
      train_state: what was there before that step.
      history: the records of the epochs that were finished.
    """

    def __init__(self, message: str, train_state: TrainState, history: Any) -> None:
        super().__init__(message)
        self.train_state, self.history = train_state, history


def where_nonfinite(loss_fn: LossFunction, train_state: TrainState, batch: Any) -> str:
    """Which operation of this step makes the first number that is not finite."""
    _, params, state, _, key = train_state
    own = jax.random.fold_in(key, train_state.step)

    def loss(params: Any, state: Any, batch: Any) -> jax.Array:
        return loss_fn(params, state, batch, key=own, train=True)[0]

    try:
        return str(find_nonfinite(loss, params, state, batch))
    except Exception as error:  # it runs the user's code in another way than the step
        return f"where it comes from could not be found: {error}"
