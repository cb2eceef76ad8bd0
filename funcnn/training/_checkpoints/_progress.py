"""Whether a progress is one that `fit` wrote; a manifest can be forged to fit any."""

from pathlib import Path
from typing import Any

from funcnn.training._checkpoints._errors import CheckpointError

_MOST = 2**32 - 1  # epochs, of which the data's order is a function


def check_progress(path: Path, progress: dict[str, Any], batches: int) -> None:
    """Sees that all is there that `fit` goes on with, and of its type.

    Args:
      path: the checkpoint, for the error.
      progress: its own.
      batches: in an epoch.

    Raises:
      CheckpointError: naming what is not.
    """
    good = {
        "versions": isinstance(progress.get("versions"), dict),
        "epoch": _is_count(progress.get("epoch"), 1),
        "current": _is_epoch(progress.get("current"), batches),
        "records": _are_records(progress.get("records"), progress.get("epoch")),
    }
    wrong = [name for name, is_good in good.items() if not is_good]
    if wrong:
        names = ", ".join(wrong)
        raise CheckpointError(f"{path}: progress.json: {names}: not what fit writes")


def _is_count(value: Any, least: int = 0, most: int = _MOST) -> bool:
    return type(value) is int and least <= value <= most


def _is_number(value: Any) -> bool:
    # a larger integer has no place among floats
    return type(value) is float or (type(value) is int and abs(value) < 2**64)


def _are_figures(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_epoch(current: Any, batches: int) -> bool:
    names = {"batch", "counted", "skipped", "sums", "last", "seconds"}
    return (
        isinstance(current, dict)
        and current.keys() == names
        and _is_count(current["batch"], most=batches)
        and all(_is_count(current[name]) for name in ("counted", "skipped"))
        and current["counted"] + current["skipped"] == current["batch"]
        and all(_are_figures(current[name]) for name in ("sums", "last"))
        and (current["counted"] > 0 or not current["sums"])  # of which means are made
        and _is_number(current["seconds"])
    )


def _are_records(records: Any, epoch: Any) -> bool:
    """One for each epoch before this, in their order."""
    return (
        isinstance(records, list)
        and len(records) + 1 == epoch
        and all(_is_record(record, i + 1) for i, record in enumerate(records))
    )


def _is_record(record: Any, number: int) -> bool:
    return (
        isinstance(record, dict)
        and record.get("epoch") == number
        and _is_number(record.get("seconds"))
        and all(
            _is_number(value)
            for name, value in record.items()
            if name.endswith(("loss", "accuracy"))  # what is drawn
        )
    )
