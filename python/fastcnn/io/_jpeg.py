"""Check that the data of a JPEG stream is complete.

libjpeg fills missing data with grey, and neither Pillow nor imagecodecs reports it. If an entropy-coded segment ends
too early, its decoded pixels depend on the bytes that follow; those of a complete segment do not. So a stream is
decoded a second time with noise after every segment, and both results must be equal. This does not work for arithmetic
coding, which drops any number of zeros at the end of a segment: its decoders read missing data as zeros, and a
truncated segment is a valid segment of another image (ITU-T T.81, D.1.8 and D.2.6).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from fastcnn.io.picture import UnreadableImage

_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_SCAN_END = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN, _RESTART_INTERVAL = 0xD8, 0xD9, 0xDA, 0xDD
_ALONE = (0x01, *range(0xD0, 0xD9))
# Start of frame: ITU-T T.81, table B.1.
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_PROGRESSIVE, _LOSSLESS, _ARITHMETIC = (0xC2, 0xCA), 0xC3, (0xC9, 0xCA)
_READ = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA)
_NOISE = bytes.fromhex("b56e9ac3275d8e71a94c16e3d27b395a") * 2


class Stream(NamedTuple):
    """A JPEG stream with all its scans.

    Attributes:
        width: in pixels.
        height: in pixels.
        bits: per sample.
        noisy: the stream with noise after each entropy-coded segment, except arithmetic ones.
    """

    width: int
    height: int
    bits: int
    noisy: bytes


@dataclass
class _Frame:
    kind: int
    bits: int
    height: int
    width: int
    factors: dict[int, tuple[int, int]]
    # For each component, the lowest bit received of each coefficient, or None.
    sent: dict[int, list[int | None]] = field(default_factory=dict)

    def units(self, components: bytes) -> int:
        """Return the number of coding units in a scan of these components, over all its restart intervals."""
        side = 1 if self.kind == _LOSSLESS else 8
        across = max(h for h, _ in self.factors.values())
        down = max(v for _, v in self.factors.values())
        if len(components) > 1:
            return -(-self.width // (side * across)) * -(-self.height // (side * down))
        h, v = self.factors[components[0]]
        wide, high = -(-self.width * h // across), -(-self.height * v // down)
        return -(-wide // side) * -(-high // side)


def examine(data: bytes) -> Stream:
    """Parse the markers up to the end of the image; later bytes do not belong to it.

    Raises:
        UnreadableImage: the end, a scan, bits of a coefficient or a restart is missing, or this kind of JPEG is
            not supported.
    """
    frame: _Frame | None = None
    interval, at = 0, 2
    noisy = [data[:2]]
    while found := _MARKER.search(data, at):
        marker, start = found[1][0], found.end()
        if marker in _ALONE:
            at = start
            continue
        if marker == _END_OF_IMAGE:
            break
        size = _unpack(">H", data, start)[0]
        if start + size > len(data):
            raise UnreadableImage("is truncated")
        end = start + size
        if marker in _FRAMES:
            frame = _frame(marker, data[start + 2 : end])
        elif marker == _RESTART_INTERVAL:
            (interval,) = _unpack(">H", data, start + 2)
        elif marker == _START_OF_SCAN:
            if frame is None:
                raise UnreadableImage("is damaged (a scan before its frame)")
            stop = _SCAN_END.search(data, end)
            if stop is None:
                raise UnreadableImage("is truncated")
            components = _scan(frame, data[start + 2 : end])
            if interval:
                restarts = sum(1 for _ in _RESTART.finditer(data, end, stop.start()))
                if restarts + 1 < -(-frame.units(components) // interval):
                    raise UnreadableImage("is truncated")
            noisy.append(data[at:end])
            scan = data[end : stop.start()]
            if frame.kind not in _ARITHMETIC:
                scan = _RESTART.sub(lambda found: _NOISE + found[0], scan) + _NOISE
            noisy.append(scan)
            at = stop.start()
            continue
        noisy.append(data[at:end])
        at = end
    else:
        raise UnreadableImage("is truncated")
    if frame is None:
        raise UnreadableImage("has no pixels")
    if any(bit != 0 for sent in frame.sent.values() for bit in sent):
        raise UnreadableImage("is truncated (scans are missing)")
    noisy.append(b"\xff\xd9")
    return Stream(frame.width, frame.height, frame.bits, b"".join(noisy))


def _unpack(layout: str, data: bytes, at: int) -> tuple[int, ...]:
    if at + struct.calcsize(layout) > len(data):
        raise UnreadableImage("is truncated")
    return struct.unpack_from(layout, data, at)


def _frame(kind: int, content: bytes) -> _Frame:
    if kind not in _READ:
        raise UnreadableImage(f"is a JPEG of kind SOF{kind - 0xC0}, which is not supported")
    bits, height, width, count = _unpack(">BHHB", content, 0)
    factors = {}
    for i in range(count):
        name, both, _ = _unpack("BBB", content, 6 + 3 * i)
        factors[name] = (both >> 4, both & 15)
    if not height or not width:
        raise UnreadableImage(f"has no pixels ({width} x {height})")
    if len(factors) != count or not count or not all(h and v for h, v in factors.values()):
        raise UnreadableImage("is damaged (its components)")
    return _Frame(kind, bits, height, width, factors, {name: [None] * 64 for name in factors})


def _scan(frame: _Frame, content: bytes) -> bytes:
    """Record the coefficient bits that a scan contains, and return its component ids."""
    (count,) = _unpack("B", content, 0)
    first, last, bit = _unpack("BBB", content, 1 + 2 * count)
    components = content[1 : 1 + 2 * count : 2]
    if not count or not all(name in frame.sent for name in components):
        raise UnreadableImage("is damaged (a scan's components)")
    if frame.kind not in _PROGRESSIVE:
        first, last, bit = 0, 63, 0
    for name in components:
        for i in range(first, min(last, 63) + 1):
            frame.sent[name][i] = bit & 15
    return components
