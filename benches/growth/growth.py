#!/usr/bin/env python3
"""How time and memory grow with the exchanges: a table, and a picture. README.md says how."""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# Of each command its name, its arguments, and the most exchanges that it is tried with.
COMMANDS = [
    ("prepare", ["prepare", "play.csv", "--everyone"], None),
    ("train-bi, one step", ["train-bi", "--steps", "1"], None),
    ("train-cross, one step", ["train-cross", "--steps", "1"], None),
    ("build-index", ["build-index"], 100_000),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homer", default="target/release/homer", help="[%(default)s]")
    parser.add_argument("--script", required=True, help="a CSV with the columns scene, speaker, text")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--work", default="growth", help="a folder for the projects [%(default)s]")
    parser.add_argument("--picture", help="where to draw the growth; needs matplotlib")
    args = parser.parse_args()
    homer, work = Path(args.homer).resolve(), Path(args.work)
    points = []
    for size in args.sizes:
        project = work / str(size)
        shutil.rmtree(project, ignore_errors=True)
        project.mkdir(parents=True)
        cut(Path(args.script), project / "play.csv", size)
        for name, arguments, most in COMMANDS:
            if most is None or size <= most:
                points.append({"command": name, "exchanges": size, **measure(homer, project, arguments)})
                print(json.dumps(points[-1]), file=sys.stderr)
    work.joinpath("growth.json").write_text(json.dumps(points))
    print(table(points))
    if args.picture:
        draw(points, args.picture)


def cut(script, target, exchanges):
    """The beginning of a script that holds so many turns that answer another's."""
    found, last = 0, (None, None)
    with script.open(newline="") as read, target.open("w", newline="") as write:
        rows, out = csv.reader(read), csv.writer(write)
        out.writerow(next(rows))
        for row in rows:
            out.writerow(row)
            found += row[0] == last[0] and row[1] != last[1]
            last = row[:2]
            if found == exchanges:
                return
    sys.exit(f"{script} holds {found} exchanges, fewer than {exchanges}")


def measure(homer, project, arguments):
    """Seconds by the clock and on the cores, and the most memory, of one run."""
    start = time.monotonic()
    with (project / "log").open("ab") as log:
        process = subprocess.Popen([homer, *arguments], cwd=project, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"homer {' '.join(arguments)} failed: see {project / 'log'}")
    return {
        "seconds": round(time.monotonic() - start, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "mb": round(usage.ru_maxrss / 1024),
    }


def table(points):
    """Seconds (of the clock, of the cores), µs of the cores for each exchange, and MB."""
    lines = ["| command | exchanges | s | s of the cores | µs an exchange | MB |", "|---|---|---|---|---|---|"]
    for point in points:
        each = point["cpu"] / point["exchanges"] * 1e6
        lines.append(
            f"| {point['command']} | {point['exchanges']:,} | {point['seconds']} | {point['cpu']} | {each:.0f}"
            f" | {point['mb']} |"
        )
    return "\n".join(lines)


def draw(points, picture):
    """Both on logarithmic axes, a line a command; grey lines are straight growth."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    sizes = sorted({point["exchanges"] for point in points})
    for axes, key, title in [(left, "cpu", "seconds of the cores"), (right, "mb", "MB at the most")]:
        for scale in [1e-6, 1e-5, 1e-4, 1e-3] if key == "cpu" else []:
            axes.plot(sizes, [scale * size for size in sizes], color="lightgrey", linewidth=0.8)
        for name, _, _ in COMMANDS:
            own = [point for point in points if point["command"] == name]
            axes.plot([p["exchanges"] for p in own], [p[key] for p in own], marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="exchanges", title=title)
        axes.grid(alpha=0.2)
    left.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
