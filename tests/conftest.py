"""What all tests share: fast compilation of tiny programs."""

import os
import pathlib
import sys

# Tests compile thousands of tiny programs and run each once: LLVM's optimizations
# would cost most of the time. Set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax

_CACHE = pathlib.Path(__file__).parent.parent / ".jax_cache"
jax.config.update("jax_compilation_cache_dir", str(_CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# For the benchmarks, which are not installed; last, so that the installed package is.
sys.path.append(str(pathlib.Path(__file__).parent.parent))
