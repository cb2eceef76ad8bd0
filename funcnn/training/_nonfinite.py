"""A run that stopped because a number was not finite."""

from typing import Any

import jax

from funcnn.gradients import find_nonfinite
from funcnn.parallel._placing import on_host
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
    """Which operation of this step makes the first number that is not finite.

    With several processes all have to call this together.
    """

    def loss(params: Any, state: Any, batch: Any) -> jax.Array:
        return loss_fn(params, state, batch, key=own, train=True)[0]

    try:
        _, params, state, _, key = train_state
        step = train_state.step
        if jax.process_count() > 1:  # operations one by one take arrays of one process
            key, step = key.addressable_data(0), step.addressable_data(0)
            params, state, batch = jax.tree.map(on_host, (params, state, batch))
        own = jax.random.fold_in(key, step)
        return str(find_nonfinite(loss, params, state, batch))
    except Exception as error:  # it runs the user's code in another way than the step
        return f"where it comes from could not be found: {error}"
