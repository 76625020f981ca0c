#!/usr/bin/env python3
"""Compares homer with Python, and prints one table. README.md says what is measured."""

import argparse
import json
import os
import platform
import sys

from arguments import add_common, set_up
from comparisons import ALL, Bench
from table import markdown


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_common(parser)
    parser.add_argument("--script", help="CSV of a script's lines, for `prepare`")
    parser.add_argument("--runs", type=int, default=5, help="runs of each side [%(default)s]")
    parser.add_argument("--only", action="append", choices=ALL, help="this comparison; repeatable")
    parser.add_argument("--steps", type=int, default=50, help="training steps a run [%(default)s]")
    parser.add_argument("--questions", type=int, default=20, help="questions a run [%(default)s]")
    parser.add_argument("--large", type=int, default=1_000_000, help="rows of the large index [%(default)s]")
    parser.add_argument("--script-rows", type=int, default=158_000, help="rows of the script [%(default)s]")
    parser.add_argument("--json", help="write every single value to this file")
    args = parser.parse_args()

    python, work = set_up(args)
    bench = Bench(args, python, work)
    rows = []
    for name in args.only or ALL:
        print(name, file=sys.stderr)
        rows += ALL[name](bench)
        if args.json:  # at once: a later comparison may fail
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump([row.raw() for row in rows], file, indent=1)
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores; {args.runs} runs a side, in turn\n")
    print(markdown(rows))


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.machine()


if __name__ == "__main__":
    main()
