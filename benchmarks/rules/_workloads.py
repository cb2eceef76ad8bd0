"""What each rule is measured on: an op at a size that is usual where it is used.

A function of a family yields (name, op, arguments). Arguments that are floats are those
that are differentiated; options are in the op, which is a function of arrays alone.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from funcnn import ops


class Workload(NamedTuple):
    """An op, and arrays to measure it on; `name` tells workloads of one op apart."""

    name: str
    op: Callable[..., Any]
    args: tuple[jax.Array, ...]


def workloads(names: list[str] | None = None) -> Iterator[Workload]:
    """All of them, or those whose name begins with one of the names."""
    for family in FAMILIES:
        for name, op, make in family():
            if names is None or any(name.startswith(given) for given in names):
                yield Workload(name, op, make(Draw(name)))


def shapes(names: list[str] | None, batch: int) -> Iterator[Workload]:
    """As `workloads`, with so many times the batch, and shapes in place of arrays."""
    for family in FAMILIES:
        for name, op, make in family():
            if names is None or any(name.startswith(given) for given in names):
                args = jax.eval_shape(functools.partial(make, _Shapes(batch)))
                yield Workload(name, op, args)


class Draw:
    """Arrays at random, the same for a name in every process."""

    def __init__(self, name: str) -> None:
        self._rng = np.random.default_rng(list(name.encode()))

    def normal(self, *shape: int) -> jax.Array:
        """Standard normal, in float32."""
        return jnp.asarray(self._rng.standard_normal(shape, np.float32))

    def weights(self, *shape: int) -> jax.Array:
        """Normal with the variance 1 / (all axes but the last)."""
        return self.normal(*shape) / np.sqrt(np.prod(shape[:-1])).astype(np.float32)

    def table(self, *shape: int) -> jax.Array:
        """As `normal`, of what has no batch though it has several axes."""
        return self.normal(*shape)

    def zeros(self, *shape: int) -> jax.Array:
        """Zeros in float32."""
        return jnp.zeros(shape)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> jax.Array:
        """Uniform in float32."""
        return jnp.asarray(self._rng.uniform(low, high, shape).astype(np.float32))

    def integers(self, *shape: int, below: int) -> jax.Array:
        """Uniform below a number, in int32."""
        return jnp.asarray(self._rng.integers(0, below, shape, np.int32))

    def distribution(self, *shape: int) -> jax.Array:
        """Positive, with sums of 1 over the last axis."""
        return jax.nn.softmax(self.normal(*shape))


class _Shapes(Draw):
    """Zeros in place of numbers, with a larger batch: of the first of several axes."""

    def __init__(self, batch: int) -> None:
        self._batch = batch

    def normal(self, *shape: int) -> jax.Array:
        return jnp.zeros(self._larger(shape))

    def weights(self, *shape: int) -> jax.Array:
        return jnp.zeros(shape)

    def table(self, *shape: int) -> jax.Array:
        return jnp.zeros(shape)

    def zeros(self, *shape: int) -> jax.Array:
        return self.normal(*shape)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> jax.Array:
        return self.normal(*shape)

    def integers(self, *shape: int, below: int) -> jax.Array:
        return jnp.zeros((self._batch * shape[0], *shape[1:]), jnp.int32)

    def _larger(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) < 2:  # biases and scales
            return shape
        return (self._batch * shape[0], *shape[1:])


Row = tuple[str, Callable[..., Any], Callable[[Draw], tuple[jax.Array, ...]]]

ENTRIES = 4096, 512  # of activations between layers
IMAGES = 32, 32, 32, 64


def _pointwise() -> Iterator[Row]:
    names = (
        "celu elu gelu hard_sigmoid hard_silu hard_tanh leaky_relu log_cosh "
        "log_sigmoid mish relu relu6 relu_squared selu sigmoid silu sin sinc "
        "soft_sign softplus squareplus tanh round_ste sign_ste"
    )
    for name in names.split():
        yield name, getattr(ops, name), lambda draw: (draw.normal(*ENTRIES),)
    exact = lambda x: ops.gelu(x, approximate=False)  # noqa: E731
    yield "gelu exact", exact, lambda draw: (draw.normal(*ENTRIES),)
    yield "log1mexp", ops.log1mexp, lambda d: (-d.uniform(*ENTRIES, low=0.01, high=5),)
    yield "xlogx", ops.xlogx, lambda draw: (draw.uniform(*ENTRIES),)
    yield "norm", ops.norm, lambda draw: (draw.normal(*ENTRIES),)
    yield "prelu", ops.prelu, lambda d: (d.normal(*ENTRIES), d.uniform(ENTRIES[1]))


def _gated() -> Iterator[Row]:
    for name in "glu swiglu geglu".split():
        yield name, getattr(ops, name), lambda draw: (draw.normal(2048, 2048),)
    exact = lambda x: ops.geglu(x, approximate=False)  # noqa: E731
    yield "geglu exact", exact, lambda draw: (draw.normal(2048, 2048),)


def _surrogates() -> Iterator[Row]:
    def one(draw: Draw) -> tuple[jax.Array, ...]:
        return (draw.normal(*ENTRIES),)

    yield "clip_ste", lambda x: ops.clip_ste(x, -1.0, 1.0), one
    yield "clip_gradient", lambda x: ops.clip_gradient(x, 1.0), one
    yield "scale_gradient", lambda x: ops.scale_gradient(x, 0.5), one
    yield "reverse_gradient", ops.reverse_gradient, one
    yield "fake_quantize", ops.fake_quantize, lambda d: (*one(d), jnp.float32(0.05))


def _products() -> Iterator[Row]:
    yield (
        "affine",
        ops.affine,
        lambda d: (d.normal(2048, 512), d.weights(512, 512), d.normal(512)),
    )
    yield (
        "affine classes",
        ops.affine,
        lambda d: (d.normal(128, 784), d.weights(784, 10), d.normal(10)),
    )
    yield (
        "affine hidden",
        ops.affine,
        lambda d: (d.normal(2048, 128), d.weights(128, 512), d.normal(512)),
    )
    yield (
        "affine narrow",
        ops.affine,
        lambda d: (d.normal(2048, 512), d.weights(512, 128), d.normal(128)),
    )
    yield (
        "low_rank_affine",
        ops.low_rank_affine,
        lambda d: (
            d.normal(2048, 512),
            d.weights(512, 512),
            d.weights(512, 8),
            d.weights(8, 512),
            d.normal(512),
        ),
    )
    yield (
        "bilinear",
        ops.bilinear,
        lambda d: (
            d.normal(256, 64),
            d.normal(256, 64),
            d.weights(64, 64, 64),
            d.normal(64),
        ),
    )
    yield (
        "binary_affine",
        ops.binary_affine,
        lambda d: (d.normal(2048, 512), d.weights(512, 512)),
    )
    yield (
        "einsum heads",
        lambda x, y: ops.einsum("btd,dnh->btnh", x, y),
        lambda d: (d.normal(8, 256, 256), d.weights(256, 4, 64)),
    )
    yield (
        "einsum batched",
        lambda x, y: ops.einsum("bij,bjk->bik", x, y),
        lambda d: (d.normal(32, 128, 128), d.normal(32, 128, 128)),
    )
    yield (
        "embedding",
        ops.embedding,
        lambda d: (d.table(16384, 256), d.integers(8, 256, below=16384)),
    )
    yield (
        "unembed",
        ops.unembed,
        lambda d: (d.normal(1024, 256), d.table(8192, 256)),
    )


def _convolutions() -> Iterator[Row]:
    def images(
        shape: tuple[int, ...], kernel: tuple[int, ...]
    ) -> Callable[[Draw], tuple[jax.Array, ...]]:
        return lambda d: (d.normal(*shape), d.weights(*kernel), d.normal(kernel[-1]))

    yield "conv 1 to 32", ops.conv, images((128, 28, 28, 1), (3, 3, 1, 32))
    yield "conv 3 to 16", ops.conv, images((64, 32, 32, 3), (3, 3, 3, 16))
    yield "conv 16 to 16", ops.conv, images((64, 32, 32, 16), (3, 3, 16, 16))
    yield "conv 32 to 64", ops.conv, images((128, 14, 14, 32), (3, 3, 32, 64))
    yield "conv 64 to 64", ops.conv, images(IMAGES, (3, 3, 64, 64))
    yield (
        "conv stride 2",
        lambda *args: ops.conv(*args, stride=2),
        images((64, 32, 32, 16), (3, 3, 16, 32)),
    )
    yield "conv 1x1", ops.conv, images(IMAGES, (1, 1, 64, 64))
    yield (
        "conv dilated",
        lambda *args: ops.conv(*args, dilation=2),
        images((32, 16, 16, 64), (3, 3, 64, 64)),
    )
    yield (
        "conv in groups",
        lambda *args: ops.conv(*args, groups=4),
        images((32, 16, 16, 64), (3, 3, 16, 64)),
    )
    yield "conv 5x5", ops.conv, images((32, 16, 16, 32), (5, 5, 32, 32))
    yield "causal_conv", ops.causal_conv, images((16, 512, 64), (4, 64, 64))
    yield (
        "conv_transpose",
        lambda *args: ops.conv_transpose(*args, stride=2),
        images((32, 16, 16, 64), (4, 4, 64, 32)),
    )
    yield "depthwise_conv", ops.depthwise_conv, images(IMAGES, (3, 3, 1, 64))
    yield (
        "depthwise_conv stride 2",
        lambda *args: ops.depthwise_conv(*args, stride=2),
        images(IMAGES, (3, 3, 1, 64)),
    )
    yield (
        "separable_conv",
        ops.separable_conv,
        lambda d: (
            d.normal(*IMAGES),
            d.weights(3, 3, 1, 64),
            d.weights(64, 64),
            d.normal(64),
        ),
    )
    yield (
        "conv in scan",
        _three_layers,
        lambda d: (d.normal(64, 14, 14, 64), d.weights(3, 3, 3, 64, 64)),
    )


def _three_layers(x: jax.Array, kernels: jax.Array) -> jax.Array:
    def layer(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, None]:
        return ops.relu(ops.conv(x, kernel)), None

    return jax.lax.scan(layer, x, kernels)[0]


def _pools() -> Iterator[Row]:
    def images(draw: Draw) -> tuple[jax.Array, ...]:
        return (draw.normal(*IMAGES),)

    yield (
        "max_pool 2x2",
        lambda x: ops.max_pool(x, 2),
        lambda d: (d.normal(128, 28, 28, 32),),
    )
    yield (
        "max_pool 3x3 stride 2",
        lambda x: ops.max_pool(x, 3, stride=2, padding="SAME"),
        images,
    )
    yield "min_pool", lambda x: ops.min_pool(x, 2), images
    yield "avg_pool 2x2", lambda x: ops.avg_pool(x, 2), images
    yield (
        "avg_pool 3x3 stride 2",
        lambda x: ops.avg_pool(x, 3, stride=2, padding="SAME", count_include_pad=False),
        images,
    )
    yield "power_mean_pool", lambda x: ops.power_mean_pool(x, 2, 3.0), images
    yield "global_avg_pool", ops.global_avg_pool, images
    yield "global_max_pool", ops.global_max_pool, images
    yield "adaptive_avg_pool", lambda x: ops.adaptive_avg_pool(x, 7), images
    yield "adaptive_max_pool", lambda x: ops.adaptive_max_pool(x, 7), images
    yield "resize_nearest", lambda x: ops.resize_nearest(x, 64), images
    yield "resize_bilinear", lambda x: ops.resize_bilinear(x, 48), images
    yield "pixel_shuffle", lambda x: ops.pixel_shuffle(x, 2), images
    yield "pixel_unshuffle", lambda x: ops.pixel_unshuffle(x, 2), images


def _normalizations() -> Iterator[Row]:
    def rows(draw: Draw) -> tuple[jax.Array, ...]:
        return draw.normal(*ENTRIES), draw.normal(512), draw.normal(512)

    def images(draw: Draw) -> tuple[jax.Array, ...]:
        return draw.normal(*IMAGES), draw.normal(64), draw.normal(64)

    yield "layer_norm", ops.layer_norm, rows
    yield "rms_norm", ops.rms_norm, lambda draw: rows(draw)[:2]
    yield (
        "add_rms_norm",
        ops.add_rms_norm,
        lambda d: (d.normal(*ENTRIES), d.normal(*ENTRIES), d.normal(512)),
    )
    yield "batch_norm", ops.batch_norm, images
    yield (
        "batch_norm_inference",
        ops.batch_norm_inference,
        lambda d: (*images(d), d.normal(64), d.uniform(64, low=0.5, high=2)),
    )
    yield "moments", ops.moments, lambda draw: images(draw)[:1]
    yield "group_norm", lambda *args: ops.group_norm(*args, groups=8), images
    yield "instance_norm", ops.instance_norm, images
    yield "unit_norm", ops.unit_norm, lambda draw: rows(draw)[:1]
    yield (
        "weight_norm",
        ops.weight_norm,
        lambda d: (d.table(1024, 1024), d.normal(1024)),
    )
    yield (
        "spectral_norm",
        ops.spectral_norm,
        lambda d: (d.table(1024, 1024), d.normal(1024)),
    )


def _probabilities() -> Iterator[Row]:
    def rows(draw: Draw) -> tuple[jax.Array, ...]:
        return (draw.normal(4096, 1000),)

    yield "softmax", ops.softmax, rows
    yield "log_softmax", ops.log_softmax, rows
    yield "logsumexp", lambda x: ops.logsumexp(x, -1), rows
    yield (
        "softmax masked",
        lambda x, where: ops.softmax(x, where=where),
        lambda d: (*rows(d), d.uniform(4096, 1000) < 0.7),
    )
    yield "sparsemax", ops.sparsemax, lambda draw: (draw.normal(1024, 256),)
    yield "entmax15", ops.entmax15, lambda draw: (draw.normal(1024, 256),)
    yield "gumbel_softmax", ops.gumbel_softmax, lambda d: (*rows(d), jax.random.key(1))
    yield (
        "gumbel_softmax hard",
        lambda x, key: ops.gumbel_softmax(x, key, hard=True),
        lambda d: (*rows(d), jax.random.key(1)),
    )


def _attentions() -> Iterator[Row]:
    def heads(*shape: int) -> Callable[[Draw], tuple[jax.Array, ...]]:
        return lambda d: (d.normal(*shape), d.normal(*shape), d.normal(*shape))

    attention = ops.dot_product_attention
    causal = lambda *args: attention(*args, causal=True)  # noqa: E731
    yield "attention causal 256", causal, heads(8, 256, 4, 32)
    yield "attention causal 1024", causal, heads(2, 1024, 4, 64)
    yield "attention causal 4096", causal, heads(1, 4096, 4, 64)
    yield "attention 1024", attention, heads(2, 1024, 4, 64)
    yield (
        "attention window",
        lambda *args: attention(*args, causal=True, window=256),
        heads(1, 2048, 4, 64),
    )
    yield (
        "attention bias",
        lambda q, k, v, bias: attention(q, k, v, bias=bias),
        lambda d: (*heads(2, 512, 4, 64)(d), d.table(4, 512, 512)),
    )
    yield (
        "attention grouped",
        causal,
        lambda d: (
            d.normal(2, 512, 8, 64),
            d.normal(2, 512, 2, 64),
            d.normal(2, 512, 2, 64),
        ),
    )
    yield (
        "rotary_embedding",
        ops.rotary_embedding,
        lambda d: (d.normal(8, 512, 8, 64), jnp.arange(512)),
    )


def _recurrences() -> Iterator[Row]:
    def cell(gates: int) -> Callable[[Draw], tuple[jax.Array, ...]]:
        return lambda d: (
            d.normal(32, 128, 64),
            d.weights(64, gates * 256),
            d.weights(256, gates * 256),
            d.normal(gates * 256),
        )

    yield "rnn", ops.rnn, cell(1)
    yield "lstm", ops.lstm, cell(4)
    yield "gru", ops.gru, cell(3)
    yield (
        "linear_recurrence",
        ops.linear_recurrence,
        lambda d: (d.uniform(8, 512, 256), d.normal(8, 512, 256)),
    )
    yield (
        "min_gru",
        ops.min_gru,
        lambda d: (d.normal(8, 512, 256), d.normal(8, 512, 256)),
    )


def _losses() -> Iterator[Row]:
    def pair(draw: Draw) -> tuple[jax.Array, ...]:
        return draw.normal(*ENTRIES), draw.normal(*ENTRIES)

    for name in "absolute_error squared_error l2_loss huber_loss log_cosh_loss".split():
        yield name, getattr(ops, name), pair
    yield "cosine_similarity", ops.cosine_similarity, pair
    yield "cosine_distance", ops.cosine_distance, pair
    yield "poisson_nll", ops.poisson_nll, pair
    yield (
        "triplet_margin_loss",
        ops.triplet_margin_loss,
        lambda d: (*pair(d), *pair(d)[:1]),
    )
    yield (
        "gaussian_nll",
        ops.gaussian_nll,
        lambda d: (pair(d)[0], d.uniform(*ENTRIES, low=0.1, high=2), pair(d)[1]),
    )
    yield (
        "hinge_loss",
        ops.hinge_loss,
        lambda d: (d.normal(*ENTRIES), jnp.sign(d.normal(*ENTRIES))),
    )
    for name in "sigmoid_cross_entropy sigmoid_focal_loss".split():
        yield (
            name,
            getattr(ops, name),
            lambda d: (d.normal(*ENTRIES), d.uniform(*ENTRIES)),
        )
    yield (
        "binary_cross_entropy",
        ops.binary_cross_entropy,
        lambda d: (d.uniform(*ENTRIES, low=0.01, high=0.99), d.uniform(*ENTRIES)),
    )
    yield (
        "dice_loss",
        ops.dice_loss,
        lambda d: (d.normal(16, 64, 64, 8), d.distribution(16, 64, 64, 8)),
    )
    yield (
        "kl_divergence",
        ops.kl_divergence,
        lambda d: (jnp.log(d.distribution(4096, 512)), d.distribution(4096, 512)),
    )
    yield (
        "kl_divergence_with_log_targets",
        ops.kl_divergence_with_log_targets,
        lambda d: (
            jnp.log(d.distribution(4096, 512)),
            jnp.log(d.distribution(4096, 512)),
        ),
    )
    yield (
        "jensen_shannon",
        ops.jensen_shannon,
        lambda d: (d.distribution(4096, 512), d.distribution(4096, 512)),
    )
    yield (
        "info_nce",
        ops.info_nce,
        lambda d: (d.normal(512, 256), d.normal(512, 256)),
    )
    yield (
        "softmax_cross_entropy",
        ops.softmax_cross_entropy,
        lambda d: (d.normal(4096, 1000), d.integers(4096, below=1000)),
    )
    yield (
        "softmax_cross_entropy smoothed",
        lambda x, labels: ops.softmax_cross_entropy(
            x, labels, label_smoothing=0.1, z_loss=1e-4
        ),
        lambda d: (d.normal(4096, 1000), d.integers(4096, below=1000)),
    )
    yield (
        "softmax_cross_entropy with distributions",
        ops.softmax_cross_entropy,
        lambda d: (d.normal(4096, 1000), d.distribution(4096, 1000)),
    )
    yield (
        "linear_cross_entropy",
        ops.linear_cross_entropy,
        lambda d: (
            d.normal(2048, 256),
            d.weights(256, 16384),
            d.integers(2048, below=16384),
        ),
    )
    yield (
        "ctc_loss",
        lambda x, padded, labels, ends: ops.ctc_loss(x, padded, labels, ends),
        lambda d: (
            d.normal(16, 128, 32),
            d.zeros(16, 128),
            1 + d.integers(16, 32, below=31),
            d.zeros(16, 32),
        ),
    )


def _regularizations() -> Iterator[Row]:
    yield (
        "dropout",
        lambda x, key: ops.dropout(x, key, 0.1),
        lambda d: (d.normal(4096, 1024), jax.random.key(0)),
    )
    yield (
        "drop_path",
        lambda x, key: ops.drop_path(x, key, 0.1),
        lambda d: (d.normal(*IMAGES), jax.random.key(0)),
    )
    yield (
        "spatial_dropout",
        lambda x, key: ops.spatial_dropout(x, key, 0.1),
        lambda d: (d.normal(*IMAGES), jax.random.key(0)),
    )


def _flow(kernel: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.tanh(x @ kernel)


def _implicits() -> Iterator[Row]:
    yield (
        "fixed_point",
        lambda kernel, x: ops.fixed_point(_towards(x), kernel, jnp.zeros_like(x)),
        lambda d: (0.5 * d.weights(128, 128), d.normal(256, 128)),
    )
    yield (
        "monotone_root",
        lambda p, low, high: ops.monotone_root(_cubic, p, low, high),
        lambda d: (
            d.normal(4096),
            jnp.full(4096, -10.0),
            jnp.full(4096, 10.0),
        ),
    )
    for name in "ode_adjoint", "ode_checkpointed":
        yield (
            name,
            _integrated(getattr(ops, name)),
            lambda d: (
                d.weights(128, 128),
                d.normal(256, 128),
                jnp.array([0.0, 0.5, 1.0]),
            ),
        )
    yield (
        "sinkhorn",
        lambda cost: ops.sinkhorn(cost, epsilon=0.1),
        lambda d: (d.uniform(256, 256),),
    )
    yield (
        "reversible_sequence",
        lambda kernels, x1, x2: ops.reversible_sequence(_flow, _flow, kernels, x1, x2),
        lambda d: (
            d.weights(8, 128, 128),
            d.normal(512, 128),
            d.normal(512, 128),
        ),
    )


def _towards(x: jax.Array) -> Callable[..., jax.Array]:
    return lambda kernel, z: jnp.tanh(z @ kernel) + 0 * z + jax.lax.stop_gradient(x)


def _cubic(p: jax.Array, x: jax.Array) -> jax.Array:
    return x**3 + x + p


def _integrated(solver: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    return lambda kernel, y0, times: solver(
        lambda kernel, t, y: _flow(kernel, y), kernel, y0, times
    )


FAMILIES = (
    _pointwise,
    _gated,
    _surrogates,
    _products,
    _convolutions,
    _pools,
    _normalizations,
    _probabilities,
    _attentions,
    _recurrences,
    _losses,
    _regularizations,
    _implicits,
)
