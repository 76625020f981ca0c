"""An index as a Python script would keep it: vectors as .npy, replies as a .json list."""

import csv
import json
import sys
from pathlib import Path

import numpy
from safetensors.numpy import load_file

index, vectors, replies = map(Path, sys.argv[1:])
numpy.save(vectors, load_file(index / "vectors.safetensors")["vectors"].astype(numpy.float32))
with open(index / "replies.csv", encoding="utf-8", newline="") as file:
    replies.write_text(json.dumps([row["text"] for row in csv.DictReader(file)]), encoding="utf-8")
