"""Weights: safetensors files."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz._json import changed, heavy
from benchmarks.fuzz._mutations import EXTREMES, damaged
from benchmarks.fuzz._target import Files, Target
from funcnn.training import WeightsError, load_weights

_DTYPES = "BOOL BF16 F8_E4M3 F8_E5M2 F16 F32 F64 I8 I32 I64 U8 U64".split()
_DTYPES += "F4 F6_E2M3 F6_E3M2 F8_E8M0 C64 X".split()
_BYTES = {
    "BF16": 2,
    "F16": 2,
    "F32": 4,
    "I32": 4,
    "U32": 4,
    "F64": 8,
    "I64": 8,
    "U64": 8,
}
NAME = "params.safetensors"


def built(header: Any, data: bytes) -> bytes:
    """A file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensors(*parts: tuple[str, str, list[int]]) -> tuple[dict[str, Any], bytes]:
    """A header of these names, dtypes and shapes, and data for it."""
    header: dict[str, Any] = {"__metadata__": {"format": "funcnn"}}
    end = 0
    for name, dtype, shape in parts:
        start, end = end, end + int(np.prod(shape)) * _BYTES.get(dtype, 1)
        offsets = [start, end]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    return header, bytes(end)


_HEADER, _DATA = tensors(
    ("params.a", "F32", [2, 3]), ("params.b", "BF16", [4]), ("state.c", "F8_E5M2", [2])
)
_LIKE = {
    "a": jax.ShapeDtypeStruct((2, 3), np.float32),
    "b": jax.ShapeDtypeStruct((4,), jax.numpy.bfloat16),
}
_STATE = {"c": jax.ShapeDtypeStruct((2,), jax.numpy.float8_e5m2)}
_VALID = built(_HEADER, _DATA)


@st.composite
def _claims(draw: Callable[[Any], Any]) -> bytes:
    """A header whose shapes and offsets are extreme, and hold together or not."""
    shape = draw(st.lists(EXTREMES, max_size=4) | st.just([0] + [2**40] * 3))
    offsets = draw(st.lists(EXTREMES, min_size=2, max_size=2) | st.just([0, 0]))
    dtype = draw(st.sampled_from(_DTYPES))
    entry = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    name = draw(
        st.sampled_from(["params.a", "", "../../x", "/x", "a\0", "__metadata__"])
    )
    return built({name: entry}, draw(st.binary(max_size=24)))


@st.composite
def _one_of_each(draw: Callable[[Any], Any]) -> bytes:
    parts = draw(st.lists(st.sampled_from(_DTYPES), min_size=1, max_size=4))
    shape = draw(st.lists(st.integers(0, 3), max_size=70))
    header, data = tensors(*((f"params.{i}", d, shape) for i, d in enumerate(parts)))
    return built(header, data)


def _rank(dimensions: int) -> bytes:
    header, data = tensors(("params.a", "U8", [1] * dimensions))
    return built(header, data)


def _many(count: int) -> bytes:
    return built(*tensors(*((f"{i:x}", "U8", [0]) for i in range(count))))


_LARGE = st.one_of(
    heavy().map(lambda text: built(text, b"")),
    st.sampled_from([1000, 30_000]).map(_many),
    st.sampled_from([64, 65, 1000]).map(_rank),
)
_SMALL = st.one_of(
    changed(_HEADER).map(lambda header: built(header, _DATA)),
    damaged([_VALID]),
    _claims(),
    _one_of_each(),
)


def inputs() -> st.SearchStrategy[bytes]:
    """Files, some of them large."""
    return st.integers(0, 99).flatmap(lambda n: _LARGE if n == 0 else _SMALL)


def _load(folder: Path) -> object:
    return load_weights(folder / NAME, _LIKE, _STATE)


def _files(content: bytes) -> Files:
    return {NAME: content}


TARGETS = [
    Target(
        "safetensors",
        inputs().map(_files),
        _load,
        (WeightsError,),
        valid=_files(_VALID),
        main=NAME,
        share=20,
    )
]
