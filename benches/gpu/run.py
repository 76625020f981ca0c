"""What `run.sh` runs: parity with the CPU, and speed beside sentence-transformers and beside the CPU."""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "compare"))

import projects  # noqa: E402
from card import Card, Memory  # noqa: E402
from measure import ENVIRONMENT, Series, Session, number_text, run  # noqa: E402

QUESTIONS = ["Where have you been?", "Can you cook?", "Who broke the lamp?", "I am so tired today."]
NEGATIVES = 4
CPU = "homer on two cores"


class TimeIsOver(BaseException):
    """Nothing that fails by itself: it ends all parts, not one."""


@contextlib.contextmanager
def environment(**values):
    """What homer is started with meanwhile."""
    ENVIRONMENT.update(values)
    try:
        yield
    finally:
        for name in values:
            ENVIRONMENT.pop(name)


@contextlib.contextmanager
def two_cores():
    """What is started meanwhile has two cores, which share nothing where the machine has as many."""
    all_of_them = os.sched_getaffinity(0)
    chosen, taken = [], set()
    for core in sorted(all_of_them):
        siblings = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
        shared = siblings.read_text() if siblings.exists() else core
        if shared not in taken:
            chosen.append(core)
            taken.add(shared)
    chosen += [core for core in sorted(all_of_them) if core not in chosen]
    os.sched_setaffinity(0, chosen[:2])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


class Torch:
    """The other side, which stays: it starts and loads once. Measures one task, again and again."""

    def __init__(self, bench, task, *argv):
        device = "cuda" if bench.gpu else "cpu"
        self.argv = [sys.executable, HERE / "torch_side.py", task, "--device", device, "--encoder", bench.encoder, *argv]
        self.session = None

    def __call__(self):
        # The first call's peak on a card is that of the whole process.
        self.session = self.session or Session(*self.argv)
        answer = json.loads(self.session.ask("once more")[0])
        return answer["rate"], answer["peak"]

    def close(self):
        if self.session:
            self.session.close()
            self.session = None


class Bench:
    """Where it all lies, how long it may take, and what was found."""

    def __init__(self, args, work):
        self.args, self.work = args, work
        self.homer = Path(args.homer).resolve()
        self.until = time.monotonic() + args.seconds
        self.gpu = args.device == "gpu"
        self.device = ["--gpu"] if self.gpu else []
        self.card = Card.first() if self.gpu else None
        self.rows, self.checks, self.failures, self.later = [], [], [], []
        self.base = work / "base"
        run(self.homer, "prepare", Path(args.script).resolve(), "-C", projects.fresh(self.base))
        self.encoder = self.readable(Path(args.encoder).resolve())
        self.about = self.machine()

    def machine(self):
        card = (self.card.name if self.card else "a card that tells nothing") if self.gpu else "no card: all on the CPU"
        names = ("torch", "sentence-transformers", "transformers")
        homer = run(self.homer, "--version").stdout.strip()
        return {"card": card, "cores": len(os.sched_getaffinity(0)), "homer": homer, **{n: version(n) for n in names}}

    def attempt(self, name, what):
        """What fails is written down, and the rest goes on."""
        try:
            return what()
        except (Exception, SystemExit) as error:
            said = str(error) if isinstance(error, SystemExit) else traceback.format_exc()
            print(f"  {name} FAILED: {said}", file=sys.stderr)
            self.failures.append({"name": name, "said": said})
        finally:
            self.keep()

    def keep(self):
        """Writes what is known so far."""
        if self.args.json:
            rows = [
                {"name": name, "unit": unit, "sides": {side: {**vars(one)} for side, one in series.items() if one.values}}
                for name, unit, series in self.rows
            ]
            found = {**self.about, "rows": rows, "checks": self.checks, "failures": self.failures}
            self.args.json.write_text(json.dumps(found, indent=1) + "\n")

    def readable(self, encoder):
        """An encoder that PyTorch reads too, which bytes are not."""
        folder = self.work / "encoder"
        run(self.homer, "shrink", encoder, "--precision", "f32", "--out", folder, "-C", self.base)
        return folder

    def left(self):
        return self.until - time.monotonic()

    def short(self):
        """How long a training is that is compared: an epoch, or a few steps where all is to be quick."""
        steps = self.args.steps
        return ["--steps", steps, "--evaluate-every", steps] if self.args.quick else ["--epochs", 1]

    def project(self, name):
        return projects.copied(self.base, self.work / name)

    def row(self, name, unit, sides, on_the_cpu=None):
        """Takes turns between the sides, as often as there is time for, and keeps what they give. What two cores of
        the CPU do beside a card is measured when all else was."""
        series = {side: Series() for side in sides}
        self.rows.append((name, unit, series))
        longest = 0
        for _ in range(self.args.runs):
            if self.left() < 1.2 * longest:
                break  # no time is left for another
            start = time.monotonic()
            for side, measure in list(sides.items()):
                if not self.attempt(f"{name}, {side}", lambda: self.measured(series[side], measure)):
                    del sides[side]
            longest = max(longest, time.monotonic() - start)
        for measure in sides.values():
            if isinstance(measure, Torch):
                measure.close()
        self.say(name, unit, series)
        if self.gpu and on_the_cpu:
            self.later.append((name, unit, series, on_the_cpu))

    def measured(self, series, measure):
        with Memory(self.card) as memory:
            value, peak = measure()
        series.add(value, memory.peak if self.gpu else peak)
        return True

    def say(self, name, unit, series):
        said = ", ".join(f"{side} {number_text(one.median)}" for side, one in series.items() if one.values)
        print(f"  {name}: {said} {unit} ({self.left():.0f} s left)", file=sys.stderr)

    def catch_up(self):
        """What two cores do, once all the rest is known."""
        for name, unit, series, measure in self.later:
            one = series[CPU] = Series()
            for _ in range(self.args.cpu_runs):
                with two_cores():
                    value, peak = measure()
                one.add(value, peak)
            self.say(name, unit, series)
            self.keep()

    def check(self, name, value, wanted, met):
        self.checks.append({"name": name, "value": value, "wanted": wanted, "met": bool(met)})
        print(f"  {name}: {value:.5f}, wanted {wanted}", file=sys.stderr)


def vectors(bench, project, *device):
    """What `build-index` writes, of every line."""
    import numpy
    from safetensors.numpy import load_file

    run(bench.homer, "build-index", "--query-weight", 0, "-C", projects.without_index(project), *device)
    rows = load_file(project / "runs/index/vectors.safetensors")["vectors"].astype(numpy.float64)
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def first_start(bench):
    """One line embedded where nothing was before: the driver compiles homer's kernels for the card, and keeps them."""
    project = bench.project("first")
    projects.without_validation(project)
    projects.place_model(project, "bi-encoder", bench.encoder)
    projects.write_jsonl(projects.pool(project), projects.read_jsonl(projects.pool(project))[:1])
    for name in ("embedding one line, the first time", "embedding one line"):
        ended = run(bench.homer, "build-index", "--query-weight", 0, "-C", projects.without_index(project), *bench.device)
        bench.rows.append((name, "s", {"homer": Series([ended.seconds])}))
        bench.say(*bench.rows[-1])


def parity_of_vectors(bench):
    project = bench.project("parity")
    projects.place_model(project, "bi-encoder", bench.encoder)
    lines = projects.read_jsonl(projects.pool(project))[: bench.args.lines]
    projects.write_jsonl(projects.pool(project), lines)
    here = vectors(bench, project)
    for products, least in (("f32", 0.9995), ("bf16", 0.999)):
        with environment(HOMER_PRODUCTS=products):
            cosine = float((here * vectors(bench, project, *bench.device)).sum(axis=1).min())
        name = f"least cosine of {len(here)} lines to the CPU's, {products}"
        bench.check(name, cosine, f"≥ {least}", cosine >= least)


def parity_of_training(bench):
    """Without dropout, which drops something else on a card."""
    encoder = bench.work / "without-dropout"
    shutil.copytree(bench.encoder, encoder)
    config = json.loads((encoder / "config.json").read_text())
    dropouts = [name for name in config if "dropout" in name]
    (encoder / "config.json").write_text(json.dumps(config | dict.fromkeys(dropouts, 0.0)))
    scores = []
    for number, device in enumerate(([], bench.device)):
        project = bench.project(f"epoch-{number}")
        size = ["--batch-size", 64, "--chunk-size", 64]
        train(bench, "train-bi", project, device, [*bench.short(), *size], encoder)
        rows = projects.read_jsonl(project / "runs/bi-encoder/metrics.jsonl")
        scores.append([row["valid_score"] for row in rows if "valid_score" in row][-1])
    apart = abs(scores[0] - scores[1])
    trained = f"{bench.args.steps} steps" if bench.args.quick else "an epoch"
    bench.check(f"validation MRR after {trained}, apart from the CPU's", apart, "≤ 0.005", apart <= 0.005)


def train(bench, command, project, device, more, encoder=None):
    encoder = ["--encoder", encoder or bench.encoder, "--max-length", 64]
    return run(bench.homer, command, "-C", project, "--force", *encoder, *device, *more)


def settled(steps):
    """Without the first ones, which load kernels and make buffers."""
    return steps[len(steps) // 3 :]


def training(bench, command, folder, batch, task, steps, on_the_cpu):
    """`on_the_cpu`: how many steps two cores take."""
    project = bench.project(command)
    data = project / "data/exchanges/train.jsonl"
    size = ["--batch-size", batch, "--chunk-size", batch]

    def homer(device, steps):
        def measure():
            done = train(bench, command, project, device, [*size, "--steps", steps, "--evaluate-every", steps])
            # A step waits for the card at its end.
            speeds = settled([row["examples_per_second"] for row in projects.steps_of(project / "runs" / folder)])
            return len(speeds) / sum(1 / speed for speed in speeds), done.peak

        return measure

    other = Torch(bench, task, "--data", data, "--steps", steps, "--batch-size", batch, "--negatives", NEGATIVES)
    sides = {"homer": homer(bench.device, steps), "sentence-transformers": other}
    bench.row(command, "examples/s", sides, homer([], on_the_cpu))


def training_bi(bench):
    training(bench, "train-bi", "bi-encoder", bench.args.batch_size, "bi", bench.args.steps, 6)


def training_cross(bench):
    training(bench, "train-cross", "cross-encoder", bench.args.cross_batch_size, "cross", bench.args.steps, 3)


def where_time_goes(bench):
    """Of a step: queueing work for the card, and waiting for it."""
    project = bench.project("where")
    steps = bench.args.steps
    for command, batch in (("train-bi", bench.args.batch_size), ("train-cross", bench.args.cross_batch_size)):
        log = bench.work / "log"
        argv = [bench.homer, command, "-C", project, "--force", "--encoder", bench.encoder, *bench.device]
        argv += ["--steps", steps, "--evaluate-every", steps, "--batch-size", batch, "--chunk-size", batch]
        start = time.perf_counter()
        with open(log, "w", encoding="utf-8") as err, environment(HOMER_LOG="homer::train=debug"):
            quiet = {"env": ENVIRONMENT, "stderr": err, "stdout": subprocess.DEVNULL}
            subprocess.run([str(part) for part in argv], check=True, **quiet)
        whole = time.perf_counter() - start
        found = re.findall(r"queued_ms=([\d.]+) waited_ms=([\d.]+)", log.read_text())
        found = [(float(queued), float(waited)) for queued, waited in found]
        queued, waited = (statistics.median(part) for part in zip(*settled(found)))
        around = whole - sum(map(sum, found)) / 1e3
        for name, unit, value in [
            ("a step: packing, copying and queueing on the host", "ms", queued),
            ("a step: waiting for the card after that", "ms", waited),
            ("starting, loading, tokenising, validating", "s", around),
        ]:
            bench.rows.append((f"{command}, {name}", unit, {"homer": Series([value])}))
            bench.say(*bench.rows[-1])


def encoding(bench):
    one = bench.project("encode-one")

    def numbered(times):
        """Equal lines are embedded once."""
        lines = projects.read_jsonl(projects.pool(bench.base)) * times
        return [{**line, "text": f"{line['text']} {number}"} for number, line in enumerate(lines)]

    def project_of(name, lines):
        project = bench.project(name)
        projects.without_validation(project)
        projects.place_model(project, "bi-encoder", bench.encoder)
        projects.write_jsonl(projects.pool(project), lines)
        return project

    many, few = numbered(bench.args.repeat), numbered(1)
    one, full, some = (project_of(f"encode-{len(lines)}", lines) for lines in (few[:1], many, few))

    def homer(project, count, device):
        def measure():
            every, single = (
                run(bench.homer, "build-index", "--query-weight", 0, "-C", projects.without_index(project), *device)
                for project in (project, one)
            )
            return (count - 1) / max(every.seconds - single.seconds, 1e-9), every.peak

        return measure

    other = Torch(bench, "encode", "--data", projects.pool(full))
    sides = {"homer": homer(full, len(many), bench.device), "sentence-transformers": other}
    bench.row(f"embedding {len(many):,} lines", "lines/s", sides, homer(some, len(few), []))


def asking(bench):
    """A warm answer: the query embedded, 50 of 600 candidates read by the general reranker."""
    project = bench.project("ask")
    projects.place_model(project, "bi-encoder", bench.encoder)
    run(bench.homer, "build-index", "-C", project)

    def homer(device):
        def measure():
            session = Session(bench.homer, "repl", "-C", project, *device)
            times = [session.ask(question)[1] for question in QUESTIONS * 5]
            return statistics.median(times[len(QUESTIONS) :]) * 1e3, session.close()

        return measure

    bench.row("an answer, warm", "ms", {"homer": homer(bench.device)}, homer([]))


PARTS = {
    "start": [first_start],
    "parity": [parity_of_vectors, parity_of_training],
    "where": [where_time_goes],
    "train-bi": [training_bi],
    "train-cross": [training_cross],
    "encode": [encoding],
    "ask": [asking],
}


def table(bench):
    sides = ["homer", "sentence-transformers", CPU]
    yield "| | unit | " + " | ".join(f"{side}: median (MB)" for side in sides) + " | runs |"
    yield "|---" * 6 + "|"
    for name, unit, series in bench.rows:
        cells = []
        for side in sides:
            one = series.get(side)
            peak = f" ({one.peak:,.0f})" if one and one.peak is not None else ""
            cells.append(f"{number_text(one.median)}{peak}" if one and one.values else "–")
        yield f"| {name} | {unit} | " + " | ".join(cells) + f" | {len(series['homer'].values)} |"
    yield ""
    for check in bench.checks:
        yield f"{'met' if check['met'] else 'MISSED'}: {check['name']}: {check['value']:.5f} ({check['wanted']})"
    for failure in bench.failures:
        yield f"FAILED: {failure['name']}: {failure['said'].strip().splitlines()[-1]}"


def time_is_over(*_):
    raise TimeIsOver


def end_children():
    """Ends what is being measured when there is no more time."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid():
                os.kill(int(path.parent.name), signal.SIGTERM)
        except OSError:
            pass  # it has ended by itself


def arguments():
    data = HERE.parent.parent / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homer", required=True)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--encoder", default=data / "encoder", help="a model folder [default: the built-in encoder]")
    parser.add_argument("--script", default=data / "sample_script.csv", help="what to learn from")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part alone; may be given several times")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cpu-runs", type=int, default=1, help="runs on two cores, which are slow")
    parser.add_argument("--steps", type=int, default=60, help="training steps a run")
    parser.add_argument("--batch-size", type=int, default=128, help="exchanges a step of train-bi")
    parser.add_argument("--cross-batch-size", type=int, default=32, help="exchanges a step of train-cross")
    parser.add_argument("--lines", type=int, default=1000, help="lines whose vectors are compared")
    parser.add_argument("--repeat", type=int, default=40, help="how often the script's lines are embedded")
    parser.add_argument("--seconds", type=int, default=510, help="how long all of it may take")
    parser.add_argument("--quick", action="store_true", help="one run of everything, of a few steps")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    if parser.parse_args().quick:
        parser.set_defaults(runs=1, steps=4, lines=100, repeat=1, batch_size=8, cross_batch_size=2)
    return parser.parse_args()


def main():
    args = arguments()
    signal.signal(signal.SIGALRM, time_is_over)
    signal.alarm(args.seconds)
    with tempfile.TemporaryDirectory() as work:
        # So that the first start is one.
        ENVIRONMENT["CUDA_CACHE_PATH"] = f"{work}/cuda-cache"
        bench = Bench(args, Path(work))
        about = ", ".join(f"{name} {value}" for name, value in bench.about.items())
        print(about, file=sys.stderr)
        try:
            for name, parts in PARTS.items():
                for part in parts if not args.only or name in args.only else []:
                    bench.attempt(part.__name__, lambda: part(bench))
            bench.attempt("two cores", bench.catch_up)
        except TimeIsOver:
            bench.failures.append({"name": "all else", "said": "the time is over"})
            end_children()
            bench.keep()
        signal.alarm(0)
    print(f"{about}\n")
    print("\n".join(table(bench)))
    sys.exit(bool(bench.failures) or not all(check["met"] for check in bench.checks))


if __name__ == "__main__":
    main()
