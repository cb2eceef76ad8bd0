"""The names of what can be compiled for: `cpu:8`, `tpu:v5e:4x4`, `gpu:h100:8`."""

import dataclasses
import math
import re

from funcnn.parallel._chips import CHIPS, Chip

_FORMS = "cpu, cpu:8, tpu:v5e:4x4, tpu:v5e:16 or gpu:h100:8"
_MOST = 2**16  # devices; beyond, there is no such machine


class TargetError(ValueError):
    """There is no such target, or it has not the devices that are asked for."""


class MissingCompilerError(ImportError):
    """The compiler for a target is not installed; the message says how it is."""


@dataclasses.dataclass(frozen=True)
class Target:
    """What a program is compiled for.

    Attributes:
      text: its name as it was given.
      platform: `cpu`, `tpu` or `gpu`.
      shape: how many devices there are along each axis of the slice; one axis for
        GPUs and CPUs.
      chip: its figures; None for a CPU.
    """

    text: str
    platform: str
    shape: tuple[int, ...]
    chip: Chip | None = None

    @property
    def devices(self) -> int:
        """How many there are."""
        return math.prod(self.shape)


def parse_target(text: str) -> Target:
    """The target of that name.

    Args:
      text: `cpu`, `cpu:N`, `tpu:CHIP`, `tpu:CHIP:SLICE`, `gpu:CHIP` or `gpu:CHIP:N`. A
        slice is the sides of a torus, as 4x4, or the number of its chips; without it
        there is one chip.

    Raises:
      TargetError: when there is none; the message lists what there is.
    """
    platform, *rest = text.strip().lower().split(":")
    if platform == "cpu" and len(rest) <= 1:
        return Target(text, "cpu", (_count(text, rest[0] if rest else "1"),))
    chip = CHIPS.get(rest[0]) if rest else None
    if chip is None or chip.platform != platform or len(rest) > 2:
        raise _unknown(text)
    size = rest[1] if len(rest) == 2 else "1"
    if platform == "gpu":
        return Target(text, "gpu", (_count(text, size),), chip)
    return Target(text, "tpu", _slice(text, size, chip.axes), chip)


def known_targets() -> str:
    """All of them, in words."""
    chips = (f"{chip.platform}:{chip.name}" for chip in CHIPS.values())
    return ", ".join(["cpu", *chips])


def _unknown(text: str) -> TargetError:
    return TargetError(
        f"there is no target {text!r}; known are {known_targets()}, "
        f"with a number of devices or a slice: {_FORMS}"
    )


def _count(text: str, number: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", number) or not 1 <= int(number) <= _MOST:
        raise _unknown(text)
    return int(number)


def _slice(text: str, size: str, axes: int) -> tuple[int, ...]:
    sides = [_count(text, side) for side in size.split("x")]
    if len(sides) == 1:
        return _sides(text, sides[0], axes)
    if len(sides) > axes or math.prod(sides) > _MOST:
        raise _unknown(text)
    return (*sides, *(1,) * (axes - len(sides)))


def _sides(text: str, count: int, axes: int) -> tuple[int, ...]:
    """Of a slice of so many chips, as nearly a square or a cube as can be."""
    power = count.bit_length() - 1
    if count != 2**power or count == 2:
        raise TargetError(
            f"{text}: slices of TPUs have 1, 4, 8, 16, ... chips, not {count}; "
            "for other sides write them out, as 4x12"
        )
    short, more = divmod(power, axes)
    sides = sorted(2 ** (short + (axis < more)) for axis in range(axes))
    if axes == 3 and count == 4:
        return (2, 2, 1)
    return tuple(sides)
