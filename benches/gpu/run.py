"""What `run.sh` runs: parity with the CPU, and speed beside sentence-transformers and beside the CPU."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "compare"))

import projects  # noqa: E402
from measure import ENVIRONMENT, Series, Session, number_text, run  # noqa: E402

QUESTIONS = ["Where have you been?", "Can you cook?", "Who broke the lamp?", "I am so tired today."]
NEGATIVES = 4


class Memory:
    """The most that the card held while this is open, in MB above what it held before."""

    ASK = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]

    def __init__(self, gpu):
        self.gpu, self.peak = gpu, None

    def used(self):
        return int(subprocess.run(self.ASK, capture_output=True, text=True, check=True).stdout)

    def watch(self):
        while not self.over.wait(0.2):
            self.most = max(self.most, self.used())

    def __enter__(self):
        if self.gpu:
            self.before = self.most = self.used()
            self.over = threading.Event()
            self.thread = threading.Thread(target=self.watch)
            self.thread.start()
        return self

    def __exit__(self, *_):
        if self.gpu:
            self.over.set()
            self.thread.join()
            self.peak = self.most - self.before


class Bench:
    """Where it all lies, how long it may take, and what was found."""

    def __init__(self, args, work):
        self.args, self.work = args, work
        self.homer = Path(args.homer).resolve()
        self.until = time.monotonic() + args.seconds
        self.gpu = args.device == "gpu"
        self.device = ["--gpu"] if self.gpu else []
        self.rows, self.checks = [], []
        self.base = work / "base"
        run(self.homer, "prepare", Path(args.script).resolve(), "-C", projects.fresh(self.base))
        self.encoder = self.readable(Path(args.encoder).resolve())

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

    def row(self, name, unit, sides):
        """Takes turns between the sides, as often as there is time for, and keeps what they give."""
        series = {side: Series() for side in sides}
        longest = 0
        for _ in range(self.args.runs):
            if self.left() < 1.2 * longest:
                break  # no time is left for another
            start = time.monotonic()
            for side, measure in sides.items():
                with Memory(self.gpu) as memory:
                    value, peak = measure()
                series[side].add(value, memory.peak if memory.peak is not None else peak)
            longest = max(longest, time.monotonic() - start)
        self.rows.append((name, unit, series))
        said = ", ".join(f"{side} {number_text(one.median)}" for side, one in series.items())
        print(f"  {name}: {said} {unit} ({self.left():.0f} s left)", file=sys.stderr)

    def check(self, name, value, wanted, met):
        self.checks.append({"name": name, "value": value, "wanted": wanted, "met": bool(met)})
        print(f"  {name}: {value:.5f}, wanted {wanted}", file=sys.stderr)

    def python(self, task, *argv):
        device = "cuda" if self.gpu else "cpu"
        done = run(sys.executable, HERE / "torch_side.py", task, "--device", device, "--encoder", self.encoder, *argv)
        return json.loads(done.stdout.splitlines()[-1])["rate"], done.peak


def vectors(bench, project, *device, products=None):
    """What `build-index` writes, of every line."""
    import numpy
    from safetensors.numpy import load_file

    if products:
        ENVIRONMENT["HOMER_PRODUCTS"] = products
    run(bench.homer, "build-index", "--query-weight", 0, "-C", projects.without_index(project), *device)
    ENVIRONMENT.pop("HOMER_PRODUCTS", None)
    rows = load_file(project / "runs/index/vectors.safetensors")["vectors"].astype(numpy.float64)
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def parity_of_vectors(bench):
    project = bench.project("parity")
    projects.place_model(project, "bi-encoder", bench.encoder)
    lines = projects.read_jsonl(projects.pool(project))[: bench.args.lines]
    projects.write_jsonl(projects.pool(project), lines)
    here = vectors(bench, project)
    for products, least in (("f32", 0.9995), ("bf16", 0.999)):
        cosine = float((here * vectors(bench, project, *bench.device, products=products)).sum(axis=1).min())
        name = f"least cosine of {len(here)} lines to the CPU's, {products}"
        bench.check(name, cosine, f"≥ {least}", cosine >= least)


def parity_of_training(bench):
    scores = []
    for number, device in enumerate(([], bench.device)):
        project = bench.project(f"epoch-{number}")
        train(bench, "train-bi", project, device, [*bench.short(), "--batch-size", 64, "--chunk-size", 64])
        rows = projects.read_jsonl(project / "runs/bi-encoder/metrics.jsonl")
        scores.append([row["valid_score"] for row in rows if "valid_score" in row][-1])
    apart = abs(scores[0] - scores[1])
    trained = f"{bench.args.steps} steps" if bench.args.quick else "an epoch"
    bench.check(f"validation MRR after {trained}, apart from the CPU's", apart, "≤ 0.005", apart <= 0.005)


def train(bench, command, project, device, more):
    encoder = ["--encoder", bench.encoder, "--max-length", 64]
    return run(bench.homer, command, "-C", project, "--force", *encoder, *device, *more)


def training(bench, command, folder, batch, task, steps):
    project = bench.project(command)
    data = project / "data/exchanges/train.jsonl"
    size = ["--batch-size", batch, "--chunk-size", batch]

    def homer(device, steps):
        def measure():
            done = train(bench, command, project, device, [*size, "--steps", steps, "--evaluate-every", steps])
            speeds = [row["examples_per_second"] for row in projects.steps_of(project / "runs" / folder)]
            # A step waits for the card at its end: the first ones load kernels and make buffers.
            settled = speeds[len(speeds) // 3 :]
            return len(settled) / sum(1 / speed for speed in settled), done.peak

        return measure

    sides = {"homer": homer(bench.device, steps)}
    sides["sentence-transformers"] = lambda: bench.python(
        *(task, "--data", data, "--steps", steps, "--batch-size", batch, "--negatives", NEGATIVES)
    )
    if bench.gpu:
        sides["homer on the CPU"] = homer([], min(steps, 10))
    bench.row(command, "examples/s", sides)


def training_bi(bench):
    training(bench, "train-bi", "bi-encoder", bench.args.batch_size, "bi", bench.args.steps)


def training_cross(bench):
    training(bench, "train-cross", "cross-encoder", bench.args.cross_batch_size, "cross", bench.args.steps // 2)


def where_time_goes(bench):
    """Of a step of `train-bi`: queueing work for the card, and waiting for it."""
    project = bench.project("where")
    log = bench.work / "log"
    argv = [bench.homer, "train-bi", "-C", project, "--force", "--encoder", bench.encoder, *bench.device]
    steps, batch = bench.args.steps, bench.args.batch_size
    argv += ["--steps", steps, "--evaluate-every", steps, "--batch-size", batch, "--chunk-size", batch]
    start = time.perf_counter()
    with open(log, "w", encoding="utf-8") as err:
        environment = ENVIRONMENT | {"HOMER_LOG": "homer::train=debug"}
        subprocess.run([str(part) for part in argv], env=environment, check=True, stderr=err, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - start
    found = re.findall(r"queued_ms=([\d.]+) waited_ms=([\d.]+)", log.read_text())
    settled = [(float(queued), float(waited)) for queued, waited in found[len(found) // 3 :]]
    queued, waited = (sum(part) / len(settled) for part in zip(*settled))
    around = whole - sum(float(queued) + float(waited) for queued, waited in found) / 1e3
    for name, unit, value in [
        ("a step: packing, copying and queueing on the host", "ms", queued),
        ("a step: waiting for the card after that", "ms", waited),
        ("starting, loading, tokenising, two validations", "s", around),
    ]:
        bench.rows.append((name, unit, {"homer": Series([value])}))


def encoding(bench):
    full, one = bench.project("encode"), bench.project("encode-one")
    lines = projects.read_jsonl(projects.pool(full)) * bench.args.repeat
    for number, line in enumerate(lines):
        line = dict(line)
        line["text"] = f"{line['text']} {number}"  # equal lines are embedded once
        lines[number] = line
    for project, some in ((full, lines), (one, lines[:1])):
        projects.without_validation(project)
        projects.place_model(project, "bi-encoder", bench.encoder)
        projects.write_jsonl(projects.pool(project), some)

    def homer(device):
        def measure():
            every, single = (
                run(bench.homer, "build-index", "--query-weight", 0, "-C", projects.without_index(project), *device)
                for project in (full, one)
            )
            return (len(lines) - 1) / max(every.seconds - single.seconds, 1e-9), every.peak

        return measure

    sides = {"homer": homer(bench.device)}
    sides["sentence-transformers"] = lambda: bench.python("encode", "--data", projects.pool(full))
    if bench.gpu:
        sides["homer on the CPU"] = homer([])
    bench.row(f"embedding {len(lines):,} lines", "lines/s", sides)


def asking(bench):
    """A warm answer: the query embedded, 30 candidates reranked by the general reranker."""
    project = bench.project("ask")
    projects.place_model(project, "bi-encoder", bench.encoder)
    run(bench.homer, "build-index", "-C", project)

    def homer(device):
        def measure():
            session = Session(bench.homer, "repl", "-C", project, *device)
            times = [session.ask(question)[1] for question in QUESTIONS * 5]
            settled = sorted(times[len(QUESTIONS) :])
            return settled[len(settled) // 2] * 1e3, session.close()

        return measure

    sides = {"homer": homer(bench.device)}
    if bench.gpu:
        sides["homer on the CPU"] = homer([])
    bench.row("an answer, warm", "ms", sides)


PARTS = {
    "parity": [parity_of_vectors, parity_of_training],
    "train-bi": [training_bi, where_time_goes],
    "train-cross": [training_cross],
    "encode": [encoding],
    "ask": [asking],
}


def table(bench):
    sides = ["homer", "sentence-transformers", "homer on the CPU"]
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


def machine(bench):
    import torch

    card = torch.cuda.get_device_name(0) if bench.gpu else "no card: all on the CPU"
    cores = len(os.sched_getaffinity(0))
    version = run(bench.homer, "--version").stdout.strip()
    return {"card": card, "cores": cores, "torch": torch.__version__, "homer": version}


def time_is_over(*_):
    raise TimeoutError


def end_children():
    """Ends what is being measured when there is no more time."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid():
                os.kill(int(path.parent.name), signal.SIGTERM)
        except OSError:
            pass  # it has ended by itself


def main():
    data = HERE.parent.parent / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homer", required=True)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--encoder", default=data / "encoder", help="a model folder [default: the built-in encoder]")
    parser.add_argument("--script", default=data / "sample_script.csv", help="what to learn from")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part alone; may be given several times")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="training steps a run")
    parser.add_argument("--batch-size", type=int, default=128, help="exchanges a step of train-bi")
    parser.add_argument("--cross-batch-size", type=int, default=32, help="exchanges a step of train-cross")
    parser.add_argument("--lines", type=int, default=1000, help="lines whose vectors are compared")
    parser.add_argument("--repeat", type=int, default=10, help="how often the script's lines are embedded")
    parser.add_argument("--seconds", type=int, default=510, help="how long all of it may take")
    parser.add_argument("--quick", action="store_true", help="one run of everything, of a few steps")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    args = parser.parse_args()
    if args.quick:
        args.runs, args.steps, args.lines, args.repeat = 1, 4, 100, 1
        args.batch_size, args.cross_batch_size = 8, 2
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(args, Path(work))
        about = machine(bench)
        print(", ".join(map(str, about.values())), file=sys.stderr)
        signal.signal(signal.SIGALRM, time_is_over)
        signal.alarm(args.seconds)
        try:
            for name, parts in PARTS.items():
                for part in parts if not args.only or name in args.only else []:
                    part(bench)
        except TimeoutError:
            print("  the time is over: what is not in the table was not measured", file=sys.stderr)
            end_children()
        signal.alarm(0)
    print(f"{about['card']}, {about['cores']} cores, torch {about['torch']}, {about['homer']}\n")
    print("\n".join(table(bench)))
    if args.json:
        rows = [
            {"name": name, "unit": unit, "sides": {side: vars(one) for side, one in series.items()}}
            for name, unit, series in bench.rows
        ]
        args.json.write_text(json.dumps({**about, "rows": rows, "checks": bench.checks}, indent=1) + "\n")
    sys.exit(not all(check["met"] for check in bench.checks))


if __name__ == "__main__":
    main()
