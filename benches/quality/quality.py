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
    homer, encoder = Path(args.homer).resolve(), Path(args.encoder).resolve()
    project, scripts = work / "homer", HERE / "python"
    train, test = (project / "data/exchanges" / f"{part}.jsonl" for part in ("train", "test"))
    answers, ranks = project / "runs/eval-answers.jsonl", work / "st-ranks.jsonl"
    st_bi, st_cross = work / "st-bi-encoder", work / "st-cross-encoder"
    project.mkdir(exist_ok=True)

    def command(name, *more):
        return [homer, name, "-C", project, *more]

    stages = {
        "prepare": command("prepare", Path(args.exchanges).resolve(), "--split", "contiguous"),
        "homer train-bi": command("train-bi", "--force", "--encoder", encoder),
        "sentence-transformers, bi-encoder": [
            *(python, scripts / "st_bi.py", "--train", train, "--encoder", encoder, "--out", st_bi)
        ],
        "sentence-transformers, cross-encoder": [
            *(python, scripts / "st_cross.py", "--train", train, "--encoder", encoder),
            *("--bi-encoder", st_bi, "--out", st_cross),
        ],
        "homer train-cross": command("train-cross", "--force"),
        "build-index": command("build-index"),
        "eval": command("eval", "--queries", 100_000),
        "ranks": [
            *(python, scripts / "st_rank.py", "--cases", answers, "--test", test, "--out", ranks),
            *("--bi-encoder", st_bi, "--cross-encoder", st_cross),
        ],
    }
    done = {name: once(work / "done.json", name, argv) for name, argv in stages.items()}
    print(done["eval"]["stdout"])

    cases, theirs = projects.read_jsonl(answers), projects.read_jsonl(ranks)
    systems = {
        "homer: bi-encoder": [case["systems"]["bi"] for case in cases],
        # Without a weight for the cross-encoder, reranking leaves the order as it is.
        "homer: reranked": [
            case["systems"].get("reranked", case["systems"]["bi"]) for case in cases
        ],
        "homer: ask": [case["systems"]["ask"] for case in cases],
        "sentence-transformers: bi-encoder": [case["st_bi"] for case in theirs],
        "sentence-transformers: reranked": [case["st_reranked"] for case in theirs],
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
    for name in stages:
        if "train" in name or "encoder" in name:
            print(f"| {name} | {done[name]['seconds']:.0f} | {done[name]['peak']:.0f} |")

    print("\n| query | homer | the true reply | rank |\n| --- | --- | --- | ---: |")
    for case in cases[:: max(1, len(cases) // 20)][:20]:
        ask = case["systems"]["ask"]
        texts = [text.replace("|", "\\|") for text in (case["query"], ask["answer"], case["reply"])]
        print("| " + " | ".join(texts) + f" | {ask['rank']:.0f} |")


def once(path, name, argv):
    """Runs a stage, or takes its output and cost from where they were kept when it ran: they take
    hours together, and a run that was interrupted goes on where it stopped."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    if name not in kept:
        print(name, file=sys.stderr)
        kept[name] = vars(run(*argv))
        path.write_text(json.dumps(kept))
    return kept[name]


if __name__ == "__main__":
    main()
