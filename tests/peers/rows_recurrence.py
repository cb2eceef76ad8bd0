"""Recurrences: Flax's cells in its `RNN`, with carry, lengths and both directions."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from peer_table import Peer

import funcnn as fn

BATCH, TIME, INPUTS, HIDDEN = 3, 5, 2, 4
LENGTHS = np.array([5, 3, 1], np.int32)
MASK = np.arange(TIME) < LENGTHS[:, None]


def _dense(kernels, biases, names):
    """Flax's parameters for kernels and biases that stand side by side."""
    kernels = jnp.split(kernels, len(names), axis=-1)
    if biases is None:
        return {n: {"kernel": k} for n, k in zip(names, kernels)}
    biases = jnp.split(biases, len(names), axis=-1)
    return {n: {"kernel": k, "bias": b} for n, k, b in zip(names, kernels, biases)}


def _rnn(p):
    kernels = p["kernel"], p["recurrent_kernel"]
    return _dense(kernels[0], p["bias"], "i") | _dense(kernels[1], None, "h")


def _lstm(p):
    return _dense(p["kernel"], None, ["ii", "if", "ig", "io"]) | _dense(
        p["recurrent_kernel"], p["bias"], ["hi", "hf", "hg", "ho"]
    )


def _gru(p):
    inputs = _dense(p["kernel"], p["bias"], ["ir", "iz", "in"])
    hidden = _dense(p["recurrent_kernel"], None, ["hr", "hz", "hn"])
    return inputs | hidden | {"hn": hidden["hn"] | {"bias": p["recurrent_bias"]}}


KINDS = {
    "rnn": (fn.RNN, fn.rnn, _rnn, [nn.SimpleCell]),
    "lstm": (fn.LSTM, fn.lstm, _lstm, [nn.LSTMCell, nn.OptimizedLSTMCell]),
    "gru": (fn.GRU, fn.gru, _gru, [nn.GRUCell]),
}


def _shapes(name, gates):
    width = gates * HIDDEN
    shapes = {"kernel": (INPUTS, width), "recurrent_kernel": (HIDDEN, width)}
    shapes |= {"bias": (width,)}
    return shapes | ({"recurrent_bias": (HIDDEN,)} if name == "gru" else {})


def _peers():
    for name, gates in (("rnn", 1), ("lstm", 4), ("gru", 3)):
        layer, op, parameters, cells = KINDS[name]
        arrays = _shapes(name, gates), (BATCH, TIME, INPUTS)
        state = (BATCH, HIDDEN)
        carry = [state, state] if name == "lstm" else state
        for cell in cells:
            yield _whole(cell, layer, parameters, arrays)
            for reverse in (False, True):
                yield _with_lengths(cell, op, parameters, (*arrays, carry), reverse)


def _whole(cell, layer, parameters, arrays):
    theirs = nn.RNN(cell(HIDDEN))
    return cell.__name__, Peer(
        lambda params, x: layer(HIDDEN).apply(params, (), x)[0],
        lambda params, x: theirs.apply({"params": {"cell": parameters(params)}}, x),
        arrays,
    )


def _with_lengths(cell, op, parameters, arrays, reverse):
    theirs = nn.RNN(cell(HIDDEN), reverse=reverse, keep_order=True, return_carry=True)

    def ours(params, x, carry):
        carry = tuple(carry) if isinstance(carry, list) else carry
        y, last = op(x, **params, carry=carry, mask=MASK, reverse=reverse)
        return y * MASK[..., None], last

    def of_flax(params, x, carry):
        # whose carry is (c, h), and whose outputs go on in the padding
        pair = isinstance(carry, list)
        last, y = theirs.apply(
            {"params": {"cell": parameters(params)}},
            x,
            initial_carry=tuple(carry[::-1]) if pair else carry,
            seq_lengths=LENGTHS,
        )
        return y * MASK[..., None], tuple(last[::-1]) if pair else last

    where = " from the end" if reverse else ""
    return f"{cell.__name__} with lengths{where}", Peer(ours, of_flax, arrays)


def _both(params, x):
    cells = [nn.OptimizedLSTMCell(HIDDEN), nn.OptimizedLSTMCell(HIDDEN)]
    model = nn.Bidirectional(*map(nn.RNN, cells))
    forward, backward = map(_lstm, params)
    variables = {"forward_rnn": {"cell": forward}, "backward_rnn": {"cell": backward}}
    return model.apply({"params": variables}, x)


PEERS = dict(_peers()) | {
    "Bidirectional": Peer(
        lambda params, x: fn.Bidirectional(fn.LSTM(HIDDEN)).apply(tuple(params), (), x)[
            0
        ],
        _both,
        ([_shapes("lstm", 4), _shapes("lstm", 4)], (BATCH, TIME, INPUTS)),
    ),
}
