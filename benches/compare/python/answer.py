"""Answers as homer does: the 50 nearest replies by the bi-encoder, put in order by the
cross-encoder. One question, or every line of standard input."""

import argparse
import json
import sys

import numpy
from sentence_transformers import CrossEncoder, SentenceTransformer

parser = argparse.ArgumentParser()
parser.add_argument("--bi-encoder", required=True)
parser.add_argument("--cross-encoder", required=True)
parser.add_argument("--vectors", required=True, help=".npy of the replies' vectors")
parser.add_argument("--replies", required=True, help=".json list of the replies")
parser.add_argument("question", nargs="?")
args = parser.parse_args()

bi_encoder = SentenceTransformer(args.bi_encoder, device="cpu")
cross_encoder = CrossEncoder(args.cross_encoder, device="cpu")
vectors = numpy.load(args.vectors)
with open(args.replies, encoding="utf-8") as file:
    replies = json.load(file)


def answer(question):
    query = bi_encoder.encode(question, normalize_embeddings=True, show_progress_bar=False)
    scores = vectors @ query
    best = numpy.argpartition(-scores, 50)[:50] if len(scores) > 50 else numpy.arange(len(scores))
    candidates = [replies[i] for i in best]
    pairs = [(question, reply) for reply in candidates]
    return candidates[int(cross_encoder.predict(pairs, show_progress_bar=False).argmax())]


if args.question:
    print(answer(args.question))
else:
    for line in sys.stdin:
        if not line.startswith(":"):
            print(" ".join(answer(line.strip()).split("\n")), flush=True)
