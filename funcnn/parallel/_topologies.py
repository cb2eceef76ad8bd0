"""Devices of a target that are not here: programs are compiled for them, not run."""

import contextlib
import functools
import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import jax

from funcnn._quiet import quiet
from funcnn.parallel._chips import Chip
from funcnn.parallel._targets import (
    MissingCompilerError,
    Target,
    TargetError,
    parse_target,
)

_SIDES = 2, 2, 1  # of a TPU host's chips, as libtpu takes them to be
_GPU_HOST = 8  # devices of one
# Read when libtpu is loaded: it looks for no TPU, and says nothing of there being none.
_OF_LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # in several processes: it uses no device
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_MIN_LOG_LEVEL": "4",
    "TPU_STDERR_LOG_LEVEL": "4",
}


def target_devices(target: str | Target) -> list[Any]:
    """The devices of a target, to make a mesh or shardings of.

    Those of a TPU or GPU are compiled for by the compiler of that platform, which has
    to be installed; no such device has to be there, and none is used if it is.

    Args:
      target: `cpu`, `cpu:8`, `tpu:v5e:4x4`, `gpu:h100:8`, ...: see `parse_target`.

    Raises:
      TargetError: when there is no such target.
      MissingCompilerError: when its compiler is not installed.
    """
    target = parse_target(target) if isinstance(target, str) else target
    makers = {"cpu": _cpu, "tpu": _tpu, "gpu": _gpu}
    with quiet():
        return list(makers[target.platform](target))


def _cpu(target: Target) -> list[Any]:
    config: Any = jax.config  # whose options are not in its type
    if target.devices > 1 and config.jax_num_cpu_devices < target.devices:
        with contextlib.suppress(RuntimeError):  # JAX is in use already
            config.update("jax_num_cpu_devices", target.devices)
    devices = jax.devices("cpu")
    if len(devices) < target.devices:
        raise TargetError(
            f"{target.text}: JAX has {len(devices)} CPU device"
            f"{'s' * (len(devices) > 1)}; before its first use, say "
            f'jax.config.update("jax_num_cpu_devices", {target.devices})'
        )
    return devices[: target.devices]


def _tpu(target: Target) -> list[Any]:
    if importlib.util.find_spec("libtpu") is None:
        raise MissingCompilerError(
            f'{target.text} needs the TPU compiler: pip install "jax[tpu]"'
        )
    for name, value in _OF_LIBTPU.items():
        os.environ.setdefault(name, value)
    chip = _chip(target)
    sides = (*target.shape, *(1,) * (3 - len(target.shape)))
    host = tuple(map(min, sides, _SIDES))
    options: list[tuple[str, Any]] = [("chips_per_host_bounds", host)]
    if chip.name == "v4":
        options.append(("chip_config_name", "megacore"))  # one device is one chip
    slice_name = "x".join(map(str, target.shape))
    return _described(target, "tpu", f"{chip.name}:{slice_name}", options)


def _gpu(target: Target) -> list[Any]:
    _need_cuda(target.text)
    chip = _chip(target)
    hosts = max(1, -(-target.devices // _GPU_HOST))
    if target.devices % hosts:
        raise TargetError(
            f"{target.text}: more than {_GPU_HOST} GPUs are whole hosts of "
            f"{_GPU_HOST}, which {target.devices} is no multiple of"
        )
    options = [
        ("topology", f"1x{hosts}x{target.devices // hosts}"),
        ("target_config", gpu_target_config(chip)),
    ]
    return _described(target, "cuda", chip.name, options)


def _described(
    target: Target, platform: str, name: str, options: list[tuple[str, Any]]
) -> list[Any]:
    try:
        return list(_topology(platform, name, tuple(options)))
    except (jax.errors.JaxRuntimeError, NotImplementedError) as error:
        said = str(error).splitlines()[0]
        raise TargetError(
            f"{target.text}: the installed compiler does not know it: {said}"
        ) from error


@functools.cache  # devices of another description of the same are other devices
def _topology(
    platform: str, name: str, options: tuple[tuple[str, Any], ...]
) -> list[Any]:
    from jax.experimental import topologies

    found = topologies.get_topology_desc(name, platform, **dict(options))
    return list(found.devices)


def _chip(target: Target) -> Chip:
    assert target.chip is not None  # as for every platform but `cpu`
    return target.chip


@functools.cache  # the PATH is added to once
def _cuda_tools() -> None:
    """Puts ``ptxas`` onto the PATH, from the wheel that brings it."""
    spec = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    found = [p.parent for place in places for p in place.glob("*/bin/ptxas")]
    if found and shutil.which("ptxas") is None:
        os.environ["PATH"] = os.pathsep.join([str(found[0]), os.environ["PATH"]])


def _need_cuda(text: str) -> None:
    plugins = "jax_plugins.xla_cuda12", "jax_plugins.xla_cuda13"
    if not any(map(_is_installed, plugins)):
        version = importlib.metadata.version("jaxlib")
        raise MissingCompilerError(
            f"{text} needs the CUDA compiler: pip install "
            f"jax-cuda12-plugin=={version} nvidia-cuda-nvcc-cu12"
        )
    _cuda_tools()
    if shutil.which("ptxas") is None:
        raise MissingCompilerError(
            f"{text} needs NVIDIA's assembler, ptxas: pip install nvidia-cuda-nvcc-cu12"
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is not there
        return False


def gpu_target_config(chip: Chip) -> str:
    """A GPU as XLA's compiler is told of it: a `GpuTargetConfigProto` as text."""
    cores = chip.gpu
    assert cores is not None
    major, minor = cores.capability
    # what the CUDA guide has of every capability here, and then what differs
    return f"""\
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  threads_per_core_limit: 2048
  block_dim_limit_x: {2**31 - 1}
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  shared_memory_per_block: {48 * 2**10}
  shared_memory_per_block_optin: {cores.shared - 2**10}
  shared_memory_per_core: {cores.shared}
  core_count: {cores.count}
  fpus_per_core: {cores.float32}
  clock_rate_ghz: {chip.flops / (cores.count * cores.tensor) / 1e9:.3f}
  memory_bandwidth: {chip.bandwidth:.0f}
  l2_cache_size: {cores.cache}
  device_memory_size: {chip.memory}
  cuda_compute_capability {{ major: {major} minor: {minor} }}
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 8 }}
device_description_str: "NVIDIA {chip.name.upper()}"
"""
