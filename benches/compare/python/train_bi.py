"""Trains a bi-encoder with sentence-transformers' own loss; prints examples/s and every loss."""

import argparse
import json
import time

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.nn.functional import normalize

from common import Trainer, Words, batches, padded, read_jsonl

# As homer composes a query: the vector of its words, and half that of the turn before it.
CONTEXT_WEIGHT = 0.5

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
contexts = [words.context(exchange, args.max_length) for exchange in exchanges]
replies = [words.text(exchange["reply"], args.max_length) for exchange in exchanges]

model = SentenceTransformer(args.encoder, device="cpu")
model.train()
directions = ("query_to_doc", "doc_to_query") if args.both_directions else ("query_to_doc",)
ranking = MultipleNegativesRankingLoss(
    model, scale=1 / args.temperature, directions=directions, partition_mode="per_direction"
)
trainer = Trainer(model, args.lr, args.steps, args.warmup_steps)


def embedded(sequences):
    """Padded to the longest of them, as sentence-transformers' collator does."""
    return normalize(model(padded(sequences))["sentence_embedding"])


def query_vectors(batch):
    vectors = embedded([queries[i] for i in batch])
    having = [place for place, i in enumerate(batch) if contexts[i]]
    if not having:
        return vectors
    before = embedded([contexts[batch[place]] for place in having])
    return vectors.index_add(0, torch.tensor(having), CONTEXT_WEIGHT * before)


losses, seconds, examples = [], 0.0, 0
for batch in batches(len(exchanges), args.batch_size, args.steps, seed=42):
    start = time.perf_counter()
    vectors = [query_vectors(batch), embedded([replies[i] for i in batch])]
    loss = ranking.compute_loss_from_embeddings(vectors, None)
    trainer.step(loss)
    losses.append(loss.item())
    if len(losses) > 1:  # the first step makes buffers and moments
        seconds += time.perf_counter() - start
        examples += len(batch)

print(json.dumps({"examples_per_second": examples / seconds if seconds else None, "losses": losses}))
