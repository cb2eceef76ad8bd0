"""What makers publish of their chips: the one table of such figures."""

import dataclasses

_TPU = "https://cloud.google.com/tpu/docs/"
_NVIDIA = "https://www.nvidia.com/en-us/data-center/"
_CUDA = "CUDA C++ Programming Guide, table of compute capabilities"


@dataclasses.dataclass(frozen=True)
class Chip:
    """A chip as its maker publishes it.

    Attributes:
      name: as targets call it.
      platform: `tpu` or `gpu`.
      memory: its bytes of high-bandwidth memory.
      flops: operations per second in bfloat16, dense.
      bandwidth: bytes per second between it and its memory.
      links: bytes per second that it sends to other chips, over all its links; what
        makers call bidirectional is twice this.
      source: where the figures are published.
      axes: of the torus that TPUs stand in; 0 for GPUs.
      gpu: what a GPU's compiler is told beside these.
    """

    name: str
    platform: str
    memory: int
    flops: float
    bandwidth: float
    links: float
    source: str
    axes: int = 0
    gpu: "Cores | None" = None

    @property
    def ridge(self) -> float:
        """Operations per byte from which on it computes as fast as it can."""
        return self.flops / self.bandwidth


@dataclasses.dataclass(frozen=True)
class Cores:
    """The multiprocessors of a GPU.

    Attributes:
      capability: the compute capability.
      count: how many there are.
      float32: units for float32 in each.
      tensor: operations in bfloat16 per clock in each.
      cache: bytes of the second-level cache, which they share.
      shared: bytes of shared memory in each.
    """

    capability: tuple[int, int]
    count: int
    float32: int
    tensor: int
    cache: int
    shared: int


_GIB, _MIB, _KIB = 2**30, 2**20, 2**10
_AMPERE = Cores((8, 0), 108, 64, 2048, 40 * _MIB, 164 * _KIB)
_HOPPER = Cores((9, 0), 132, 128, 4096, 50 * _MIB, 228 * _KIB)
_BLACKWELL = Cores((10, 0), 148, 128, 8192, 126 * _MIB, 228 * _KIB)


def _tpu(
    name: str, gib: int, flops: float, rest: tuple[float, float], axes: int
) -> Chip:
    return Chip(name, "tpu", gib * _GIB, flops, *rest, f"{_TPU}{name}", axes)


def _gpu(
    name: str,
    gib: int,
    flops: float,
    rest: tuple[float, float],
    cores: Cores,
    page: str,
) -> Chip:
    source = f"{page}; {_CUDA}"
    return Chip(name, "gpu", gib * _GIB, flops, *rest, source, gpu=cores)


CHIPS = {
    chip.name: chip
    for chip in (
        # v4's links: Jouppi et al. (2023), arXiv:2304.01433, six of 50 GB/s
        _tpu("v4", 32, 275e12, (1200e9, 300e9), 3),
        _tpu("v5e", 16, 197e12, (819e9, 200e9), 2),
        _tpu("v5p", 95, 459e12, (2765e9, 600e9), 3),
        _tpu("v6e", 32, 918e12, (1640e9, 400e9), 2),
        _gpu("a100", 80, 312e12, (2039e9, 300e9), _AMPERE, f"{_NVIDIA}a100/ (SXM)"),
        _gpu("h100", 80, 989.4e12, (3.35e12, 450e9), _HOPPER, f"{_NVIDIA}h100/ (SXM)"),
        _gpu("h200", 141, 989.4e12, (4.8e12, 450e9), _HOPPER, f"{_NVIDIA}h200/ (SXM)"),
        _gpu(
            "b200", 180, 2250e12, (7.7e12, 900e9), _BLACKWELL, f"{_NVIDIA}hgx/ (B200)"
        ),
    )
}
"""By name."""
