"""sentence-transformers' bi-encoder: MultipleNegativesRankingLoss on (context + query, reply)."""

import argparse

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from st import MAX_LENGTH, Trainer, batches, query_of, read_jsonl

parser = argparse.ArgumentParser()
parser.add_argument("--train", required=True, help="train.jsonl of a prepared project")
parser.add_argument("--encoder", required=True)
parser.add_argument("--out", required=True, help="model folder to write")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--lr", type=float, default=1e-4)
parser.add_argument("--batch-size", type=int, default=64)
args = parser.parse_args()
torch.manual_seed(42)

train = read_jsonl(args.train)
queries = [query_of(exchange) for exchange in train]
replies = [exchange["reply"] for exchange in train]
model = SentenceTransformer(args.encoder, device="cpu")
model.max_seq_length = MAX_LENGTH
ranking = MultipleNegativesRankingLoss(model)
steps = args.epochs * -(-len(train) // args.batch_size)
trainer = Trainer(model, args.lr, steps, steps // 10)
model.train()
for batch in batches(len(train), args.batch_size, steps, seed=42):
    features = [model.preprocess([side[i] for i in batch]) for side in (queries, replies)]
    trainer.step(ranking(features, None))
model.save(args.out)
