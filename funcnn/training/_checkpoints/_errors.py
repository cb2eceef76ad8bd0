"""What can be wrong with a folder of checkpoints."""


class CheckpointError(ValueError):
    """A checkpoint, or a folder of them, cannot be used; the message says why."""


class DamagedError(CheckpointError):
    """A checkpoint is not what was written: changed, cut, or not finished."""
