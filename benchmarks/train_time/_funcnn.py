"""The training of `funcnn train` as a script, without what the command adds."""

import jax
import optax

import funcnn as fn
from benchmarks.train_time import _schedule as s
from funcnn.models import cnn

model = cnn(10)
optimizer = optax.adam(optax.cosine_decay_schedule(s.RATE, s.STEPS))
metrics = {"accuracy": fn.training.accuracy}
loss_fn = fn.training.supervised(model, fn.softmax_cross_entropy, metrics)
example = jax.numpy.asarray(s.DATA.train[0][: s.BATCH])
key = jax.random.key(0)
_, history = fn.training.fit(
    loss_fn,
    optimizer,
    fn.training.TrainState.create(model, optimizer, key, example),
    s.DATA.train,
    s.DATA.test,
    epochs=s.EPOCHS,
    batch_size=s.BATCH,
)
s.said(history[-1]["test_accuracy"])
