"""sentence-transformers' usual recipe on the exchanges that homer trained on, measured on the
queries and candidates that `homer eval` drew; writes the true replies' ranks.

Bi-encoder: MultipleNegativesRankingLoss on (context + query, reply). Cross-encoder: binary
cross-entropy on (query, reply), the true one and negatives mined with the tuned bi-encoder.
"""

import argparse
import json
import random
import re
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

sys.path.insert(0, str(Path(__file__).parent.parent / "compare/python"))
from common import Trainer, batches, read_jsonl

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, required=True, help="folder of prepared exchanges")
parser.add_argument("--cases", required=True, help="eval-answers.jsonl of homer")
parser.add_argument("--encoder", required=True)
parser.add_argument("--out", required=True, help="where to write ranks and times")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--lr", type=float, default=1e-4)
parser.add_argument("--cross-epochs", type=int, default=1)
parser.add_argument("--cross-lr", type=float, default=2e-5)
parser.add_argument("--candidates", type=int, default=50)
args = parser.parse_args()
torch.manual_seed(42)
draw = random.Random(42)


def query(context, text):
    return " ".join([*context, text])


def heard(text):
    return re.sub(r"[^\w]", "", text.lower())


train = read_jsonl(args.data / "train.jsonl")
queries = [query([t["text"] for t in e["context"]], e["query"]["text"]) for e in train]
replies = [e["reply"] for e in train]

# The bi-encoder.
started = time.perf_counter()
model = SentenceTransformer(args.encoder, device="cpu")
model.max_seq_length = 64
ranking = MultipleNegativesRankingLoss(model)
steps = args.epochs * -(-len(train) // 64)
trainer = Trainer(model, args.lr, steps, steps // 10)
model.train()
for batch in batches(len(train), 64, steps, seed=42):
    features = [model.preprocess([side[i] for i in batch]) for side in (queries, replies)]
    trainer.step(ranking(features, None))
model.eval()
bi_seconds = time.perf_counter() - started


def embed(texts):
    return model.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)


# The cross-encoder, on four of the ranks 4 to 50 of each training query.
started = time.perf_counter()
distinct = list(dict.fromkeys(replies))
vectors = embed(distinct)
order = np.argsort(-(embed(queries) @ vectors.T), axis=1)[:, :50]
cross = CrossEncoder(args.encoder, num_labels=1, device="cpu", max_length=128)
steps = args.cross_epochs * -(-len(train) // 16)
trainer = Trainer(cross.model, args.cross_lr, steps, steps // 10)
measure = torch.nn.BCEWithLogitsLoss()
cross.model.train()
for batch in batches(len(train), 16, steps, seed=42):
    pairs, labels = [], []
    for i in batch:
        mined = [distinct[j] for j in order[i][3:] if heard(distinct[j]) != heard(replies[i])]
        for reply, label in [(replies[i], 1.0), *((text, 0.0) for text in draw.sample(mined, 4))]:
            pairs.append((train[i]["query"]["text"], reply))
            labels.append(label)
    features = cross.tokenizer(
        [a for a, _ in pairs], [b for _, b in pairs],
        padding=True, truncation="longest_first", max_length=128, return_tensors="pt",
    )
    logits = cross.model(**features).logits.flatten()
    trainer.step(measure(logits, torch.tensor(labels)))
cross.model.eval()
cross_seconds = time.perf_counter() - started

# The true replies' ranks; what was just said is never said again, as with homer.
cases = read_jsonl(args.cases)
pool = list(dict.fromkeys(case["reply"] for case in read_jsonl(args.data / "test.jsonl")))
scores = embed([query(case["context"], case["query"]) for case in cases]) @ embed(pool).T


def rank(scores, texts, case):
    """Of the true reply, counted from 1; tied candidates are ahead on average."""
    said = set(case["said"])
    values = np.array([-np.inf if t in said else s for s, t in zip(scores, texts)])
    true = values[texts.index(case["reply"])]
    return 1 + float((values > true).sum()) + ((values == true).sum() - 1) / 2


rows = []
for case, row in zip(cases, scores):
    few = [*case["distractors"], case["reply"]] if case["distractors"] else []
    found = {}
    for name, reranks in [("st_bi", False), ("st_reranked", True)]:
        ranks = {}
        for key, texts in [("rank_of_20", few), ("rank", pool)]:
            if not texts:
                continue
            values = row[[pool.index(t) for t in texts]]
            if reranks:
                best = np.argsort(-values)[: args.candidates]
                pairs = [(case["query"], texts[j]) for j in best]
                again = cross.predict(pairs, show_progress_bar=False)
                values = values - 2e3  # behind everything that was reranked
                values[best] = again
            ranks[key] = rank(values, texts, case)
        found[name] = ranks
    rows.append(found)
with open(args.out, "w", encoding="utf-8") as file:
    json.dump({"bi_seconds": bi_seconds, "cross_seconds": cross_seconds, "cases": rows}, file)
