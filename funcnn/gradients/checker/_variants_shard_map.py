"""A rule on several devices, each with an input of its own or all with the same."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from funcnn import _jax
from funcnn.gradients.checker._variants_programs import Variant
from funcnn.gradients.checker._variants_subject import (
    LANES,
    Subject,
    compiled,
    numbers,
)
from funcnn.gradients.checker._witnesses import pullback

_AXIS = "device"


def devices() -> list[Any]:
    """The CPU devices to use: as many as there are lanes, if there are so many."""
    try:
        return jax.devices("cpu")[:LANES]
    except RuntimeError:  # JAX was told to leave the CPU alone
        return []


def shard_map_variants(subject: Subject, on: list[Any]) -> Iterator[Variant]:
    """Every argument sharded, and every argument the same on all devices.

    To the rule all arguments vary over the mesh: what is the same everywhere is
    lifted before. So it makes no difference which of them are, and two programs show
    each argument in both ways.
    """
    yield _variant(subject, "shard_map, sharded", subject.arrays, on)
    yield _variant(subject, "shard_map, replicated", (), on)


def _variant(
    subject: Subject, name: str, sharded: tuple[int, ...], on: list[Any]
) -> Variant:
    split, whole = PartitionSpec(_AXIS), PartitionSpec()
    specs = [split if i in sharded else whole for i in range(subject.number)]
    back = [specs[i] for i in subject.floats]

    def lifted(*inputs: Any) -> list[Any]:
        # outside of the rule, so that this is what sums over the devices
        return subject.function(
            *(
                x if i in sharded else _jax.varying(x, _AXIS)
                for i, x in enumerate(inputs)
            )
        )

    pulled = pullback(lifted, subject.floats, subject.number)

    def on_device(*given: Any) -> list[Any]:
        """Each device has one entry of what is sharded, and all of the rest."""
        entries = [
            x[0] if i in sharded or i >= subject.number else x
            for i, x in enumerate(given)
        ]
        results = pulled(*entries)
        shown = [split] * subject.outputs + back
        return [x[None] if s is split else x for x, s in zip(results, shown)]

    def run() -> list[Any]:
        cotangents = subject.stacked_cotangents(len(on))
        mapped = jax.shard_map(
            on_device,
            mesh=Mesh(np.array(on), (_AXIS,)),
            in_specs=(*specs, *[split] * len(cotangents)),
            out_specs=[split] * subject.outputs + back,
            check_vma=True,
        )
        inputs = subject.stacked(len(on), sharded)
        return [numbers(x) for x in compiled(mapped)(*inputs, *cotangents)]

    expected = functools.partial(subject.one_by_one, len(on), sharded, summed=True)
    return Variant(name, run, expected)
