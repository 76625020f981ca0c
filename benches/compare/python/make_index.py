"""Writes an index of random unit vectors in homer's format, the rest of its manifest taken from a
real one.

No byte of the vectors is 0xff, so that a search for that byte reads them all.
"""

import json
import os
import struct
import sys
from pathlib import Path

import numpy

real, target, rows = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
manifest = json.loads((real / "manifest.json").read_text())
columns = (real / "replies.csv").read_bytes().split(b"\n", 1)[0].strip()
width = manifest["width"]


def fingerprint(path):
    """homer's: a file's length, and FNV-1a of pieces of it (src/index/fingerprint.rs)."""
    length, piece = os.path.getsize(path), 4096
    pieces = min(-(-length // piece), 64)
    value = 0xCBF2_9CE4_8422_2325
    with open(path, "rb") as file:
        for number in range(pieces):
            file.seek(max(length - piece, 0) * number // max(pieces - 1, 1))
            for byte in file.read(piece):
                value = (value ^ byte) * 0x100_0000_01B3 % 2**64
    return f"{length}-{value:016x}"


size = rows * width * 2
tensors = {
    "vectors": {"dtype": "F16", "shape": [rows, width], "data_offsets": [0, size]},
    "offsets": {"dtype": "U64", "shape": [rows + 1], "data_offsets": [size, size + (rows + 1) * 8]},
}
header = json.dumps(tensors).encode()
header += b" " * (-(8 + len(header)) % 64)

target.mkdir(parents=True, exist_ok=True)
random = numpy.random.default_rng(42)
offsets = numpy.zeros(rows + 1, dtype="<u8")
with (
    open(target / "vectors.safetensors", "wb") as vectors,
    open(target / "replies.csv", "wb") as replies,
):
    vectors.write(struct.pack("<Q", len(header)) + header)
    replies.write(columns + b"\r\n")
    offsets[0] = replies.tell()
    for start in range(0, rows, 10_000):
        count = min(10_000, rows - start)
        block = random.standard_normal((count, width), dtype=numpy.float32)
        block /= numpy.linalg.norm(block, axis=1, keepdims=True)
        bits = block.astype("<f2").view("<u2")
        bits[(bits & 0xFF) == 0xFF] -= 1
        vectors.write(bits.tobytes())
        for row in range(start, start + count):
            replies.write(f"This is line {row}.{',' * columns.count(b',')}\r\n".encode())
            offsets[row + 1] = replies.tell()
    vectors.write(offsets.tobytes())

manifest["replies"] = rows
manifest["files"] = {name: fingerprint(target / name) for name in manifest["files"]}
(target / "manifest.json").write_text(json.dumps(manifest))
