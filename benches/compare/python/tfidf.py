"""The usual way to similar and dissimilar lines: for each line of the character, a TF-IDF cosine
against every line of the script. Writes what it picked; prints counts."""

import argparse
import csv
import json
import random

import numpy
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity

parser = argparse.ArgumentParser()
parser.add_argument("script")
parser.add_argument("target")
parser.add_argument("--character", default="Homer Simpson")
args = parser.parse_args()

with open(args.script, encoding="utf-8", newline="") as file:
    header, *rows = csv.reader(file)
rows = [row for row in rows if any(row)]
speakers, lines = [row[0] for row in rows], [row[1] for row in rows]
matrix = TfidfVectorizer().fit_transform(lines)
own = [i for i in range(1, len(rows)) if speakers[i] == args.character != speakers[i - 1]]
draw = random.Random(42)

with open(args.target, "w", encoding="utf-8") as file:
    for i in own:
        scores = cosine_similarity(matrix[i - 1], matrix).ravel()
        similar = numpy.argsort(-scores)[:50]
        good = [lines[j + 1] for j in similar if j + 1 < len(rows) and speakers[j + 1] == args.character]
        unlike = numpy.flatnonzero(scores == 0)
        bad = [lines[draw.choice(unlike)] for _ in range(5)] if len(unlike) else []
        record = {"query": lines[i - 1], "reply": lines[i], "good": good[:3], "bad": bad}
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
print(json.dumps({"rows": len(rows), "exchanges": len(own)}))
