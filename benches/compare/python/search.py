"""The 50 nearest of the vectors to one query, exactly, by sentence-transformers; prints ms."""

import argparse
import json
import statistics
import time

import torch
from safetensors.torch import load_file
from sentence_transformers import util

parser = argparse.ArgumentParser()
parser.add_argument("--vectors", required=True, help="vectors.safetensors of an index")
parser.add_argument("--questions", type=int, default=30)
args = parser.parse_args()

vectors = load_file(args.vectors)["vectors"].float()
queries = torch.nn.functional.normalize(torch.randn(args.questions, 1, vectors.shape[1]), dim=-1)
times = []
for query in queries:
    start = time.perf_counter()
    util.semantic_search(query, vectors, top_k=50, score_function=util.dot_score)
    times.append((time.perf_counter() - start) * 1e3)
print(json.dumps({"ms": statistics.median(times[3:])}))
