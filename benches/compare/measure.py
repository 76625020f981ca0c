"""Runs other programs, one at a time, and says how long they took and how much memory they held."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

# Nothing is looked up on the network, and nothing is drawn, while time is taken.
ENVIRONMENT = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
    "NO_COLOR": "1",
    "PYTHONWARNINGS": "ignore",
}


@dataclass
class Finished:
    """A process that has ended."""

    seconds: float
    """From before it was started until it was gone."""
    peak: float
    """Largest resident set, in MB (10^6 bytes), as the kernel counted it for this child alone."""
    stdout: str


def run(*argv):
    """Runs a program to its end; one that fails ends everything, with what it said."""
    argv = [str(part) for part in argv]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=ENVIRONMENT
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            said = err.read().decode(errors="replace")[-4000:]
            sys.exit(f"{' '.join(argv)}\nended with {child.returncode}:\n{said}")
        return Finished(seconds, usage.ru_maxrss * 1024 / 1e6, out.read().decode())


class Session:
    """A program that answers each line of its standard input with a line."""

    def __init__(self, *argv):
        self.argv = [str(part) for part in argv]
        self.log = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            bufsize=1,
            env=ENVIRONMENT,
        )

    def ask(self, question):
        """The answer, and the seconds from writing the question to having read the answer."""
        start = time.perf_counter()
        # What was said before is forgotten, so that every question is the same work.
        self.child.stdin.write(f":clear\n{question}\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        seconds = time.perf_counter() - start
        if not answer:
            self.log.seek(0)
            said = self.log.read().decode(errors="replace")[-4000:]
            sys.exit(f"{' '.join(self.argv)}\nwent silent:\n{said}")
        return answer.rstrip("\n"), seconds

    def close(self):
        """Ends it; its peak memory in MB."""
        self.child.stdin.close()
        _, status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.child.stdout.close()
        self.log.close()
        return usage.ru_maxrss * 1024 / 1e6


@dataclass
class Series:
    """What repeated runs of one side gave."""

    values: list = field(default_factory=list)
    peaks: list = field(default_factory=list)

    def add(self, value, peak=None):
        self.values.append(value)
        if peak is not None:
            self.peaks.append(peak)

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def peak(self):
        return max(self.peaks) if self.peaks else None


def in_turn(runs, **sides):
    """Calls every side once, then every side once more, …: what the machine does meanwhile then
    strikes them alike. A side returns its value and its peak memory."""
    series = {name: Series() for name in sides}
    for number in range(1, runs + 1):
        for name, side in sides.items():
            value, peak = side()
            series[name].add(value, peak)
            memory = "" if peak is None else f", {peak:.0f} MB"
            print(f"  run {number} of {runs}, {name}: {number_text(value)}{memory}", file=sys.stderr)
    return series


def number_text(value):
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
