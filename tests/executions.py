"""What XLA runs."""

import pathlib
import tempfile

import jax


def executions(f, *args):
    """How many compiled programs ran during `f(*args)`, by XLA's own profiler."""
    one = "CommonPjRtLoadedExecutable::ExecuteHelperOnSingleDevice"
    return _events(f, *args).count(one)


def executions_on_many(f, *args):
    """The compiled programs that were started on several devices during `f(*args)`."""
    many = "CommonPjRtLoadedExecutable::Execute ("
    found = [name for name in _events(f, *args) if name.startswith(many)]
    return [name.removeprefix(many).rstrip(")") for name in found]


def _events(f, *args):
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(f(*args))
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        profile = jax.profiler.ProfileData.from_file(str(path))
        lines = [line for plane in profile.planes for line in plane.lines]
        return [event.name for line in lines for event in line.events]
