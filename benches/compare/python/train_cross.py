"""Trains a cross-encoder on homer's own pairs, by binary cross-entropy; prints examples/s.

An example is an exchange: its true reply and its negatives, as homer counts them.
"""

import argparse
import json
import random
import time

import torch
from sentence_transformers import CrossEncoder

from common import Trainer, Words, batches, padded, read_jsonl

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True, help="train.jsonl of a prepared project")
parser.add_argument("--encoder", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--warmup-steps", type=int, required=True)
parser.add_argument("--batch-size", type=int, required=True)
parser.add_argument("--negatives", type=int, required=True)
parser.add_argument("--max-length", type=int, required=True)
parser.add_argument("--lr", type=float, required=True)
args = parser.parse_args()

words = Words(args.encoder)
exchanges = read_jsonl(args.data)
pool = [exchange["reply"] for exchange in exchanges]
scenes = {}
for exchange in exchanges:
    scenes.setdefault(exchange["scene"], []).append(exchange["reply"])
draw = random.Random(42)


def negatives(exchange):
    """homer's mix: one from all replies, one from the same scene, and so on."""
    sources = [pool, scenes[exchange["scene"]]]
    return [draw.choice(sources[i % 2]) for i in range(args.negatives)]


# All pairs of all batches are tokenised before the clock starts.
groups = []
for batch in batches(len(exchanges), args.batch_size, args.steps, seed=42):
    replies = [(exchanges[i], [exchanges[i]["reply"], *negatives(exchanges[i])]) for i in batch]
    pairs = [words.pair(exchange, text, args.max_length) for exchange, texts in replies for text in texts]
    groups.append((len(batch), pairs))

model = CrossEncoder(args.encoder, num_labels=1, device="cpu").model
model.train()
trainer = Trainer(model, args.lr, args.steps, args.warmup_steps)
measure = torch.nn.BCEWithLogitsLoss()

losses, seconds, examples = [], 0.0, 0
for size, pairs in groups:
    start = time.perf_counter()
    features = padded([ids for ids, _ in pairs])
    types = torch.zeros_like(features["input_ids"])
    for row, (ids, first) in enumerate(pairs):
        types[row, first : len(ids)] = 1
    labels = torch.zeros(size, 1 + args.negatives)
    labels[:, 0] = 1
    logits = model(**features, token_type_ids=types).logits.flatten()
    loss = measure(logits, labels.flatten())
    trainer.step(loss)
    losses.append(loss.item())
    if len(losses) > 1:  # the first step makes buffers and moments
        seconds += time.perf_counter() - start
        examples += size

print(json.dumps({"examples_per_second": examples / seconds if seconds else None, "losses": losses}))
