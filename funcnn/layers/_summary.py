"""A model as a table: what each layer gives, holds and costs."""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from funcnn._tables import text_table
from funcnn.layers._layer import Application, Layer, apply_part, code, observed


class SummaryRow(NamedTuple):
    """One layer without parts; `output` is its output's shape."""

    path: str
    layer: str
    output: Any
    parameters: int
    forward_flops: int
    backward_flops: int


@dataclasses.dataclass(frozen=True)
class Summary:
    """One row per layer without parts, and the sums; prints as a table."""

    rows: tuple[SummaryRow, ...]

    @property
    def parameters(self) -> int:
        """The number of trained numbers."""
        return sum(row.parameters for row in self.rows)

    @property
    def forward_flops(self) -> int:
        """Floating-point operations of a forward pass over the whole batch."""
        return sum(row.forward_flops for row in self.rows)

    @property
    def backward_flops(self) -> int:
        """Floating-point operations of a backward pass over the whole batch."""
        return sum(row.backward_flops for row in self.rows)

    def __str__(self) -> str:
        """The table."""
        header = ["layer", "", "output", "parameters", "forward", "backward"]
        cells = [
            [row.path, row.layer, str(row.output), f"{row.parameters:,}", *costs]
            for row in self.rows
            for costs in [map(_engineering, (row.forward_flops, row.backward_flops))]
        ]
        sums = [_engineering(self.forward_flops), _engineering(self.backward_flops)]
        cells.append(["total", "", "", f"{self.parameters:,}", *sums])
        return text_table(header, cells, left=(0, 1, 2))


def summary(model: Any, x: jax.Array | jax.ShapeDtypeStruct) -> Summary:
    """Lists layer, output shape, parameters, and FLOPs forward and backward.

    Nothing is compiled and no array is made: the model is only traced, in training,
    for an input shaped like `x`, an array or `jax.ShapeDtypeStruct`. The backward
    pass of a layer is that with respect to its parameters and, where that is a float,
    its input, which a training step leaves out for the first layer. See `flops`.

    Raises:
      ShapeError: when `x` does not fit the model.
    """
    x = jax.ShapeDtypeStruct(x.shape, jax.dtypes.canonicalize_dtype(x.dtype))
    key = jax.eval_shape(lambda: jax.random.key(0))
    params, state = jax.eval_shape(lambda k: model.init(k, x), key)
    with observed() as applications:
        jax.eval_shape(
            lambda *args: apply_part("", model, *args[:3], key=args[3], train=True),
            *(params, state, x, key),
        )
    return Summary(tuple(_row(application, key) for application in applications))


def _row(application: Application, key: Any) -> SummaryRow:
    from funcnn._flops import flops  # with jax.extend, which takes its time

    path, layer, params, state, x, y = application

    def forward(params: Any, x: Any, state: Any, key: Any) -> Any:
        return apply_part("", layer, params, state, x, key=key, train=True)[0]

    def both(params: Any, x: Any, state: Any, key: Any, cotangent: Any) -> Any:
        if jnp.issubdtype(x.dtype, jnp.floating):
            _, pull = jax.vjp(lambda p, x: forward(p, x, state, key), params, x)
        else:
            _, pull = jax.vjp(lambda p: forward(p, x, state, key), params)
        return pull(cotangent)

    forward_flops = flops(forward, params, x, state, key)
    backward_flops = flops(both, params, x, state, key, y) - forward_flops
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    name = type(layer).__name__ if isinstance(layer, Layer) else code(layer)
    shape = y.shape if hasattr(y, "shape") else jax.tree.map(lambda leaf: leaf.shape, y)
    place = f"{path}.{name}" if path else name
    return SummaryRow(place, code(layer), shape, count, forward_flops, backward_flops)


def _engineering(number: int) -> str:
    for size, prefix in [(10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")]:
        if number >= size:
            return f"{number / size:.3g} {prefix}"
    return str(number)
