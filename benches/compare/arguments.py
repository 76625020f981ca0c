"""What both drivers take, and the Python that the other side runs in."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent


def add_common(parser):
    parser.add_argument("--homer", required=True, help="homer's release build")
    parser.add_argument("--encoder", required=True, help="model folder of a BERT encoder")
    parser.add_argument("--exchanges", required=True, help="CSV of ready pairs")
    parser.add_argument("--venv", help="virtual environment [default: made in the working folder]")
    parser.add_argument("--work", default="compare-work", help="working folder [%(default)s]")
    parser.add_argument("--cores", type=int, help="use only so many cores, on both sides")


def set_up(args):
    """The Python of the other side, and the working folder."""
    if args.cores:
        # Every program started from here inherits it.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    work = Path(args.work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(args.venv) if args.venv else work / "venv"
    python = folder.absolute() / "bin/python"
    if not python.exists():
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        requirements = HERE / "python/requirements.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
    return python, work
