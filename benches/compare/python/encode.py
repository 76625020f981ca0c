"""Embeds every reply of a pool, sorted by length, in batches of 64; prints lines/s."""

import argparse
import json
import time

parser = argparse.ArgumentParser()
parser.add_argument("--pool", required=True, help="pool.jsonl of a prepared project")
parser.add_argument("--encoder", required=True)
parser.add_argument("--onnx", help="the same model, exported: onnxruntime instead of PyTorch")
parser.add_argument("--check", help="write the vectors to this .npy file")
args = parser.parse_args()

with open(args.pool, encoding="utf-8") as file:
    lines = [json.loads(line)["text"] for line in file]

if args.onnx:
    import numpy
    import onnxruntime
    from tokenizers import Tokenizer

    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(args.onnx, settings, ["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(f"{args.encoder}/tokenizer.json")
    tokenizer.no_padding()
    with open(f"{args.encoder}/sentence_bert_config.json", encoding="utf-8") as file:
        tokenizer.enable_truncation(json.load(file)["max_seq_length"])

    def encode(lines):
        tokens = [encoding.ids for encoding in tokenizer.encode_batch(lines)]
        order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        rows = [None] * len(lines)
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            ids = numpy.zeros((len(batch), len(tokens[batch[0]])), dtype=numpy.int64)
            mask = numpy.zeros_like(ids)
            for row, i in enumerate(batch):
                ids[row, : len(tokens[i])] = tokens[i]
                mask[row, : len(tokens[i])] = 1
            (vectors,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
            for i, vector in zip(batch, vectors):
                rows[i] = vector
        return numpy.stack(rows)

else:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(args.encoder, device="cpu")

    def encode(lines):  # sorts by length itself
        return model.encode(lines, batch_size=64, normalize_embeddings=True, show_progress_bar=False)


encode(lines[:64])
start = time.perf_counter()
vectors = encode(lines)
seconds = time.perf_counter() - start
if args.check:
    import numpy

    numpy.save(args.check, vectors)
print(json.dumps({"lines_per_second": len(lines) / seconds}))
