"""What is trained: shapes, data, and the work that a step cannot do without.

Every framework builds the same model, fits the same arrays with the same optimizer
(Adam at 1e-3; attention alone, whose "parameters" are query, key and value, plain
gradient descent), and counts as many parameters, its own second biases apart.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

RATE = 1e-3
EMBEDDING_DEVIATION = 0.02  # as in GPT-2
CLASSES = 10

PIXELS, HIDDEN = 784, 128
RESNET_CHANNELS = (16, 32, 64)
VOCABULARY, WIDTH, DEPTH, HEADS, LENGTH = 256, 128, 4, 4, 256
STEPS, INPUTS, FEATURES = 128, 64, 256
# batch, time, heads, features of a head; the rate is so large as the mean's slopes
# are small
ATTENTION, ATTENTION_RATE = (1, 4096, 4, 64), 1e4

# What the machine's ceilings are measured with.
PRODUCT_SIDE = 2048
PRODUCT_FLOPS = 2 * PRODUCT_SIDE**3
MEMORY_NUMBERS = 2**26  # of float32: 256 MB, which no cache holds
MEMORY_BYTES = 2 * 4 * MEMORY_NUMBERS  # read and written

Arrays = tuple[np.ndarray, ...]


@dataclasses.dataclass(frozen=True)
class Workload:
    """One model with its data.

    Attributes:
      name: as on the command line.
      title: a line about it.
      data: makes the arrays that a step gets: inputs and labels, or for attention
        query, key, value and the output that is wanted.
      parameters: how many numbers are trained.
      flops: of the products of one step, forward and backward: what no rule saves.
      checked_steps: how many of the first losses are compared.
      loss_factor: how far the last of them may differ between frameworks, which draw
        their first parameters differently.
    """

    name: str
    title: str
    data: Callable[[], Arrays]
    parameters: int
    flops: float
    checked_steps: int = 30
    loss_factor: float = 2.5


def _labelled(batch: int, *shape: int) -> Callable[[], Arrays]:
    """Noise, each array twice with labels that may differ.

    So the loss cannot go to 0, where gradients get as small as numbers that are slow.
    """

    def data() -> Arrays:
        random = np.random.default_rng(0)
        inputs = random.standard_normal((batch // 2, *shape)).astype(np.float32)
        labels = random.integers(0, CLASSES, batch).astype(np.int32)
        return np.concatenate([inputs, inputs]), labels

    return data


def _text() -> Arrays:
    """Tokens, and for each the one after it."""
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (8, LENGTH + 1))
    tokens = tokens.astype(np.int32)
    return np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(tokens[:, 1:])


def _attended() -> Arrays:
    random = np.random.default_rng(0)
    return tuple(random.standard_normal(ATTENTION).astype(np.float32) for _ in range(4))


def _convolutions(*layers: tuple[int, int, int, int], batch: int) -> float:
    """FLOPs of (side of the output, side of the kernel, from, to channels)."""
    forward = [2 * n**2 * k**2 * c * d * batch for n, k, c, d in layers]
    return 3 * sum(forward) - forward[0]  # the first needs no gradient of its input


def _resnet_layers() -> list[tuple[int, int, int, int]]:
    layers, inputs = [(32, 3, 3, RESNET_CHANNELS[0])], RESNET_CHANNELS[0]
    for stage, channels in enumerate(RESNET_CHANNELS):
        side = 32 >> stage
        if channels != inputs:
            layers.append((side, 1, inputs, channels))
        layers += [(side, 3, inputs, channels), *[(side, 3, channels, channels)] * 3]
        inputs = channels
    return layers


def _resnet_parameters() -> int:
    """Kernels, a scale and a bias of each norm, and the last layer."""
    layers = _resnet_layers()
    kernels = sum(k**2 * c * d for _, k, c, d in layers)
    return kernels + sum(2 * d for *_, d in layers) + (64 + 1) * CLASSES


def _causal_products(batch: int, time: int, features: int, number: int) -> float:
    """FLOPs of `number` products of queries with keys, of which half is seen."""
    return number * batch * time**2 * features


_BLOCK = 12 * WIDTH**2  # of kernels: four of attention, twice four of the feed-forward
_BLOCK_REST = (4 + 4 + 1 + 2 * 2) * WIDTH  # their biases, and two norms
_TOKENS = 8 * LENGTH
# Seven: scores and outputs; backward, scores again, for none are kept, and the
# gradients of weights, values, queries and keys.
_SEVEN = 7

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "mlp",
            "MLP 784-128-10, batch 128",
            _labelled(128, PIXELS),
            (PIXELS + 1) * HIDDEN + (HIDDEN + 1) * CLASSES,
            2 * 128 * (2 * PIXELS * HIDDEN + 3 * HIDDEN * CLASSES),
        ),
        Workload(
            "cnn",
            "CNN conv32-pool-conv64-pool-128-10, 128 x 28 x 28",
            _labelled(128, 28, 28, 1),
            (9 + 1) * 32 + (9 * 32 + 1) * 64 + (49 * 64 + 1) * 128 + 129 * CLASSES,
            _convolutions((28, 3, 1, 32), (14, 3, 32, 64), batch=128)
            + 6 * 128 * (49 * 64 * 128 + 128 * CLASSES),
        ),
        Workload(
            "resnet",
            "ResNet 3 x 2 blocks, 16/32/64 channels, 64 x 32 x 32",
            _labelled(64, 32, 32, 3),
            _resnet_parameters(),
            _convolutions(*_resnet_layers(), batch=64) + 6 * 64 * 64 * CLASSES,
        ),
        Workload(
            "gpt",
            "GPT 0.9 M, d 128, 4 layers, 8 x 256 tokens",
            _text,
            DEPTH * (_BLOCK + _BLOCK_REST)
            + (LENGTH + VOCABULARY) * WIDTH  # embeddings
            + 2 * WIDTH
            + (WIDTH + 1) * VOCABULARY,
            6 * _TOKENS * (DEPTH * _BLOCK + WIDTH * VOCABULARY)
            + DEPTH * _causal_products(8, LENGTH, WIDTH, _SEVEN),
        ),
        Workload(
            "lstm",
            "LSTM 64 to 256, 128 steps, batch 32, last state to 10",
            _labelled(32, STEPS, INPUTS),
            (INPUTS + FEATURES + 1) * 4 * FEATURES + (FEATURES + 1) * CLASSES,
            2 * 32 * STEPS * 4 * FEATURES * (2 * INPUTS + 3 * FEATURES),
        ),
        Workload(
            "attention",
            "causal attention, B1 H4 T4096 D64, forward and backward",
            _attended,
            3 * int(np.prod(ATTENTION)),
            _causal_products(1, ATTENTION[1], ATTENTION[2] * ATTENTION[3], _SEVEN),
            checked_steps=5,
            loss_factor=1.001,  # all start from the same arrays
        ),
    )
}
