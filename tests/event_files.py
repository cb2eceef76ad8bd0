"""TensorBoard's event files, read by their record format.

A record is its length in 8 bytes, a checksum of that in 4, the event, and a checksum of
it in 4; checksums are CRC-32C, rotated and moved as TensorFlow does.
"""

import struct

from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event


def scalars(file):
    """The numbers of the file by tag and step."""
    found = {}
    for event in events(file):
        for value in event.summary.value:
            assert (value.tag, event.step) not in found
            found[value.tag, event.step] = value.simple_value
    return found


def events(file):
    content, at = file.read_bytes(), 0
    while at < len(content):
        header = content[at : at + 8]
        (length,) = struct.unpack("<Q", header)
        body = content[at + 12 : at + 12 + length]
        for part, place in [(header, at + 8), (body, at + 12 + length)]:
            assert struct.unpack_from("<I", content, place) == (_masked(part),)
        yield Event.FromString(body)
        at += 16 + length


def _masked(part):
    checksum = crc32c(part)
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return (rotated + 0xA282EAD8) & 0xFFFFFFFF
