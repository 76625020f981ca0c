#!/usr/bin/env python3
"""homer's recipe and sentence-transformers' on the same exchanges: one table. README.md says how."""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "compare"))

import projects
from arguments import add_common, set_up
from measure import run
from statistics_of import interval, paired

METRICS = [
    ("R@1 of 20", "rank_of_20", lambda rank: float(rank <= 1)),
    ("MRR of 20", "rank_of_20", lambda rank: 1 / rank),
    ("R@1", "rank", lambda rank: float(rank <= 1)),
    ("R@10", "rank", lambda rank: float(rank <= 10)),
    ("MRR", "rank", lambda rank: 1 / rank),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_common(parser)
    args = parser.parse_args()
    python, work = set_up(args)
    homer = Path(args.homer).resolve()

    project = projects.fresh(work / "homer")
    commands = [
        ("prepare", [Path(args.exchanges).resolve(), "--split", "contiguous"]),
        ("train-bi", ["--encoder", Path(args.encoder).resolve()]),
        ("train-cross", []),
        ("build-index", []),
        ("eval", ["--queries", 100_000]),
    ]
    costs = {}
    for command, more in commands:
        print(command, file=sys.stderr)
        done = run(homer, command, "-C", project, *more)
        costs[command] = done
    print(costs["eval"].stdout)

    cases = projects.read_jsonl(project / "runs/eval-answers.jsonl")
    print("sentence-transformers", file=sys.stderr)
    ranks = work / "st.json"
    st = run(
        *(python, HERE / "train_st.py", "--data", project / "data/exchanges"),
        *("--cases", project / "runs/eval-answers.jsonl", "--encoder", args.encoder, "--out", ranks),
    )
    theirs = json.loads(ranks.read_text())

    systems = {
        "homer: bi-encoder": [case["systems"]["bi"] for case in cases],
        "homer: reranked": [case["systems"]["reranked"] for case in cases],
        "homer: ask": [case["systems"]["ask"] for case in cases],
        "sentence-transformers: bi-encoder": [case["st_bi"] for case in theirs["cases"]],
        "sentence-transformers: reranked": [case["st_reranked"] for case in theirs["cases"]],
    }
    print("| system | " + " | ".join(name for name, _, _ in METRICS) + " |")
    print("| --- |" + " ---: |" * len(METRICS))
    values = {
        name: [[measure(case[key]) for case in rows] for _, key, measure in METRICS]
        for name, rows in systems.items()
    }
    for name, columns in values.items():
        cells = ["{:.3f} ± {:.3f}".format(*interval(column)) for column in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nDifferences, query by query, with 95% intervals (paired bootstrap):\n")
    for before, after in [
        ("sentence-transformers: bi-encoder", "homer: bi-encoder"),
        ("sentence-transformers: reranked", "homer: ask"),
        ("homer: bi-encoder", "homer: reranked"),
    ]:
        gains = [paired(a, b) for a, b in zip(values[before], values[after])]
        cells = [f"{name} {low:+.3f} … {high:+.3f}" for (name, _, _), (low, high) in zip(METRICS, gains)]
        print(f"- {before} → {after}: " + ", ".join(cells))
    print("\n| | seconds | peak MB |\n| --- | ---: | ---: |")
    for command in ("train-bi", "train-cross"):
        print(f"| homer {command} | {costs[command].seconds:.0f} | {costs[command].peak:.0f} |")
    print(f"| sentence-transformers, bi-encoder | {theirs['bi_seconds']:.0f} | |")
    print(f"| sentence-transformers, cross-encoder | {theirs['cross_seconds']:.0f} | {st.peak:.0f} |")

    print("\n| query | homer | the true reply | rank |\n| --- | --- | --- | ---: |")
    for case in cases[:: max(1, len(cases) // 20)][:20]:
        ask = case["systems"]["ask"]
        texts = [text.replace("|", "\\|") for text in (case["query"], ask["answer"], case["reply"])]
        print("| " + " | ".join(texts) + f" | {ask['rank']:.0f} |")


if __name__ == "__main__":
    main()
