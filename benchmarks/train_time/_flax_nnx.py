"""The training of `funcnn train` in Flax NNX."""

from typing import Any

import jax
import optax
from flax import nnx

from benchmarks.train_time import _schedule as s


class CNN(nnx.Module):
    """The net of `funcnn.models.cnn`."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(1, 32, (3, 3), rngs=rngs)
        self.conv2 = nnx.Conv(32, 64, (3, 3), rngs=rngs)
        self.dropout1 = nnx.Dropout(0.25, rngs=rngs)
        self.hidden = nnx.Linear(49 * 64, 128, rngs=rngs)
        self.dropout2 = nnx.Dropout(0.5, rngs=rngs)
        self.out = nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """The logits."""
        for conv in (self.conv1, self.conv2):
            x = nnx.max_pool(nnx.relu(conv(x)), (2, 2), (2, 2))
        x = self.dropout1(x.reshape(x.shape[0], -1))
        return self.out(self.dropout2(nnx.relu(self.hidden(x))))


@nnx.jit(donate_argnums=(0, 1))
def step(model: Any, optimizer: Any, images: Any, labels: Any) -> jax.Array:
    """One step, and its loss."""

    def loss_fn(model: Any) -> jax.Array:
        logits = model(images)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean()

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    optimizer.update(model, grads)
    return loss


@nnx.jit
def accuracy(model: Any, images: Any, labels: Any) -> jax.Array:
    """The share of images that are classified right."""
    return (model(images).argmax(-1) == labels).mean()


model = CNN(nnx.Rngs(0))
schedule = optax.cosine_decay_schedule(s.RATE, s.STEPS)
optimizer = nnx.Optimizer(model, optax.adam(schedule), wrt=nnx.Param)
tested = nnx.view(model, deterministic=True)  # the same arrays, no dropout
for epoch in s.epochs():
    for batch in epoch:
        step(model, optimizer, *batch)
    last = float(accuracy(tested, *s.DATA.test))
s.said(last)
