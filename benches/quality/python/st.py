"""What the scripts of sentence-transformers' side share."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "compare/python"))

from common import Trainer, batches, read_jsonl  # noqa: F401  (for the scripts beside this one)

MAX_LENGTH = 64


def query(context, text):
    """What the bi-encoder reads: context and query as one text."""
    return " ".join([*context, text])


def query_of(exchange):
    return query([turn["text"] for turn in exchange["context"]], exchange["query"]["text"])


def heard(text):
    """Texts that sound alike are the same reply."""
    return re.sub(r"[\W_]", "", text.lower()) or text


def embed(model, texts):
    return model.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
