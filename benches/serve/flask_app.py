"""The usual way, done well: one thread of PyTorch a worker, no gradients, one product over all replies."""

import csv
import os

import numpy
import torch
from flask import Flask, request
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

torch.set_num_threads(1)
persona = os.environ["PERSONA"]
model = SentenceTransformer(f"{persona}/runs/bi-encoder/model", device="cpu").eval()
vectors = load_file(f"{persona}/runs/index/vectors.safetensors")["vectors"].astype(numpy.float32)
with open(f"{persona}/runs/index/replies.csv", newline="", encoding="utf-8") as file:
    replies = [row["text"] for row in csv.DictReader(file)]
app = Flask(__name__)


@app.post("/v1/chat/completions")
def answer():
    question = request.get_json()["messages"][-1]["content"]
    with torch.inference_mode():
        query = model.encode(question, normalize_embeddings=True, show_progress_bar=False)
    return {"choices": [{"message": {"role": "assistant", "content": replies[int(numpy.argmax(vectors @ query))]}}]}
