"""The other side: the same trainings and the same embedding with sentence-transformers, in bf16 on a card and in f32
on a CPU. For every two lines of standard input it measures once more, and says how many examples or lines a second it
was, and how much memory the process held at most, in MB."""

import argparse
import json
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "compare/python"))

import torch  # noqa: E402
from common import Trainer, Words, batches, padded, read_jsonl  # noqa: E402
from torch.nn.functional import cross_entropy, normalize  # noqa: E402

CONTEXT_WEIGHT, TEMPERATURE, LONGEST = 0.5, 0.05, 64


def moved(features, device):
    return {name: tensor.to(device, non_blocking=True) for name, tensor in features.items()}


def bi(args, words, exchanges):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(args.encoder), device=args.device)
    model.train()
    queries = [words.query(exchange, LONGEST) for exchange in exchanges]
    contexts = [words.context(exchange, LONGEST) for exchange in exchanges]
    replies = [words.text(exchange["reply"], LONGEST) for exchange in exchanges]

    def embedded(sequences):
        return normalize(model(moved(padded(sequences), args.device))["sentence_embedding"].float())

    def loss(batch):
        query, reply = embedded([queries[i] for i in batch]), embedded([replies[i] for i in batch])
        having = [place for place, i in enumerate(batch) if contexts[i]]
        if having:
            before = embedded([contexts[batch[place]] for place in having])
            query = query.index_add(0, torch.tensor(having, device=args.device), CONTEXT_WEIGHT * before)
            query = normalize(query)
        scores = query @ reply.T / TEMPERATURE
        truth = torch.arange(len(batch), device=args.device)
        return (cross_entropy(scores, truth) + cross_entropy(scores.T, truth)) / 2

    return model, loss


def cross(args, words, exchanges):
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(args.encoder), num_labels=1, device=args.device).model
    model.train()
    pool = [exchange["reply"] for exchange in exchanges]
    draw = random.Random(42)
    # Tokenised before the clock starts, as homer's are.
    drawn = [[exchange["reply"], *draw.sample(pool, args.negatives)] for exchange in exchanges]
    groups = [[words.pair(e, text, LONGEST) for text in texts] for e, texts in zip(exchanges, drawn)]

    def loss(batch):
        pairs = [pair for i in batch for pair in groups[i]]
        features = padded([ids for ids, _ in pairs])
        types = torch.zeros_like(features["input_ids"])
        for row, (ids, first) in enumerate(pairs):
            types[row, first : len(ids)] = 1
        features = moved({**features, "token_type_ids": types}, args.device)
        logits = model(**features).logits.float().reshape(len(batch), -1)
        return cross_entropy(logits, torch.zeros(len(batch), dtype=torch.long, device=args.device))

    return model, loss


def train(args, task):
    words, exchanges = Words(args.encoder), read_jsonl(args.data)
    while True:
        model, loss_of = task(args, words, exchanges)
        trainer = Trainer(model, 1e-4, args.steps, args.steps // 10)
        seconds, examples = 0.0, 0
        for number, batch in enumerate(batches(len(exchanges), args.batch_size, args.steps, seed=42)):
            start = time.perf_counter()
            with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.device == "cuda"):
                loss = loss_of(batch)
            trainer.step(loss)
            loss.item()
            if number >= args.steps // 3:
                seconds += time.perf_counter() - start
                examples += len(batch)
        yield examples / seconds


def encode(args):
    from sentence_transformers import SentenceTransformer

    lines = [line["text"] for line in read_jsonl(args.data)]
    dtype = torch.bfloat16 if args.device == "cuda" else torch.float32
    model = SentenceTransformer(str(args.encoder), device=args.device, model_kwargs={"dtype": dtype})
    model.encode(lines[:1024], batch_size=256, show_progress_bar=False)
    while True:
        start = time.perf_counter()
        model.encode(lines, batch_size=256, normalize_embeddings=True, show_progress_bar=False)
        yield len(lines) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["bi", "cross", "encode"])
    parser.add_argument("--device", choices=["cuda", "cpu"], required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=0)
    parser.add_argument("--negatives", type=int, default=0)
    args = parser.parse_args()
    rates = encode(args) if args.task == "encode" else train(args, {"bi": bi, "cross": cross}[args.task])
    answers = sys.stdout
    sys.stdout = sys.stderr  # for whatever the libraries have to say
    while sys.stdin.readline() and sys.stdin.readline():
        rate = next(rates)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(json.dumps({"rate": rate, "peak": peak}), file=answers, flush=True)


if __name__ == "__main__":
    main()
