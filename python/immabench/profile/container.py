"""The container of Nsight Compute's reports, as far as it says whether a file is one, all of it, and who wrote it.

A magic number, a header, then blocks of a header and a payload, each header with its size before it; headers are
protocol buffers (Nsight Compute Customization Guide, "Report File Format", and the .proto files that come with it). The
vendor's reader opens any other file as an empty report, and one that was cut off as what came before the cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from immabench.errors import UsageError

MAGIC = b"NVR\0"

# Fields of the messages BlockHeader, ReportSessionDetails and VersionInfo.
_SESSION, _PAYLOAD_SIZE = 3, 5
_VERSIONS = 8
_PROVIDER, _VERSION = 1, 2

_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5  # wire types of protocol buffers


class _DamageError(Exception):
    """What is wrong with a file, in a few words."""


def writers(path: Path) -> list[str]:
    """Who says to have written a report, with versions, each once.

    Raises UsageError, with the remedy, for a file that is missing, empty, no report, damaged or cut off.
    """
    try:
        with path.open("rb") as file:
            headers = list(_headers(file, path.stat().st_size))
        return list(dict.fromkeys(name for header in headers for name in _writers(header)))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", "name a file that ncu wrote") from error
    except _DamageError as error:
        raise UsageError(f"{path} {error}", "name a whole file that ncu wrote (*.ncu-rep), or profile again") from error


def _headers(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The header of each block; raises _DamageError unless the blocks end where the file does."""
    if not size:
        raise _DamageError("is empty")
    if file.read(len(MAGIC)) != MAGIC:
        raise _DamageError("is no report of Nsight Compute")
    _sized(file)  # the file's own header
    while file.tell() < size:
        header = _sized(file)
        yield header
        file.seek(_payload_size(header), 1)
    if file.tell() != size:
        raise _DamageError("is damaged or cut off")


def _payload_size(header: bytes) -> int:
    sizes = [value for number, value in _fields(header) if number == _PAYLOAD_SIZE and isinstance(value, int)]
    return sizes[-1] if sizes else 0


def _sized(file: BinaryIO) -> bytes:
    """What follows with its size before it."""
    prefix = file.read(4)
    size = struct.unpack("<I", prefix)[0] if len(prefix) == 4 else -1
    data = file.read(size) if size >= 0 else b""
    if len(data) != size:
        raise _DamageError("is damaged or cut off")
    return data


def _writers(header: bytes) -> Iterator[str]:
    for session in _messages(header, _SESSION):
        for version in _messages(session, _VERSIONS):
            names = [*_messages(version, _PROVIDER), *_messages(version, _VERSION)]
            yield " ".join(name.decode(errors="replace") for name in names)


def _messages(data: bytes, wanted: int) -> Iterator[bytes]:
    """The fields of that number that hold bytes: messages and texts."""
    return (value for number, value in _fields(data) if number == wanted and isinstance(value, bytes))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: numbers as they are, what has a size as bytes, others as nothing."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        size = {_VARINT: 0, _EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(wire, 0)
        value: int | bytes = b""
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _SIZED:
            size, at = _varint(data, at)
            value = data[at : at + size]
        elif wire not in (_EIGHT_BYTES, _FOUR_BYTES):
            raise _DamageError("is damaged")
        at += size
        yield number, value
    if at != len(data):
        raise _DamageError("is damaged")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value, shift = 0, 0
    while at < len(data):
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
    raise _DamageError("is damaged")
