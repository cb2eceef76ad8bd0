"""Fetching files from mirrors in turn, into a cache."""

import pytest
from served_files import FILES, HASHES, contents

from funcnn.data import DataError
from funcnn.data.fetching import fetch_all
from funcnn.data.sources import Source


def fetch(directory, *mirrors):
    return fetch_all(Source(mirrors, HASHES), directory, progress=False)


def test_fetches_every_file_into_a_new_directory(serve, tmp_path):
    mirror, asked = serve(FILES)
    directory = tmp_path / "not" / "yet"
    assert fetch(directory, mirror) == directory
    assert contents(directory) == FILES
    assert asked == list(FILES)


def test_a_mirror_needs_no_last_slash(serve, tmp_path):
    mirror, _ = serve(FILES)
    assert contents(fetch(tmp_path, mirror.rstrip("/"))) == FILES


@pytest.mark.parametrize(
    "answers",
    [
        {},
        dict.fromkeys(FILES, b"wrong"),
        dict.fromkeys(FILES, b""),
        dict.fromkeys(FILES, "cut short"),
    ],
    ids=["404", "wrong bytes", "no bytes", "cut short"],
)
def test_the_next_mirror_after_a_bad_one(serve, tmp_path, answers):
    bad, asked_bad = serve(answers)
    good, asked_good = serve(FILES)
    assert contents(fetch(tmp_path, bad, good)) == FILES
    assert asked_bad == asked_good == list(FILES)


def test_the_next_mirror_after_one_that_is_down(serve, nobody, tmp_path):
    good, _ = serve(FILES)
    assert contents(fetch(tmp_path, nobody, good)) == FILES


def test_each_file_from_the_mirror_which_has_it(serve, tmp_path):
    one, _ = serve({"first.gz": FILES["first.gz"]})
    other, asked = serve({"second.gz": FILES["second.gz"]})
    assert contents(fetch(tmp_path, one, other)) == FILES
    assert asked == ["second.gz"]


def test_what_is_cached_needs_no_server(nobody, tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    assert contents(fetch(tmp_path, nobody)) == FILES


def test_a_damaged_cached_file_alone_is_fetched_again(serve, tmp_path):
    mirror, asked = serve(FILES)
    fetch(tmp_path, mirror)
    (tmp_path / "second.gz").write_bytes(b"damaged")
    asked.clear()
    assert contents(fetch(tmp_path, mirror)) == FILES
    assert asked == ["second.gz"]


def test_all_mirrors_failing(serve, nobody, tmp_path):
    missing, _ = serve({})
    wrong, _ = serve(dict.fromkeys(FILES, b"wrong"))
    cut, _ = serve(dict.fromkeys(FILES, "cut short"))
    mirrors = (nobody, missing, wrong, cut, "nonsense")
    with pytest.raises(DataError) as caught:
        fetch(tmp_path, *mirrors)
    first, *faults, advice = str(caught.value).splitlines()
    assert "first.gz could not be fetched" in first
    assert "5 mirrors" in first
    said = ("refused", "404", "does not match", "IncompleteRead", "Invalid URL")
    for fault, mirror, words in zip(faults, mirrors, said, strict=True):
        assert mirror in fault
        assert words in fault
    assert "--data-dir" in advice
    assert "load_idx_folder" in advice
    assert contents(tmp_path) == {}, "no part of a file may stay"


def test_a_file_has_its_name_only_when_complete(serve, tmp_path):
    seen = []

    class Watched(dict):
        def get(self, name):
            seen.extend(path.name for path in tmp_path.iterdir())
            return FILES[name]

    mirror, _ = serve(Watched())
    fetch(tmp_path, mirror)
    assert len(seen) == 3, "each download's temporary file, then the first file"
    assert set(seen) & set(FILES) == {"first.gz"}


def test_a_file_for_a_directory(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file: cannot be made: .*exists"):
        fetch(tmp_path / "file")
