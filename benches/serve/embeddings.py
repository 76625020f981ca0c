"""Vectors a second in batches of 32 real lines: a homer, and onnxruntime in a loop on the same weights.

embeddings.py URL PERSONA
"""

import csv
import json
import os
import statistics
import sys
import tempfile
import time
import urllib.request

import numpy
import onnxruntime
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

url, persona = sys.argv[1:]
model = f"{persona}/runs/bi-encoder/model"
with open(f"{persona}/runs/index/replies.csv", newline="", encoding="utf-8") as file:
    lines = [row["text"] for row in csv.DictReader(file)][:1280]
batches = [lines[i:i + 32] for i in range(0, len(lines), 32)]


def homer(batch):
    body = json.dumps({"input": batch, "encoding_format": "base64"}).encode()
    request = urllib.request.Request(f"{url}/v1/embeddings", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return len(json.load(response)["data"])


tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
tokenizer.enable_padding()
tokenizer.enable_truncation(128)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(model, attn_implementation="eager").eval()

    def forward(self, ids, mask, types):
        return self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state


names = ["input_ids", "attention_mask", "token_type_ids"]
path = os.path.join(tempfile.mkdtemp(), "model.onnx")
axes = {name: {0: "batch", 1: "length"} for name in names}
example = tuple(torch.ones(2, 8, dtype=torch.long) for _ in names)
torch.onnx.export(Network(), example, path, input_names=names, output_names=["states"], dynamic_axes=axes, dynamo=False)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def onnx(batch):
    encoded = tokenizer.encode_batch(batch)
    ids = numpy.array([one.ids for one in encoded])
    mask = numpy.array([one.attention_mask for one in encoded])
    states = session.run(["states"], {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0})[0]
    pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return len(pooled / numpy.linalg.norm(pooled, axis=1, keepdims=True))


def rate(embed):
    begun = time.perf_counter()
    count = sum(embed(batch) for batch in batches)
    return count / (time.perf_counter() - begun)


for embed in (homer, onnx):
    rate(embed)
rates = {"homer": [], "onnxruntime": []}
for _ in range(5):
    rates["homer"].append(rate(homer))
    rates["onnxruntime"].append(rate(onnx))
for name, values in rates.items():
    print(f"{name}: {statistics.median(values):.0f} lines/s ({min(values):.0f} to {max(values):.0f})")
