"""Fetching published data sets into a cache, once, with their hashes checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from funcnn.data.dataset import DataError
from funcnn.data.progress import DownloadBar, shown
from funcnn.data.sources import SOURCES, Name, Source

if TYPE_CHECKING:
    from rich.progress import Progress

# Seconds to wait for a connection, and between two pieces of the answer.
_TIMEOUT = (10, 30)
# Unzipping on the way, which HTTP allows, would change what is hashed.
_HEADERS = {"Accept-Encoding": "identity"}
_CHUNK_BYTES = 1 << 16


def download(
    name: Name,
    *,
    directory: Path | None = None,
    mirrors: Sequence[str] | None = None,
    progress: bool = True,
) -> Path:
    """Fetch the four files of a data set, unless they are already there.

    A file which is there with the right SHA-256 needs no network; a damaged one
    is fetched again. A file gets its name only when it is complete and right.

    Args:
        name: "mnist" or "fashion-mnist".
        directory: where to keep the files; the default is a folder of that name
            in the user's cache.
        mirrors: addresses of folders to fetch from, tried in turn; the default
            is the publishers' own.
        progress: whether to draw bars on standard error, when it is a terminal.

    Returns:
        The directory, for `load_idx_folder`.

    Raises:
        DataError: the name is not known, mirrors is a single string, the
            directory cannot be made, or no mirror gave the right file.
        ImportError: Pooch or Rich is not installed.
    """
    if name not in SOURCES:
        raise DataError(f"no data set {name!r} to fetch; known: {', '.join(SOURCES)}")
    source = SOURCES[name]
    if isinstance(mirrors, str):
        raise DataError(f"mirrors must be a list of addresses, not {mirrors!r}")
    if mirrors is not None:
        source = source._replace(mirrors=tuple(mirrors))
    if directory is None:
        directory = _cache() / name
    return fetch_all(source, Path(directory), progress=progress)


def fetch_all(source: Source, directory: Path, *, progress: bool) -> Path:
    """Fetch every file of a source into a directory; see `download`."""
    _require_libraries()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise DataError(
            f"{directory}: cannot be made: {fault.strerror or fault}"
        ) from fault
    with shown(progress) as bars:
        for file in source.hashes:
            _fetch_from_any(source, file, directory, bars)
    return directory


def _fetch_from_any(
    source: Source, file: str, directory: Path, bars: "Progress"
) -> None:
    """Fetch one file from the first mirror that gives it."""
    faults = []
    for mirror in source.mirrors:
        url = f"{mirror.rstrip('/')}/{file}"
        try:
            _fetch(url, file, source.hashes[file], directory, bars)
            return
        except (OSError, ValueError) as fault:  # Requests' errors are OSErrors
            faults.append(f"\n  {url}: {fault}")
    raise DataError(
        f"{file} could not be fetched into {directory} from any of "
        f"{len(source.mirrors)} mirrors:{''.join(faults)}\n"
        "Files got by other means are read with --data-dir (load_idx_folder)."
    )


def _fetch(
    url: str, file: str, known_hash: str, directory: Path, bars: "Progress"
) -> None:
    """Fetch one file from one address, unless it is there with the right hash."""
    import pooch

    bar = DownloadBar(bars, file)
    downloader = pooch.HTTPDownloader(
        progressbar=bar, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT, headers=_HEADERS
    )
    try:
        pooch.retrieve(url, known_hash, file, directory, downloader=downloader)
    except (OSError, ValueError):
        bar.remove()
        raise


def _cache() -> Path:
    """Give the folder for this library's files in the user's cache."""
    _require_libraries()
    import pooch

    return Path(pooch.os_cache("funcnn"))


def _require_libraries() -> None:
    """Say how to install what downloading needs beyond the library."""
    try:
        import pooch  # noqa: F401
        import rich  # noqa: F401
    except ImportError as fault:
        raise ImportError(
            f"downloading needs {fault.name}: pip install 'funcnn[cli]'"
        ) from fault
