"""Small files which stand for a published data set."""

import hashlib

FILES = {"first.gz": b"first " * 20_000, "second.gz": b"second"}
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}
