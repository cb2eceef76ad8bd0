"""A checkpoint written by Orbax behind the training's back, named when it is whole."""

import concurrent.futures
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from funcnn._files import sync_folder
from funcnn.training._checkpoints import _contents
from funcnn.training._checkpoints._handler import ArraysHandler

STAGED = ".saving"  # the folder in which a checkpoint is made
_THREAD = "funcnn checkpoint"
# Orbax would have all processes meet, in this thread, amid the collectives of training.
_ALONE = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})


class Saver:
    """Saves one checkpoint at a time, in a thread of its own.

    Args:
      folder: of all checkpoints.
      saved: called in that thread with the name of each that is there.
    """

    def __init__(self, folder: Path, saved: Callable[[str], None]) -> None:
        self._folder, self._saved = folder, saved
        self._staged = folder / STAGED
        shutil.rmtree(self._staged, ignore_errors=True)  # of a run that was killed
        self._thread = concurrent.futures.ThreadPoolExecutor(1, _THREAD)
        self._begun: concurrent.futures.Future[None] | None = None
        self._orbax = ocp.Checkpointer(ArraysHandler(), multiprocessing_options=_ALONE)

    def save(self, name: str, arrays: Any, progress: dict[str, Any]) -> None:
        """Begins to save, when the one before is done; `wait` is to be called first.

        Args:
          name: of the checkpoint.
          arrays: by name, which nobody changes from now on.
          progress: what is to be in its JSON.
        """
        self._begun = self._thread.submit(self._save, name, arrays, progress)

    def wait(self) -> None:
        """Waits until what was begun is there.

        Raises:
          OSError: when it could not be written; nothing of it is left.
        """
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.result()

    def close(self) -> None:
        """Waits, whether the last could be written or not, and ends the thread."""
        self._thread.shutdown()
        self._orbax.close()

    def _save(self, name: str, arrays: Any, progress: dict[str, Any]) -> None:
        staged, final = self._staged / name, self._folder / name
        try:
            staged.mkdir(parents=True)
            _contents.write(self._orbax, staged, arrays, progress)
            # All of it is on the disk before it has its name.
            staged.rename(final)
            sync_folder(self._folder)
        except Exception as error:
            raise _fault(error, final) from error
        finally:
            shutil.rmtree(self._staged, ignore_errors=True)
        self._saved(name)


def _fault(error: Exception, path: Path) -> OSError:
    """What went wrong, with the checkpoint's name."""
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror or str(error), str(path))
    return OSError(None, str(error) or repr(error), str(path))


def _not_of_thread(record: logging.LogRecord) -> bool:
    """A fault is raised here and told of there; Orbax would print it too."""
    return not str(record.threadName).startswith(_THREAD)


logging.getLogger("absl").addFilter(_not_of_thread)
