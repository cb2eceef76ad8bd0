"""`download`, by name, and what is known of each name."""

import sys

import pytest
from served_files import FILES, HASHES, contents

from funcnn.data import DataError, download
from funcnn.data.sources import SOURCES, Source


@pytest.fixture
def known(monkeypatch):
    """Have Fashion-MNIST consist of this test's files."""
    monkeypatch.setitem(SOURCES, "fashion-mnist", Source(("unused",), HASHES))


def test_download_by_name(serve, known, tmp_path):
    mirror, _ = serve(FILES)
    directory = download("fashion-mnist", directory=tmp_path, mirrors=[mirror])
    assert directory == tmp_path
    assert contents(tmp_path) == FILES


def test_download_goes_to_the_users_cache(serve, known, tmp_path, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    mirror, _ = serve(FILES)
    directory = download("fashion-mnist", mirrors=[mirror])
    assert directory == tmp_path / "funcnn" / "fashion-mnist"
    assert contents(directory) == FILES


def test_unknown_name():
    with pytest.raises(DataError, match=r"'cifar'.*known: mnist, fashion-mnist"):
        download("cifar")


def test_a_single_address_for_mirrors(tmp_path):
    with pytest.raises(DataError, match="mirrors must be a list"):
        download("mnist", directory=tmp_path, mirrors="http://127.0.0.1/")


@pytest.mark.parametrize("library", ["pooch", "rich"])
def test_a_library_that_is_not_installed(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"needs {library}: .*funcnn\[cli\]"):
        download("mnist", directory=tmp_path)


@pytest.mark.parametrize("name", SOURCES)
def test_the_sources_name_the_four_files(name):
    source = SOURCES[name]
    assert set(source.hashes) == {
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    }
    for known_hash in source.hashes.values():
        assert len(bytes.fromhex(known_hash)) == 32
    assert len(source.mirrors) == 2
    assert all(mirror.startswith("http") for mirror in source.mirrors)
