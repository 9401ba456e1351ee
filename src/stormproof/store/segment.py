"""Record segments: append-only files of checksummed frames, one writer each.

Theory of operation. A segment is the eight bytes of MAGIC and then frames. A frame is a
little-endian header (payload length, CRC-32 of kind and payload, kind) and its payload. Each append
is one `write` to the file, so what was appended survives the death of the process; only events that
ask for it are forced to disk. A reader takes frames until the first that is short or whose
checksum is wrong: a torn tail costs its frame and nothing before it. A write that fails half-way
(disk full) is cut off again, so that a later one continues a whole segment.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Protocol

import msgspec

from stormproof.kernel import clock
from stormproof.kernel.errors import EnvironmentFailure, OwnFault
from stormproof.kernel.limits import SEGMENT_FRAME_BYTES_MAX
from stormproof.model.event import Event, Failure, ProbeSample
from stormproof.model.ledger import ENTRY_BYTES
from stormproof.model.native import unpacked
from stormproof.model.reading import ObservedSeries, SourceReading
from stormproof.model.series import Frame, Series, StoredFrame

MAGIC = b"SPSEG01\n"
HEADER = struct.Struct("<IIB")


class FrameKind(IntEnum):
    """What a frame's payload is: msgpack of the named structure, or packed ledger entries."""

    META = 1
    EVENT = 2
    SERIES = 3
    FRAME = 4
    LEDGER = 5
    FAILURE = 6
    PROBE = 7
    READING = 8
    END = 9
    OBSERVED = 10


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame of a segment: who writes it, since when."""

    writer: str
    pid: int
    boot_id: str
    at_ns: int
    wall_ns: int


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last frame of a segment that its writer closed."""

    how: str


class SegmentContent(msgspec.Struct, kw_only=True):
    """A segment as read back; `problem` says where and why reading stopped early."""

    meta: Meta | None = None
    events: list[Event] = []
    series: list[Series] = []
    frames: list[StoredFrame] = []
    failures: list[Failure] = []
    probes: list[ProbeSample] = []
    observed: list[ObservedSeries] = []
    readings: list[SourceReading] = []
    ledger: bytearray = msgspec.field(default_factory=bytearray)
    end: End | None = None
    problem: str = ""


def pack_frame(kind: FrameKind, payload: bytes) -> bytes:
    """Return the bytes of one frame."""
    if len(payload) > SEGMENT_FRAME_BYTES_MAX:
        raise OwnFault(f"a frame of {len(payload)} bytes is over {SEGMENT_FRAME_BYTES_MAX}")
    checksum = zlib.crc32(payload, zlib.crc32(bytes([kind])))
    return HEADER.pack(len(payload), checksum, kind) + payload


class SegmentRecorder:
    """Append what one process observed to its own segment (`stormproof.seams.Recorder`)."""

    def __init__(self, path: Path, *, writer: str) -> None:
        self._path = path
        self._encode = msgspec.msgpack.Encoder().encode
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise _failure(path, error) from error
        self._size = 0
        self._closed = False
        meta = Meta(
            writer=writer,
            pid=os.getpid(),
            boot_id=clock.boot_id(),
            at_ns=clock.monotonic_ns(),
            wall_ns=clock.wall_ns(),
        )
        self._write(MAGIC + pack_frame(FrameKind.META, self._encode(meta)))

    def events(self, events: Sequence[Event], *, sync: bool = False) -> None:
        """Append events; with `sync` return only once they are on disk."""
        self._write(b"".join(pack_frame(FrameKind.EVENT, self._encode(event)) for event in events))
        if sync:
            os.fsync(self._file)

    def frame(self, frame: Frame, series: Sequence[Series], failures: Sequence[Failure]) -> None:
        """Append one second of a worker, after the series it mentions for the first time."""
        encode = self._encode
        parts = [pack_frame(FrameKind.SERIES, encode(one)) for one in series]
        parts.append(pack_frame(FrameKind.FRAME, encode(frame)))
        parts += [pack_frame(FrameKind.FAILURE, encode(one)) for one in failures]
        self._write(b"".join(parts))

    def ledger(self, entries: bytes) -> None:
        """Append packed ledger entries, a whole number of them."""
        if len(entries) % ENTRY_BYTES:
            raise OwnFault(f"{len(entries)} bytes are no whole number of ledger entries")
        self._write(pack_frame(FrameKind.LEDGER, entries))

    def probes(self, samples: Sequence[ProbeSample]) -> None:
        """Append answers of probes."""
        self._write(pack_frame(FrameKind.PROBE, self._encode(samples)))

    def reading(self, reading: SourceReading, series: Sequence[ObservedSeries]) -> None:
        """Append what a source gave, after the series that it mentions for the first time."""
        parts = [pack_frame(FrameKind.OBSERVED, self._encode(one)) for one in series]
        parts.append(pack_frame(FrameKind.READING, self._encode(reading)))
        self._write(b"".join(parts))

    def close(self, how: str) -> None:
        """Write the end mark, force all to disk and close; safe to call twice."""
        if self._closed:
            return
        try:
            self._write(pack_frame(FrameKind.END, self._encode(End(how=how))))
            os.fsync(self._file)
        finally:
            self._closed = True
            os.close(self._file)

    def _write(self, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise _failure(self._path, error) from error
        self._size += len(data)


def _failure(path: Path, error: OSError) -> EnvironmentFailure:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentFailure(
            f"the disk is full: {path} cannot grow", "free space, or choose another --out"
        )
    return EnvironmentFailure(f"{path} cannot be written: {error.strerror}", "check --out")


_OBSERVED = msgspec.msgpack.Decoder(ObservedSeries)
_FRAME = msgspec.msgpack.Decoder(StoredFrame)
_READING = msgspec.msgpack.Decoder(SourceReading)
_DECODERS = {
    FrameKind.META: msgspec.msgpack.Decoder(Meta),
    FrameKind.EVENT: msgspec.msgpack.Decoder(Event),
    FrameKind.SERIES: msgspec.msgpack.Decoder(Series),
    FrameKind.FRAME: msgspec.msgpack.Decoder(Frame),
    FrameKind.FAILURE: msgspec.msgpack.Decoder(Failure),
    FrameKind.PROBE: msgspec.msgpack.Decoder(list[ProbeSample]),
    FrameKind.END: msgspec.msgpack.Decoder(End),
}


class Readable(Protocol):
    """What a segment is read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next `size` bytes, fewer at the end."""


def read_segment(source: bytes | Readable) -> SegmentContent:
    """Read a segment up to its first broken frame; never raises on broken data.

    Of a stream no more than a frame is held beside what is kept.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    content = SegmentContent()
    if stream.read(len(MAGIC)) != MAGIC:
        content.problem = "is not a record segment"
        return content
    at: int | None = len(MAGIC)
    while at is not None and not content.problem and content.end is None:
        at = _read_frame(stream, at, content)
    if not content.problem and content.end is None:
        content.problem = "ends without its end mark"
    elif not content.problem and stream.read(1):
        content.problem = f"goes on after its end mark at byte {at}"
    return content


def _read_frame(stream: Readable, at: int, content: SegmentContent) -> int | None:
    """Take the frame at `at` into `content`; return where the next one starts, None at the end."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        content.problem = f"is cut at byte {at}" if header else ""
        return None
    length: int
    length, checksum, kind = HEADER.unpack(header)
    payload = stream.read(length) if length <= SEGMENT_FRAME_BYTES_MAX else b""
    if len(payload) < length:
        content.problem = f"is cut at byte {at}"
        return None
    if zlib.crc32(payload, zlib.crc32(bytes([kind]))) != checksum:
        content.problem = f"has a wrong checksum at byte {at}"
        return None
    try:
        _take(FrameKind(kind), payload, content)
    except (ValueError, msgspec.DecodeError, msgspec.ValidationError) as error:
        content.problem = f"has an unreadable frame at byte {at}: {error}"
    return at + HEADER.size + length


def _take_figures(kind: FrameKind, payload: bytes, content: SegmentContent) -> None:
    if kind is FrameKind.OBSERVED:
        content.observed.append(_OBSERVED.decode(payload))
        return
    reading = _READING.decode(payload)
    if len(reading.ids) != len(reading.values):
        raise ValueError("a reading whose ids and values do not pair")
    for data in reading.natives.values():
        unpacked(data)
    content.readings.append(reading)


def _take(kind: FrameKind, payload: bytes, content: SegmentContent) -> None:
    if kind is FrameKind.LEDGER:
        if len(payload) % ENTRY_BYTES:
            raise ValueError("no whole number of ledger entries")
        content.ledger += payload
        return
    if kind in (FrameKind.OBSERVED, FrameKind.READING):
        _take_figures(kind, payload, content)
        return
    value = _DECODERS[kind].decode(payload)
    match value:
        case Meta():
            content.meta = value
        case Series():
            content.series.append(value)
        case Frame():
            content.frames.append(_FRAME.decode(payload))  # `value` has shown that it can be read
        case Failure():
            content.failures.append(value)
        case End():
            content.end = value
        case list():
            content.probes += value
        case _:
            content.events.append(value)
