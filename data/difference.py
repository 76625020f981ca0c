#!/usr/bin/env python3
"""What a model that was trained further knows beside the one that it was trained from, in a twenty-fifth of its bytes.

    difference.py BEFORE AFTER OUT

BEFORE and AFTER are model.safetensors of one shape, in halves or floats. Of every matrix of the encoder and its pooler OUT holds the
best approximation of rank 16 to the difference (Eckart and Young, 1936), as NAME.up [rows, 16] and NAME.down
[16, columns] in homer's eight bits; of vectors, of the positions and of the head the difference itself. The table of words stays as it was.
"""

import json
import struct
import sys

import numpy as np

RANK = 16
TYPES = {"F16": np.float16, "F32": np.float32, "I8": np.int8}
WHOLE = ("position_embeddings", "token_type_embeddings", "classifier")


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    head, found = json.loads(data[8 : 8 + size]), {}
    for name, one in head.items():
        if name != "__metadata__":
            start, end = (8 + size + at for at in one["data_offsets"])
            values = np.frombuffer(data[start:end], TYPES[one["dtype"]])
            found[name] = values.reshape(one["shape"]).astype(np.float32)
    return found


def eight(name, matrix, out):
    scale = np.abs(matrix).max(1) / 127
    levels = np.round(matrix / np.maximum(scale, 1e-30)[:, None])
    out[name] = levels.astype(np.int8)
    out[name + ".scale"] = scale.astype(np.float32)


def write(path, tensors):
    head, at, order = {"__metadata__": {"format": "homer-int8"}}, 0, sorted(tensors, key=lambda n: (-tensors[n].itemsize, n))
    names = {value: key for key, value in TYPES.items()}
    for name in order:
        one = tensors[name]
        head[name] = {"dtype": names[one.dtype.type], "shape": list(one.shape), "data_offsets": [at, at + one.nbytes]}
        at += one.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(tensors[name].tobytes())


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    before, after, out = read(sys.argv[1]), read(sys.argv[2]), {}
    for name, one in before.items():
        change = after[name] - one
        if "word_embeddings" in name:
            continue
        if change.ndim < 2 or any(part in name for part in WHOLE):
            out[name] = change.astype(np.float16)
            continue
        left, values, right = np.linalg.svd(change, full_matrices=False)
        eight(name + ".up", left[:, :RANK] * np.sqrt(values[:RANK]), out)
        eight(name + ".down", np.sqrt(values[:RANK])[:, None] * right[:RANK], out)
    write(sys.argv[3], out)


if __name__ == "__main__":
    main()
