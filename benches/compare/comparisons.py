"""Every comparison: what homer runs, what the other side runs, and what is read off each."""

import ctypes
import json
import mmap
import os
import random
import statistics
import sys
import threading
import time
from pathlib import Path

import projects
from measure import Series, Session, in_turn, run
from table import Row

HERE = Path(__file__).parent
QUESTION = "Do you want to go and get something to eat?"
CANDIDATES = 50


class Bench:
    """What all comparisons need; models and indexes are made when one first asks for them."""

    def __init__(self, args, python, work):
        self.args, self.interpreter, self.work = args, python, work
        self.homer = Path(args.homer).resolve()
        self.encoder = Path(args.encoder).resolve()
        self.base = projects.prepared(self.homer, args.exchanges, work / "base")

    def python(self, script, *argv):
        return run(self.interpreter, HERE / "python" / script, *argv)

    def project(self, name):
        return projects.copied(self.base, self.work / name)

    def cross_encoder(self):
        folder = self.work / "cross-encoder"
        if not (folder / "model.safetensors").exists():
            self.python("make_cross.py", self.encoder, projects.fresh(folder))
        return folder

    def persona(self):
        """A project that answers: the encoder as it comes, a new scoring layer, an index."""
        folder = self.work / "persona"
        if not (folder / "runs/index/manifest.json").exists():
            self.project("persona")
            projects.place_model(folder, "bi-encoder", self.encoder)
            projects.place_model(folder, "cross-encoder", self.cross_encoder())
            # Used whether it helps or not: it is the work that is compared.
            (folder / "runs/cross-encoder/reranking.json").write_text('{"rerank": true}')
            run(self.homer, "build-index", "-C", folder)
        return folder

    def answering_python(self):
        """The arguments of the Python side for the same persona."""
        vectors, replies = self.work / "vectors.npy", self.work / "replies.json"
        self.python("export_index.py", self.persona() / "runs/index", vectors, replies)
        return [
            *("--bi-encoder", self.encoder, "--cross-encoder", self.cross_encoder()),
            *("--vectors", vectors, "--replies", replies),
        ]

    def synthetic(self, rows):
        """A project without a cross-encoder, with an index of random vectors."""
        folder = self.work / f"index-{rows}"
        if not (folder / "runs/index/manifest.json").exists():
            projects.place_model(projects.fresh(folder), "bi-encoder", self.encoder)
            real = self.persona() / "runs/index"
            self.python("make_index.py", real, folder / "runs/index", rows)
        return folder

    def questions(self, count):
        """Queries of the test exchanges, the same in every run."""
        rows = projects.read_jsonl(self.base / "data/exchanges/test.jsonl")
        texts = [" ".join(row["query"]["text"].split()) for row in rows]
        texts = [text for text in texts if text and not text.startswith(":")]
        return random.Random(42).choices(texts, k=count)


def said(finished):
    """What a Python script reports, in its last line."""
    return json.loads(finished.stdout.splitlines()[-1])


def rate(run_folder):
    """Examples/s over all steps but the first; batches differ in size by one at most."""
    speeds = [row["examples_per_second"] for row in projects.steps_of(run_folder)][1:]
    if not speeds:
        sys.exit(f"{run_folder}: give at least two --steps")
    return statistics.harmonic_mean(speeds)


def run_settings(run_folder):
    return json.loads((run_folder / "settings.json").read_text())


def schedule_arguments(settings):
    """What makes a Python training the same as a run of homer's."""
    chosen, schedule = settings["settings"], settings["schedule"]
    return [
        *("--steps", schedule["steps"], "--warmup-steps", schedule["warmup_steps"]),
        *("--lr", chosen["lr"], "--batch-size", chosen["batch_size"]),
        *("--max-length", chosen["max_length"]),
    ]


def train_bi(bench):
    """1. Training the bi-encoder."""
    project = bench.project("train-bi")
    folder = project / "runs/bi-encoder"

    def homer():
        done = run(
            *(bench.homer, "train-bi", "-C", project, "--force", "--encoder", bench.encoder),
            *("--steps", bench.args.steps, "--evaluate-every", bench.args.steps),
            *("--batch-size", 64, "--max-length", 64),
        )
        return rate(folder), done.peak

    def python():
        settings = run_settings(folder)
        both = ["--both-directions"] if settings["settings"]["both_directions"] else []
        done = bench.python(
            *("train_bi.py", "--data", project / "data/exchanges/train.jsonl"),
            *("--encoder", bench.encoder, *schedule_arguments(settings), *both),
            *("--temperature", settings["settings"]["temperature"]),
        )
        return said(done)["examples_per_second"], done.peak

    sides = in_turn(bench.args.runs, homer=homer, python=python)
    row = Row("train-bi", "examples/s", sides["homer"], "PyTorch", sides["python"], True)
    half = row.homer.peak <= row.other.peak / 2
    yield row.at_least(2.0).target("≤ half the memory", half)


def train_cross(bench):
    """1. Training the cross-encoder."""
    project = bench.project("train-cross")
    projects.place_model(project, "bi-encoder", bench.encoder)
    folder = project / "runs/cross-encoder"

    def homer():
        done = run(
            *(bench.homer, "train-cross", "-C", project, "--force", "--encoder", bench.encoder),
            *("--steps", bench.args.steps, "--evaluate-every", bench.args.steps),
        )
        return rate(folder), done.peak

    def python():
        settings = run_settings(folder)
        done = bench.python(
            *("train_cross.py", "--data", project / "data/exchanges/train.jsonl"),
            *("--encoder", bench.encoder, "--negatives", settings["settings"]["negatives"]),
            *schedule_arguments(settings),
        )
        return said(done)["examples_per_second"], done.peak

    sides = in_turn(bench.args.runs, homer=homer, python=python)
    row = Row("train-cross", "exchanges/s", sides["homer"], "PyTorch", sides["python"], True)
    yield row.at_least(1.5)


def encode(bench):
    """2. Embedding every distinct line."""
    full, one = bench.project("encode"), bench.project("encode-one")
    for project in (full, one):
        projects.without_validation(project)
        projects.place_model(project, "bi-encoder", bench.encoder)
    lines = projects.read_jsonl(projects.pool(full))
    projects.write_jsonl(projects.pool(one), lines[:1])
    model = bench.work / "encoder.onnx"
    if not model.exists():
        bench.python("make_onnx.py", bench.encoder, model)

    def homer():
        # What is not embedding (starting, loading, reading the data) is the same for one line.
        alone = ("build-index", "--query-weight", 0, "-C")  # the replies, without their queries
        all_lines = run(bench.homer, *alone, projects.without_index(full))
        one_line = run(bench.homer, *alone, projects.without_index(one))
        return (len(lines) - 1) / (all_lines.seconds - one_line.seconds), all_lines.peak

    def python(*more):
        arguments = ("--pool", projects.pool(full), "--encoder", bench.encoder)
        done = bench.python("encode.py", *arguments, *more)
        return said(done)["lines_per_second"], done.peak

    sides = in_turn(
        bench.args.runs,
        homer=homer,
        python=python,
        onnx=lambda: python("--onnx", model),
    )
    for name, other, target in [("sentence-transformers", "python", 1.5), ("onnxruntime", "onnx", 1)]:
        yield Row("encode", "lines/s", sides["homer"], name, sides[other], True).at_least(target)


def ask(bench):
    """3. An answer from a cold start."""
    project, arguments = bench.persona(), bench.answering_python()
    answers = set()

    def homer():
        done = run(bench.homer, "ask", "-C", project, "--top-k", CANDIDATES, QUESTION)
        answers.add(done.stdout.strip())
        return done.seconds * 1e3, done.peak

    def python():
        done = bench.python("answer.py", *arguments, QUESTION)
        answers.add(done.stdout.splitlines()[-1].strip())
        return done.seconds * 1e3, done.peak

    sides = in_turn(bench.args.runs, homer=homer, python=python)
    if len(answers) > 1:
        print(f"  the answers differ: {answers}", file=sys.stderr)
    row = Row("ask, cold", "ms", sides["homer"], "sentence-transformers", sides["python"])
    yield row.at_least(10).target("≤ 250 MB", row.homer.peak <= 250)


def warm(bench):
    """4. An answer when everything is loaded."""
    project = bench.persona()
    script = HERE / "python/answer.py"
    homer = Session(bench.homer, "repl", "-C", project, "--top-k", CANDIDATES)
    python = Session(bench.interpreter, script, *bench.answering_python())
    questions = bench.questions(3 + bench.args.questions * bench.args.runs)
    sides = {homer: Series(), python: Series()}
    agreed = 0
    for number, question in enumerate(questions):
        answers = set()
        for session, series in sides.items():
            time.sleep(0.3)  # the threads of the other side come to rest
            answer, seconds = session.ask(question)
            answers.add(answer)
            if number >= 3:
                series.add(seconds * 1e3)
        agreed += len(answers) == 1
    for session, series in sides.items():
        series.peaks.append(session.close())
    print(f"  same answer to {agreed} of {len(questions)} questions", file=sys.stderr)
    row = Row("answer, warm", "ms", sides[homer], "sentence-transformers", sides[python])
    yield row.at_least(1.5)


def search_times(bench, rows, small, runs):
    """ms that searching `rows` vectors takes more than searching the few of `small`, one value
    a run, and the peak memory."""
    large = Session(bench.homer, "repl", "--no-rerank", "-C", bench.synthetic(rows))
    small = Session(bench.homer, "repl", "--no-rerank", "-C", bench.synthetic(small))
    series = Series()
    for _ in range(runs):
        differences = []
        for number, question in enumerate(bench.questions(3 + bench.args.questions)):
            times = [session.ask(question)[1] for session in (small, large)]
            if number >= 3:
                differences.append((times[1] - times[0]) * 1e3)
        series.add(statistics.median(differences))
    small.close()
    series.peaks.append(large.close())
    return series


def retrieve(bench):
    """4. Retrieval alone over 30,000 replies."""
    homer, other = Series(), Series()
    vectors = bench.synthetic(30_000) / "runs/index/vectors.safetensors"
    for _ in range(bench.args.runs):
        found = search_times(bench, 30_000, CANDIDATES, 1)
        homer.add(found.median, found.peak)
        done = bench.python("search.py", "--vectors", vectors)
        other.add(said(done)["ms"], done.peak)
    row = Row("retrieve, 30,000 replies", "ms", homer, "sentence-transformers", other)
    yield row.target("< 2 ms", 0 < row.homer.median < 2)


def large_index(bench):
    """5. An index of a million vectors, and the memory that building one takes."""
    # First: reading a million vectors below raises the driver's own peak, which children inherit.
    one, four = bench.project("pool-1"), bench.project("pool-4")
    for project, times in ((one, 1), (four, 4)):
        projects.without_validation(project)
        projects.place_model(project, "bi-encoder", bench.encoder)
        projects.repeated_pool(projects.pool(bench.base), projects.pool(project), times)
    peaks = {}
    for project in (one, four):
        done = run(bench.homer, "build-index", "--query-weight", 0, "-C", project)
        peaks[project] = Series([done.peak], [done.peak])
    row = Row("build-index, 4× the replies", "MB", peaks[four], "homer, 1× the replies", peaks[one])
    added = projects.size_mb(projects.pool(four)) - projects.size_mb(projects.pool(one))
    text = f"grows by the texts ({added:.1f} MB of them) alone"
    yield row.target(text, row.homer.median - row.other.median <= 10 * added + 10)

    rows = bench.args.large
    vectors = bench.synthetic(rows) / "runs/index/vectors.safetensors"
    homer, memory = Series(), Series()
    for _ in range(bench.args.runs):
        found = search_times(bench, rows, CANDIDATES, 1)
        homer.add(found.median, found.peak)
        memory.add(read_once(vectors))
    row = Row(f"search, {rows:,} replies", "ms", homer, "reading the bytes", memory)
    yield row.target("≤ 1.5 × reading", 0 < row.homer.median <= 1.5 * row.other.median)


def read_once(path):
    """ms to read a file's bytes from memory once, on all cores: libc's search for a byte that
    does not occur in it (the vectors' bytes are never 0xff)."""
    memchr = ctypes.CDLL(None).memchr
    memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    memchr.restype = ctypes.c_void_p
    cores = len(os.sched_getaffinity(0))
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        view = (ctypes.c_char * len(mapped)).from_buffer(mapped)
        start, share = ctypes.addressof(view), len(mapped) // cores
        times = []
        for _ in range(7):
            threads = [
                threading.Thread(target=memchr, args=(start + core * share, 0xFF, share))
                for core in range(cores)
            ]
            clock = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            times.append((time.perf_counter() - clock) * 1e3)
        del view
    return statistics.median(times[2:])  # the first passes map the pages


def prepare(bench):
    """6. From a script to exchanges, TF-IDF included."""
    if not bench.args.script:
        print("  left out: it needs --script", file=sys.stderr)
        return
    rows = bench.args.script_rows
    scripts = {count: bench.work / f"script-{count}.csv" for count in (rows, rows // 10)}
    for count, path in scripts.items():
        if not path.exists():
            # In a process of its own, so that this one stays small (see the README on memory).
            code = "import sys, projects; projects.larger_script(*sys.argv[1:3], int(sys.argv[3]))"
            run("env", f"PYTHONPATH={HERE}", sys.executable, "-c", code, bench.args.script, path, count)

    def homer(count):
        folder = projects.fresh(bench.work / "prepare")
        done = run(bench.homer, "prepare", scripts[count].resolve(), "-C", folder)
        return done.seconds, done.peak

    def python():
        done = bench.python("tfidf.py", scripts[rows // 10], bench.work / "tfidf.jsonl")
        return done.seconds, done.peak

    whole = in_turn(bench.args.runs, homer=lambda: homer(rows))
    row = Row(f"prepare, {rows:,} rows", "s", whole["homer"])
    row.target("< 5 s", row.homer.median < 5).target("< 500 MB", row.homer.peak < 500)
    yield row
    tenth = in_turn(bench.args.runs, homer=lambda: homer(rows // 10), python=python)
    yield Row(f"prepare, {rows // 10:,} rows", "s", tenth["homer"], "scikit-learn", tenth["python"])


ALL = {
    "train-bi": train_bi,
    "train-cross": train_cross,
    "encode": encode,
    "ask": ask,
    "warm": warm,
    "retrieve": retrieve,
    "large-index": large_index,
    "prepare": prepare,
}
