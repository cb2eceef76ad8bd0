"""Run folders and pictures that were made to do harm."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from funcnn.cli._images import read_images
from funcnn.cli._plot import plot
from funcnn.cli._predict import _load
from funcnn.cli._run_folder import RunFolder
from funcnn.cli._runs import runs
from funcnn.data import DataError

SHAPE = (8, 8, 1)
RECORD = {"epoch": 1, "test_loss": 0.5, "test_accuracy": 0.5, "seconds": 1.0}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    return tmp_path / "runs" / "a"


def written(folder, config, *records):
    (folder / "config.json").write_text(json.dumps(config))
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metrics.jsonl").write_text(lines)


def test_a_list_of_runs_writes_nothing(folder):
    written(folder, {}, RECORD)
    other = folder.parent.parent / "other"
    other.write_text("precious")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / ".lock").symlink_to(other)
    runs(folder.parent)
    assert other.read_text() == "precious"
    (folder / "checkpoints" / ".lock").unlink()
    runs(folder.parent)
    assert not list((folder / "checkpoints").iterdir())


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl"])
def test_a_pipe_is_not_waited_for(folder, name):
    written(folder, {}, RECORD)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    if name == "config.json":
        with pytest.raises(DataError, match="Not a regular file"):
            RunFolder(folder).config()
    else:
        assert list(RunFolder(folder).records()) == []


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 40 + "1" + "}" * 40, '{"a":[%s1]}' % ("{}," * 10**5)],
)
def test_json_that_is_too_much_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config\.json"):
        RunFolder(folder).config()


def test_numbers_and_names_of_any_size_are_listed(folder, capsys):
    huge = {"seconds": 10**4000, "epoch": 10**4000, "test_loss": 10**400}
    written(folder, {"model": "\ud800\x1b[2J\n" * 50, "epochs": 3}, RECORD, huge)
    runs(folder.parent)
    plot([folder])
    output = capsys.readouterr().out
    output.encode()
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) < 250


def test_a_line_longer_than_any_record_is_left_out(folder):
    written(folder, {}, RECORD, {"epoch": 2, "a": "x" * (1 << 17)}, RECORD)
    assert list(RunFolder(folder).records()) == [RECORD, RECORD]


@pytest.mark.parametrize(
    "change",
    [
        {"classes": {"0": 1}},
        {"classes": "0123456789"},
        {"classes": []},
        {"classes": ["a", 1]},
        {"model": ["mlp"]},
        {"image_shape": [2**40, 2**40, 1]},
        {"image_shape": [8.0, 8, 1]},
        {"image_shape": [True, 8, 1]},
        {"image_shape": [-8, -8, 1]},
        {"image_shape": [8, 8]},
    ],
)
def test_a_configuration_of_no_model_is_refused(folder, change):
    good = {"model": "mlp", "classes": ["a", "b"], "image_shape": [8, 8, 1]}
    written(folder, good | change)
    with pytest.raises(DataError, match="is damaged"):
        _load(folder)


def chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png(width, height, *parts):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    whole = [chunk(b"IHDR", head), *parts, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


IDAT = chunk(b"IDAT", zlib.compress(bytes(9 * 8)))
TEXT = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 17)))
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png(8192, 8193, IDAT), "are the most"),
        (png(2**31 - 1, 2**31 - 1, IDAT), "are the most|exceeds limit"),
        (png(8000, 8000, IDAT), "cannot be in"),
        (png(8, 8, TEXT, IDAT), "Decompressed|too large"),
        (EPS, "cannot identify"),
    ],
)
def test_a_picture_that_is_too_much_is_refused(tmp_path, content, words):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_images(tmp_path / "x.png", SHAPE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_strips_are_the_whole_picture(tmp_path, mode):
    numbers = np.random.default_rng(0).integers(0, 256, (300, 400, 4)).astype(np.uint8)
    Image.fromarray(numbers, "RGBA").convert(mode).save(tmp_path / "x.png")
    ((_, read),) = read_images(tmp_path / "x.png", (300, 400, 1))
    picture = Image.open(tmp_path / "x.png")
    if mode in ("LA", "RGBA") or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        picture = white
    grey = np.asarray(picture.convert("L"), np.float32)[..., None] / 255
    rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    np.testing.assert_array_equal(read, 1 - grey if rim.mean() > 0.5 else grey)
