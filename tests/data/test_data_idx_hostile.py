"""`read_idx` on rubbish and on files made to do harm."""

import gzip
import math
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idx_files import TYPES, VALID, header, refused

from funcnn.data import DataError, read_idx


def peak_bytes(path, *words):
    tracemalloc.start()
    try:
        refused(path, *words)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("sizes", [(2**31,), (2**32 - 1,) * 3, (2**32 - 1,) * 64])
def test_an_enormous_claim_allocates_nothing(write, compress, sizes):
    path = write(compress(header(0x0E, *sizes) + b"few"))
    needed = f"3 bytes came, {8 * math.prod(sizes)} are needed"
    assert peak_bytes(path, "truncated data", needed) < 8 << 20


def test_a_gzip_bomb_is_not_unpacked(write):
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(header(0x08, 10))
    bomb += b"".join(packer.compress(bytes(1 << 20)) for _ in range(64))
    path = write(bomb + packer.flush())
    assert peak_bytes(path, "extra bytes") < 8 << 20


def outcome(content, folder):
    path = folder / "fuzzed"
    path.write_bytes(content)
    try:
        return read_idx(path)
    except DataError:
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(gzip.compress)))
def test_any_bytes_give_an_array_or_a_data_error(folder, content):
    outcome(content, folder)


@settings(deadline=None)
@given(
    st.sampled_from([bytes, gzip.compress]),
    st.integers(0, 80),
    st.integers(0, 3),
    st.binary(max_size=8),
)
def test_a_mutated_file_gives_an_array_or_a_data_error(
    folder, compress, position, removed, inserted
):
    content = compress(VALID)
    outcome(content[:position] + inserted + content[position + removed :], folder)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(TYPES)),
    st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), min_size=1, max_size=66),
    st.binary(max_size=64),
)
def test_any_header_gives_an_array_of_its_shape_or_a_data_error(
    folder, code, sizes, data
):
    array = outcome(header(code, *sizes) + data, folder)
    if array is not None:
        assert array.shape == tuple(sizes)
        assert array.nbytes == len(data)
