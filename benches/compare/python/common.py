"""What the training scripts share: the same exchanges, cut into the same tokens as homer's."""

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer


def read_jsonl(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Words:
    """Token ids without special tokens, and the special ones."""

    def __init__(self, encoder):
        self.inner = Tokenizer.from_file(str(Path(encoder) / "tokenizer.json"))
        self.inner.no_padding()
        self.inner.no_truncation()
        self.cls = self.inner.token_to_id("[CLS]")
        self.sep = self.inner.token_to_id("[SEP]")

    def __call__(self, text):
        return self.inner.encode(text, add_special_tokens=False).ids

    def before(self, exchange):
        """The newest turn before the query that has words; nothing where there is none."""
        turns = (self(turn["text"]) for turn in reversed(exchange["context"]))
        return next((ids for ids in turns if ids), [])

    def turns(self, exchange):
        """The turn before the query, and the query, separated."""
        before = self.before(exchange)
        return [*before, *([self.sep] if before else []), *self(exchange["query"]["text"])]

    def newest(self, ids, room):
        kept = ids[-room:] if room else []
        return kept[1:] if kept and kept[0] == self.sep else kept

    def query(self, exchange, longest):
        return [self.cls, *self(exchange["query"]["text"])[2 - longest :], self.sep]

    def context(self, exchange, longest):
        """The turn before the query; None where there is none."""
        ids = self.before(exchange)
        return [self.cls, *ids[2 - longest :], self.sep] if ids else None

    def text(self, text, longest):
        return [self.cls, *self(text)[: longest - 2], self.sep]

    def pair(self, exchange, reply, longest):
        """Ids and the length of the first part."""
        room = longest - 3
        turns, reply = self.turns(exchange), self(reply)
        reply = reply[: max(room - len(turns), room // 2)]
        first = [self.cls, *self.newest(turns, room - len(reply)), self.sep]
        return first + [*reply, self.sep], len(first)


def padded(sequences):
    """Ids and mask `[n, longest of these]`."""
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros(len(sequences), longest, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def batches(examples, size, steps, seed):
    """`steps` batches of numbers, epoch after epoch, each in a new order."""
    draw = random.Random(seed)
    order = []
    for _ in range(steps):
        if not order:
            order = list(range(examples))
            draw.shuffle(order)
        yield order[:size]
        order = order[size:]


class Trainer:
    """AdamW in one fused pass, linear warm-up and decay, gradients clipped to a norm of 1."""

    def __init__(self, model, lr, steps, warmup):
        decayed, others = [], []
        for name, parameter in model.named_parameters():
            plain = name.endswith("bias") or "LayerNorm" in name
            (others if plain else decayed).append(parameter)
        self.parameters = decayed + others
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=lr, fused=True)
        self.lr, self.steps, self.warmup = lr, steps, warmup
        self.step_number = 0

    def rate(self):
        step = self.step_number
        if step < self.warmup:
            return self.lr * (step + 1) / (self.warmup + 1)
        return self.lr * (self.steps - step) / (self.steps - self.warmup)

    def step(self, loss):
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
