#!/usr/bin/env python3
"""Trains with homer and with PyTorch, without dropout, and compares the loss of every step.

homer shuffles by its own seed, so the data are a single batch: whatever their order, each step
sees the same pairs. README.md says more.
"""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

import projects
from arguments import add_common, set_up
from comparisons import run_settings, said, schedule_arguments
from measure import run

BATCH = 64
TOLERANCE = 1e-3
# One batch is learned by heart: of a loss below this, what is left is rounding.
FLOOR = 0.01


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_common(parser)
    parser.add_argument("--steps", type=int, default=50, help="[%(default)s]")
    parser.add_argument("--lr", type=float, default=5e-5, help="at its peak [%(default)s]")
    args = parser.parse_args()
    python, work = set_up(args)
    homer = Path(args.homer).resolve()

    encoder = without_dropout(Path(args.encoder), work / "encoder-without-dropout")
    base = projects.prepared(homer, args.exchanges, work / "base")
    project = projects.copied(base, work / "parity")
    train = project / "data/exchanges/train.jsonl"
    projects.write_jsonl(train, distinct(projects.read_jsonl(train)))

    folder = project / "runs/bi-encoder"
    run(
        *(homer, "train-bi", "-C", project, "--force", "--encoder", encoder),
        *("--epochs", args.steps, "--evaluate-every", args.steps),
        *("--batch-size", BATCH, "--max-length", 64, "--lr", args.lr),
    )
    ours = [row["loss"] for row in projects.steps_of(folder)]
    settings = run_settings(folder)
    theirs = said(
        run(
            *(python, Path(__file__).parent / "python/train_bi.py"),
            *("--data", train, "--encoder", encoder, *schedule_arguments(settings)),
            *("--temperature", settings["settings"]["temperature"]),
            *(["--both-directions"] if settings["settings"]["both_directions"] else []),
        )
    )["losses"]
    if len(ours) != args.steps or len(theirs) != args.steps:
        sys.exit(f"{len(ours)} and {len(theirs)} steps instead of {args.steps}")
    print("| step | homer | PyTorch | difference |\n| ---: | ---: | ---: | ---: |")
    for number, (a, b) in enumerate(zip(ours, theirs), 1):
        print(f"| {number} | {a:.6f} | {b:.6f} | {abs(a - b):.1e} |")
    worst = max(abs(a - b) / max(abs(b), FLOOR) for a, b in zip(ours, theirs))
    print(f"\nlargest relative difference: {worst:.1e} (at most {TOLERANCE:g} wanted)")
    sys.exit(0 if worst <= TOLERANCE else 1)


def without_dropout(encoder, target):
    """A copy of a model folder in which every dropout is 0."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(encoder, target)
    path = target / "config.json"
    config = json.loads(path.read_text())
    names = ["hidden_dropout_prob", "attention_probs_dropout_prob"]
    if config["model_type"] == "distilbert":
        names = ["dropout", "attention_dropout"]
    path.write_text(json.dumps({**config, **dict.fromkeys(names, 0.0)}))
    return target


def distinct(exchanges):
    """One batch of exchanges whose replies all differ: equal ones are no negatives to homer, and
    are to sentence-transformers."""
    chosen = {}
    for exchange in exchanges:
        words = " ".join(re.findall(r"\w+", exchange["reply"].lower()))
        chosen.setdefault(words, exchange)
    if len(chosen) < BATCH:
        sys.exit(f"the exchanges hold fewer than {BATCH} different replies")
    return list(chosen.values())[:BATCH]


if __name__ == "__main__":
    main()
