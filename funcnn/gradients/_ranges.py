"""Arrays in a few words."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_SHORT = {"float": "f", "bfloat": "bf", "uint": "u", "int": "i", "complex": "c"}


def is_float(value: Any) -> bool:
    """Whether the array has a derivative: real or complex floats."""
    return bool(jnp.issubdtype(jax.typeof(value).dtype, jnp.inexact))


def is_float_scalar(value: Any) -> bool:
    """Whether a backward pass can begin here."""
    return is_float(value) and jnp.shape(value) == ()


def entries(value: Any) -> np.ndarray:
    """The entries on the host; keys have none."""
    if jnp.issubdtype(jax.typeof(value).dtype, jax.dtypes.extended):
        return np.zeros(0)
    return np.asarray(value)


def type_text(value: Any, width: int = 0) -> str:
    """Dtype and shape, such as ``f32[8,4]``; in `width` columns when it is given."""
    kind = jax.typeof(value)
    name = str(kind.dtype)
    for long, short in _SHORT.items():
        if name.startswith(long) and name[len(long) :].isdigit():
            name = short + name[len(long) :]
            break
    shape = ",".join(map(str, kind.shape))
    return f"{name}[{elided(shape, width - len(name) - 2) if width else shape}]"


def range_text(value: Any) -> str:
    """The least and the largest finite entry, and how many others there are."""
    array = entries(value)
    if array.size == 0:
        return "-"
    if np.iscomplexobj(array):
        array = np.abs(array)
    if array.dtype == bool:
        return f"{int(array.sum())} of {array.size} true"
    if array.ndim == 0:
        return number_text(array)
    finite = array[np.isfinite(array)]
    parts = []
    if finite.size:
        least, most = number_text(finite.min()), number_text(finite.max())
        parts.append(f"[{least}, {most}]")
    infinite = array[np.isinf(array)]
    counts = {
        "nan": int(np.isnan(array).sum()),
        "inf": int((infinite > 0).sum()),
        "-inf": int((infinite < 0).sum()),
    }
    found = {name: count for name, count in counts.items() if count}
    return " ".join([*parts, *(f"{n} {name}" for name, n in found.items())])


def norm_text(value: Any) -> str:
    """The Euclidean norm."""
    return number_text(np.linalg.norm(entries(value).astype(np.complex128).ravel()))


def number_text(number: Any) -> str:
    """A number with two or three digits; integers in full."""
    number = np.asarray(number)[()]
    if isinstance(number, np.integer | np.bool_):
        return str(number)
    if isinstance(number, np.complexfloating):
        return f"{complex(number):.3g}"
    return f"{float(number):.3g}"


def elided(text: str, width: int) -> str:
    """The end of a text that is too long: it tells most, of paths and of places."""
    return text if len(text) <= width else f"…{text[1 - width :]}"
