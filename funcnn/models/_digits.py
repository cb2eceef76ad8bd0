"""Classifiers of small grey images."""

from funcnn.layers import Chain, Conv, Dense, Dropout, Flatten, MaxPool
from funcnn.ops import relu


def mlp(classes: int) -> Chain:
    """A net of two layers: (batch, ...) -> logits (batch, classes)."""
    return Chain(Flatten(), Dense(128), relu, Dense(classes))


def cnn(classes: int) -> Chain:
    """A convolutional net: (batch, height, width, c) -> logits (batch, classes)."""
    return Chain(
        Conv(32, (3, 3)),
        relu,
        MaxPool((2, 2)),
        Conv(64, (3, 3)),
        relu,
        MaxPool((2, 2)),
        Flatten(),
        Dropout(0.25),
        Dense(128),
        relu,
        Dropout(0.5),
        Dense(classes),
    )
