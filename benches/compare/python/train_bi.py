"""Trains a bi-encoder with sentence-transformers' own loss; prints examples/s and every loss."""

import argparse
import json
import time

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from common import Trainer, Words, batches, padded, read_jsonl

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True, help="train.jsonl of a prepared project")
parser.add_argument("--encoder", required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--warmup-steps", type=int, required=True)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--max-length", type=int, default=64)
parser.add_argument("--lr", type=float, required=True)
parser.add_argument("--temperature", type=float, default=0.05)
parser.add_argument("--both-directions", action="store_true")
args = parser.parse_args()

words = Words(args.encoder)
exchanges = read_jsonl(args.data)
queries = [words.query(exchange, args.max_length) for exchange in exchanges]
replies = [words.text(exchange["reply"], args.max_length) for exchange in exchanges]

model = SentenceTransformer(args.encoder, device="cpu")
model.train()
directions = ("query_to_doc", "doc_to_query") if args.both_directions else ("query_to_doc",)
ranking = MultipleNegativesRankingLoss(
    model, scale=1 / args.temperature, directions=directions, partition_mode="per_direction"
)
trainer = Trainer(model, args.lr, args.steps, args.warmup_steps)

losses, seconds, examples = [], 0.0, 0
for batch in batches(len(exchanges), args.batch_size, args.steps, seed=42):
    start = time.perf_counter()
    # Each side is padded to its own longest, as sentence-transformers' collator does.
    features = [padded([side[i] for i in batch]) for side in (queries, replies)]
    loss = ranking(features, None)
    trainer.step(loss)
    losses.append(loss.item())
    if len(losses) > 1:  # the first step makes buffers and moments
        seconds += time.perf_counter() - start
        examples += len(batch)

print(json.dumps({"examples_per_second": examples / seconds if seconds else None, "losses": losses}))
