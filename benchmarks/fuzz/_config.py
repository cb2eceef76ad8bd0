"""A run's folder: its configuration and its records, as each command reads them."""

import contextlib
import inspect
import io
import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from hypothesis import strategies as st

import funcnn
from benchmarks.fuzz import _safetensors
from benchmarks.fuzz._json import heavy, texts
from benchmarks.fuzz._target import Files, Target
from funcnn.cli._faults import InputError
from funcnn.cli._plot import plot
from funcnn.cli._predict import _load
from funcnn.cli._resume import resumed_options
from funcnn.cli._runs import runs
from funcnn.cli._train import train
from funcnn.data import DataError
from funcnn.errors import LayerError
from funcnn.training import WeightsError

_GIVEN = {
    name: parameter.default
    for name, parameter in inspect.signature(train).parameters.items()
    if name != "ctx"
}
_CONFIG = {
    **{
        n: v if isinstance(v, int | float | None) else str(v) for n, v in _GIVEN.items()
    },
    "rate": 0.002,
    "data_dir": "data",
    "classes": [str(i) for i in range(10)],
    "image_shape": [8, 8, 1],
    "layers": "Chain()",
    "funcnn_version": funcnn.__version__,
}
del _CONFIG["resume"]
_RECORD = {"epoch": 1, "seconds": 1.5, "train_loss": 0.5, "test_loss": 0.25}
_RECORD |= {"test_accuracy": 0.9375}
_CONTEXT: Any = types.SimpleNamespace(get_parameter_source=lambda name: None)


def _config() -> st.SearchStrategy[bytes]:
    return texts(_CONFIG)


@st.composite
def _records(draw: Callable[[Any], Any]) -> bytes:
    lines = draw(st.lists(texts(_RECORD, heavy('{"epoch":1,"a":[%s0]}')), max_size=4))
    if draw(st.integers(0, 99)) == 0:
        line = draw(st.sampled_from([b"{}", b'{"epoch":1}', b'{"a":1}', b"", b"\r"]))
        lines.append(b"\n".join([line] * draw(st.sampled_from([1000, 20_000]))))
    return b"\n".join(lines)


def _resume(folder: Path) -> object:
    return resumed_options(_CONTEXT, train, {**_GIVEN, "resume": folder})


def _command(call: Callable[..., None], *arguments: Any) -> None:
    """Runs a command; what it prints has to be UTF-8.

    Raises:
      InputError: when it ends with a line on standard error.
    """
    output = io.TextIOWrapper(io.BytesIO(), "utf-8")
    faults = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(faults):
        try:
            call(*arguments)
        except typer.Exit as end:
            raise InputError(f"exit code {end.exit_code}") from end


def _runs(folder: Path) -> None:
    _command(runs, folder, False)
    _command(runs, folder, True)


def _plot(folder: Path) -> None:
    _command(plot, [folder / "run"], None, None)


def _plot_png(folder: Path) -> None:
    _command(plot, [folder / "run"], None, folder / "run" / "x.png")


_LINES = json.dumps(_RECORD).encode() + b"\n"
_WRITTEN = json.dumps(_CONFIG, indent=2).encode()
_RUN = {"run/config.json": _WRITTEN, "run/metrics.jsonl": _LINES * 3}


def _run() -> st.SearchStrategy[Files]:
    config = st.one_of(st.just(_WRITTEN), _config())
    return st.builds(
        lambda c, r: {"run/config.json": c, "run/metrics.jsonl": r}, config, _records()
    )


def _weights(shapes: bool) -> bytes:
    kernels = [("params.1", 64), ("params.3", 128)]
    parts = []
    for (name, inputs), outputs in zip(kernels, (128, 10)):
        parts.append((f"{name}.bias", "F32", [outputs]))
        parts.append((f"{name}.kernel", "F32", [inputs, outputs]))
    return _safetensors.built(*_safetensors.tensors(*parts))


_FITTING = _weights(True)
_MODEL = {"config.json": json.dumps({**_CONFIG, "model": "mlp"}).encode()}


def _models() -> st.SearchStrategy[Files]:
    config = texts(json.loads(_MODEL["config.json"]))
    return config.map(lambda c: {"config.json": c, _safetensors.NAME: _FITTING})


_FAULTS = (DataError, InputError)
TARGETS = [
    Target(
        "config: resume",
        _config().map(lambda c: {"config.json": c}),
        _resume,
        _FAULTS,
        valid={"config.json": _WRITTEN},
        main="config.json",
        share=15,
    ),
    Target(
        "config: predict",
        _models(),
        _load,
        (DataError, WeightsError, LayerError),
        valid={**_MODEL, _safetensors.NAME: _FITTING},
        main="config.json",
        share=2,
    ),
    Target(
        "config: runs",
        _run(),
        _runs,
        _FAULTS,
        valid=_RUN,
        main="run/metrics.jsonl",
        share=6,
    ),
    Target(
        "config: plot",
        _run(),
        _plot,
        _FAULTS,
        valid=_RUN,
        main="run/metrics.jsonl",
        share=2,
    ),
]
