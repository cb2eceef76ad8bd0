"""The errors of bad input, which know where in a model they arose."""

import contextlib
from collections.abc import Iterator


class LayerError(ValueError):
    """A layer was used wrongly; `path` says which, such as ``Chain[2].Dense``."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message, path)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ShapeError(LayerError):
    """Shapes do not fit: the message says what was given and what is needed."""


class DtypeError(LayerError, TypeError):
    """An array is of a dtype that the op does not take."""


class LaunchError(RuntimeError):
    """The processes of a job cannot be joined, or one of them is gone."""


class MissingKeyError(LayerError):
    """A layer that draws random numbers was asked to, without a key."""


@contextlib.contextmanager
def located(place: str) -> Iterator[None]:
    """Puts `place` in front of the path of every `LayerError` raised inside."""
    try:
        yield
    except LayerError as error:
        error.path = f"{place}.{error.path}" if error.path else place
        raise
