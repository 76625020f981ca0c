"""sentence-transformers' cross-encoder: binary cross-entropy on (query, reply), the true reply and
four negatives from the tuned bi-encoder's ranks 4 to 50."""

import argparse
import random

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

from st import MAX_LENGTH, Trainer, batches, embed, heard, query_of, read_jsonl

parser = argparse.ArgumentParser()
parser.add_argument("--train", required=True, help="train.jsonl of a prepared project")
parser.add_argument("--encoder", required=True)
parser.add_argument("--bi-encoder", required=True, help="the tuned bi-encoder")
parser.add_argument("--out", required=True, help="model folder to write")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--lr", type=float, default=2e-5)
parser.add_argument("--batch-size", type=int, default=16)
args = parser.parse_args()
torch.manual_seed(42)
draw = random.Random(42)

train = read_jsonl(args.train)
replies = [exchange["reply"] for exchange in train]
distinct = list(dict.fromkeys(replies))
bi = SentenceTransformer(args.bi_encoder, device="cpu")
scores = embed(bi, [query_of(exchange) for exchange in train]) @ embed(bi, distinct).T
order = np.argsort(-scores, axis=1)[:, :50]

model = CrossEncoder(args.encoder, num_labels=1, device="cpu", max_length=MAX_LENGTH)
steps = args.epochs * -(-len(train) // args.batch_size)
trainer = Trainer(model.model, args.lr, steps, steps // 10)
measure = torch.nn.BCEWithLogitsLoss()
model.model.train()
for batch in batches(len(train), args.batch_size, steps, seed=42):
    pairs, labels = [], []
    for i in batch:
        mined = [distinct[j] for j in order[i][3:] if heard(distinct[j]) != heard(replies[i])]
        for reply, label in [(replies[i], 1.0), *((text, 0.0) for text in draw.sample(mined, 4))]:
            pairs.append((train[i]["query"]["text"], reply))
            labels.append(label)
    features = model.tokenizer(
        [a for a, _ in pairs],
        [b for _, b in pairs],
        padding=True,
        truncation="longest_first",
        max_length=MAX_LENGTH,
        return_tensors="pt",
    )
    logits = model.model(**features).logits.flatten()
    trainer.step(measure(logits, torch.tensor(labels)))
model.save(args.out)
