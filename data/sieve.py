#!/usr/bin/env python3
"""Fits data/reranker/sieve.json: which of the replies that were retrieved are worth reading.

    sieve.py ANSWERS.jsonl... > data/reranker/sieve.json

ANSWERS are what `homer -C PERSONA ask --file MESSAGES --json --explain --top-k 1200` writes with the general
reranker. Weighted least squares of the candidates' scores on what one sees of a line at once, within each message;
the better a candidate, the more it counts, since the sieve is to keep the best. Needs numpy.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

SEEN = ["retrieval", "retrieval_squared", "addressed", "names", "length", "length_squared", "asks"]
# The features that the ranker weighs already are known by what they added to a score.
WEIGHED = ["addressed", "names"]


def rows(candidates, weights):
    for one in candidates:
        length = math.log(1 + len(one["reply"].split()))
        reasons = one["reasons"]
        yield [
            one["retrieval"],
            one["retrieval"] ** 2,
            *(reasons.get(name, 0) / weights[name] for name in WEIGHED),
            length,
            length**2,
            float(one["reply"].rstrip().endswith("?")),
        ]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    ranker = json.loads((Path(__file__).parent / "reranker/ranker.json").read_text(encoding="utf-8"))
    # What weighs nothing added nothing.
    weights = {one["feature"]: one["weight"] or 1 for one in ranker["weights"]}
    seen, scores = [], []
    for path in sys.argv[1:]:
        for line in open(path, encoding="utf-8"):
            candidates = json.loads(line)["candidates"]
            x = np.array(list(rows(candidates, weights)))
            y = np.array([one["score"] for one in candidates])
            seen.append(x - x.mean(axis=0))
            scores.append((y - y.mean()) / y.std())
    x, y = np.concatenate(seen), np.concatenate(scores)
    counts = np.exp(np.clip(y, -2, 4) / 2)
    fitted = np.linalg.lstsq(x * counts[:, None], y * counts, rcond=None)[0]
    found = {name: round(float(weight), 3) for name, weight in zip(SEEN, fitted)}
    print(json.dumps({"weights": dict(sorted(found.items())), "messages": len(seen)}, indent=2))


if __name__ == "__main__":
    main()
