#!/usr/bin/env python3
"""The bi-encoder by homer's recipe on shares of the training exchanges: a picture. README.md says how."""

import argparse
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "compare"))

import projects
from arguments import add_common, set_up
from measure import run

SHARES = [12, 25, 50, 100]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_common(parser)
    parser.add_argument("--picture", default="learning-curve.png", help="[%(default)s]")
    parser.add_argument(
        "--trained", help="project with the bi-encoder of all exchanges [default: trained here]"
    )
    args = parser.parse_args()
    python, work = set_up(args)
    homer = Path(args.homer).resolve()
    base = projects.prepared(homer, args.exchanges, work / "base")
    points = [point(homer, args, base, work, share) for share in SHARES]
    values = work / "curve.json"
    values.write_text(json.dumps(points))
    run(python, HERE / "python/draw_curve.py", values, args.picture)


def point(homer, args, base, work, share):
    """R@1 of 20 with so many percent of the training exchanges, spread evenly: on the test part,
    and on as many exchanges that were trained on."""
    project = projects.copied(base, work / f"curve-{share}")
    path = project / "data/exchanges/train.jsonl"
    kept = [row for i, row in enumerate(projects.read_jsonl(path)) if i * share % 100 < share]
    projects.write_jsonl(path, kept)
    if share == 100 and args.trained:
        runs = Path(args.trained) / "runs/bi-encoder"
        shutil.copytree(runs, project / "runs/bi-encoder")
    else:
        run(homer, "train-bi", "-C", project, "--encoder", Path(args.encoder).resolve())
    test = report(run(homer, "eval", "-C", project, "--json"))
    seen = project / "seen.jsonl"
    count = test["queries"]
    projects.write_jsonl(seen, kept[:: max(1, len(kept) // count)][:count])
    train = report(run(homer, "eval", "-C", project, "--json", "--test", seen))

    def figure(report, key):
        row = next(row for row in report["systems"] if row["key"] == key)
        return row["figures"]["r1_of_20"]

    found = {
        "share": share,
        "exchanges": len(kept),
        "train": figure(train, "bi"),
        "test": figure(test, "bi"),
        "untuned": figure(test, "untuned"),
    }
    print(json.dumps(found), flush=True)
    return found


def report(done):
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
