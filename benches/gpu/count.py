#!/usr/bin/env python3
"""Counts what a training step asks a GPU to do: kernels, products, copies, bytes. It needs a homer that was built
for GPUs and no GPU: the driver is counting.c, which computes nothing.

    benches/gpu/count.py --homer target/gpu/release/homer --encoder models/all-MiniLM-L6-v2 script.csv
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = ("libcuda.so.1", "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10")
STEPS = 4


def driver(folder):
    """One library under all the names."""
    first = folder / LIBRARIES[0]
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", first, HERE / "counting.c", "-lpthread"], check=True)
    for name in LIBRARIES[1:]:
        (folder / name).symlink_to(first)


def counted(args, folder, command, steps):
    """What so many steps take, and all that is around them."""
    counts = folder / "counts.json"
    counts.unlink(missing_ok=True)
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "HOMER_COUNTS": str(counts)}
    subprocess.run(
        [args.homer, "-C", folder / "project", command, "--gpu", "--force", "--steps", str(steps)]
        + ["--evaluate-every", str(steps), "--encoder", args.encoder],
        env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return json.loads(counts.read_text())


def a_step(many, few):
    """What `STEPS` more steps took, divided by them."""
    return {
        name: a_step(value, few[name]) if name == "by_kernel" else (value - few.get(name, 0)) / STEPS
        for name, value in many.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--homer", type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--encoder", type=lambda path: Path(path).resolve(), required=True)
    parser.add_argument("--json", type=Path, help="write all that was counted to this file")
    parser.add_argument("script", nargs="+")
    args = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        driver(folder)
        subprocess.run(
            [args.homer, "-C", folder / "project", "prepare", *map(os.path.abspath, args.script)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for command in ("train-bi", "train-cross"):
            few, many = (counted(args, folder, command, steps) for steps in (STEPS, 2 * STEPS))
            results[command] = a_step(many, few)
    names = [name for name in results["train-bi"] if name != "by_kernel"]
    print(f"{'a step':<18}" + "".join(f"{command:>16}" for command in results))
    for name in names:
        print(f"{name:<18}" + "".join(f"{results[command][name]:>16,.0f}" for command in results))
    print("\nkernels of train-bi, most frequent first")
    kernels = sorted(results["train-bi"]["by_kernel"].items(), key=lambda kernel: -kernel[1])
    for name, launches in kernels:
        if launches:
            print(f"{launches:>8,.0f}  {name}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
