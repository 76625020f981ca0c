"""The true replies' ranks by sentence-transformers' models, among the candidates that `homer eval`
drew and among all; what was just said is never said again, as with homer. Writes them as JSON lines."""

import argparse
import json

import numpy as np
from sentence_transformers import CrossEncoder, SentenceTransformer

from st import embed, heard, query, read_jsonl

parser = argparse.ArgumentParser()
parser.add_argument("--cases", required=True, help="eval-answers.jsonl of homer")
parser.add_argument("--test", required=True, help="test.jsonl of the same project")
parser.add_argument("--bi-encoder", required=True)
parser.add_argument("--cross-encoder", required=True)
parser.add_argument("--candidates", type=int, default=50, help="how many are reranked [%(default)s]")
parser.add_argument("--out", required=True)
args = parser.parse_args()

cases = read_jsonl(args.cases)
replies = {}
for exchange in read_jsonl(args.test):
    replies.setdefault(heard(exchange["reply"]), exchange["reply"])
pool = list(replies.values())
bi = SentenceTransformer(args.bi_encoder, device="cpu")
cross = CrossEncoder(args.cross_encoder, device="cpu")
scores = embed(bi, [query(case["context"], case["query"]) for case in cases]) @ embed(bi, pool).T


def rank(scores, texts, case):
    """Of the true reply, counted from 1; tied candidates are ahead on average."""
    said = set(case["said"])
    values = np.array([-np.inf if text in said else score for score, text in zip(scores, texts)])
    true = values[texts.index(case["reply"])]
    return 1 + float((values > true).sum()) + ((values == true).sum() - 1) / 2


def reranked(scores, texts, case):
    """The scores with the best few put in the cross-encoder's order, ahead of all others."""
    best = np.argsort(-scores)[: args.candidates]
    pairs = [(case["query"], texts[j]) for j in best]
    scores = scores - 1e3
    scores[best] = cross.predict(pairs, show_progress_bar=False)
    return scores


with open(args.out, "w", encoding="utf-8") as file:
    for case, row in zip(cases, scores):
        few = [*case["distractors"], case["reply"]] if case["distractors"] else []
        ranks = {"st_bi": {}, "st_reranked": {}}
        for key, texts in [("rank_of_20", few), ("rank", pool)]:
            if texts:
                values = row[[pool.index(text) for text in texts]]
                ranks["st_bi"][key] = rank(values, texts, case)
                ranks["st_reranked"][key] = rank(reranked(values, texts, case), texts, case)
        file.write(json.dumps(ranks) + "\n")
