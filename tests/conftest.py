"""What all tests share: fast compilation of tiny programs."""

import gc
import importlib.metadata
import os
import pathlib
import sys
import zlib

import pytest

# Tests compile thousands of tiny programs and run each once: what makes them fast
# would cost most of the time. Set before JAX starts.
_QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
_EMITTERS = "--xla_cpu_use_fusion_emitters=false"  # later ones have no other
_EARLY = importlib.metadata.version("jaxlib").startswith("0.10.")
os.environ.setdefault("XLA_FLAGS", f"{_QUICK} {_EMITTERS}" if _EARLY else _QUICK)
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402 (after the flags)

# A folder for each worker: JAX writes a program in place, and one that another worker
# has not written to its end is a warning, which is an error here.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
_CACHE = pathlib.Path(__file__).parent.parent / ".jax_cache" / _WORKER
jax.config.update("jax_compilation_cache_dir", str(_CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
if "FUNCNN_TEST_DEVICES" in os.environ:  # see tests/parallel
    jax.config.update("jax_num_cpu_devices", int(os.environ["FUNCNN_TEST_DEVICES"]))

# For the benchmarks, which are not installed; last, so that the installed package is.
sys.path.append(str(pathlib.Path(__file__).parent.parent))

# Tracing makes many small objects; with each collection all of JAX would be searched.
gc.set_threshold(100_000, 20, 20)


def pytest_addoption(parser):
    parser.addoption(
        "--part",
        metavar="K/N",
        help="run only part K of N, from 0/N; CI takes another with each commit",
    )


def pytest_collection_modifyitems(config, items):
    part = config.getoption("part")
    if part is None:
        return
    try:
        k, n = map(int, part.split("/"))
        assert 0 <= k < n
    except (ValueError, AssertionError):
        raise pytest.UsageError(f"--part needs K/N with K < N, got {part}") from None
    chosen = {i for i in items if zlib.crc32(i.nodeid.encode()) % n == k}
    config.hook.pytest_deselected(items=[i for i in items if i not in chosen])
    items[:] = [i for i in items if i in chosen]
