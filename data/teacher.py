#!/usr/bin/env python3
"""What a larger reader makes of lists of candidates: the teacher that the general reranker learns from.

    teacher.py READER GRADED.jsonl FREE.jsonl OUT.jsonl [--gguf FILE] [--layers 18] [--seconds 100]

READER is a folder with a decoder of the Llama or Qwen2 kind, as transformers reads it. Its first layers and a new head
learn to order the candidates of GRADED (those lists of reranker_data.py's judged.jsonl that are graded, or what `homer
judge` writes, which names no pick; every fifth is kept to measure by), for
so many seconds. Then it scores them and those of FREE, which nobody has graded, and writes all lists to OUT with a
`logit` beside each candidate, as `homer train-cross --judged` takes them. It takes PyTorch, transformers and a card.

The labels in judged/general.tsv and judged/taught.tsv.xz are by Qwen2.5-Coder-1.5B-Instruct (its makers publish it under
Apache-2.0), its matrices in four bits, after 130 seconds.
"""

import argparse
import json
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

# Tokens of a message and of a reply that are read.
MOST = 40
# Lists a step, and candidates of a list that are looked at in it.
LISTS, CANDIDATES = 16, 16
# What the grades 0 to 2 deserve, and the line that its reader would most like to get, whose place is PICK. What nobody has
# graded deserves nothing.
WORTH = np.array([0, 0.2, 1, 2.5])
PICK, NONE = 3, 0


class Block(nn.Module):
    """One layer of the decoder."""

    def __init__(self, layer, config):
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.q, self.k, self.v, self.o = attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj
        self.gate, self.up, self.down = mlp.gate_proj, mlp.up_proj, mlp.down_proj
        self.before, self.between = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
        self.heads, self.groups, self.eps = config.num_attention_heads, config.num_key_value_heads, config.rms_norm_eps

    def norm(self, x, weight):
        return F.rms_norm(x, (x.shape[-1],), weight.to(x.dtype), self.eps)

    def forward(self, x, cos, sin):  # [n, t, h]
        n, t, h = x.shape

        def split(y, heads):
            return y.view(n, t, heads, -1).transpose(1, 2)  # [n, heads, t, d]

        def turned(y):
            left, right = y.chunk(2, -1)
            return y * cos + torch.cat([-right, left], -1) * sin

        y = self.norm(x, self.before)
        q = turned(split(self.q(y), self.heads))
        k = turned(split(self.k(y), self.groups)).repeat_interleave(self.heads // self.groups, 1)
        v = split(self.v(y), self.groups).repeat_interleave(self.heads // self.groups, 1)
        # Padding stands at the end: what comes before does not see it.
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(n, t, h))
        y = self.norm(x, self.between)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Reader(nn.Module):
    """The first layers of a decoder, and a score from the last token's state."""

    def __init__(self, decoder, layers, tokens):
        super().__init__()
        config = decoder.config
        inner = decoder.model
        self.words = nn.Embedding.from_pretrained(inner.embed_tokens.weight.detach()[tokens].clone(), freeze=False)
        self.blocks = nn.ModuleList(Block(layer, config) for layer in inner.layers[:layers])
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.head = nn.Linear(config.hidden_size, 1, bias=False)
        nn.init.zeros_(self.head.weight)
        theta = getattr(config, "rope_theta", None) or config.rope_parameters["rope_theta"]
        size = config.hidden_size // config.num_attention_heads
        self.register_buffer("speeds", theta ** -(torch.arange(0, size, 2).float() / size))

    def forward(self, ids, last):  # [n, t], [n] → [n]
        x = self.words(ids)
        if x.is_cuda:
            x = x.bfloat16()
        angles = torch.outer(torch.arange(ids.shape[1], device=ids.device).float(), self.speeds)
        angles = torch.cat([angles, angles], -1).to(x.dtype)
        for block in self.blocks:
            x = block(x, angles.cos(), angles.sin())
        x = x[torch.arange(len(ids), device=ids.device), last].float()
        return self.head(self.norm(x)).squeeze(-1).float()


class Lists:
    """Lists of candidates, as tokens."""

    def __init__(self, path, tokenizer):
        with open(path, encoding="utf-8") as file:
            self.rows = [json.loads(line) for line in file]
        self.first, self.ids, grades, worth = [0], [], [], []
        known = {}

        def tokens(text):
            if text not in known:
                known[text] = tokenizer(text, add_special_tokens=False)["input_ids"]
            return known[text]

        for row in self.rows:
            asked = tokens(f"A: {row['message']}\nB:")[-MOST:]
            for candidate in row["candidates"]:
                self.ids.append(asked + tokens(f" {candidate['reply']}\n")[:MOST])
                grades.append(candidate.get("grade", -1))
                worth.append(PICK if candidate.get("pick") else candidate.get("grade", NONE))
            self.first.append(len(self.ids))
        self.grades, self.worth = np.array(grades), np.array(worth)

    def places(self, i):
        return np.arange(self.first[i], self.first[i + 1])


def read(reader, lists, places, device):
    length = np.array([len(lists.ids[i]) for i in places])
    ids = np.zeros((len(places), length.max()), np.int64)
    for row, i in enumerate(places):
        ids[row, : length[row]] = lists.ids[i]
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        return reader(torch.from_numpy(ids).to(device), torch.from_numpy(length - 1).to(device))


def loss_of(scores, shares, owner):
    """Cross-entropy of each list's softmax with the shares, on average."""
    count = int(owner.max()) + 1
    empty = torch.zeros(count, device=scores.device)
    most = (empty - 1e9).scatter_reduce(0, owner, scores, "amax").detach()
    sums = empty.scatter_add(0, owner, (scores - most[owner]).exp()).log() + most
    return (shares * (sums[owner] - scores)).sum() / count


def learn(reader, lists, seconds, rate, device):
    draw = np.random.default_rng(7)
    worths = [lists.worth[lists.places(i)] for i in range(len(lists.rows))]
    chosen = [i for i, own in enumerate(worths) if i % 5 != 4 and own.min() != own.max()]
    # Where its reader named one, a list is like what the answer is chosen from: it counts twice.
    chosen += [i for i in chosen if worths[i].max() == PICK]
    head = list(reader.head.parameters())
    rest = [weight for name, weight in reader.named_parameters() if not name.startswith("head")]
    groups = [{"params": rest, "rate": rate}, {"params": head, "rate": 30 * rate}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    start, step, order = time.monotonic(), 0, []
    while (spent := (time.monotonic() - start) / seconds) < 1:
        if len(order) < LISTS:
            order = list(draw.permutation(chosen))
        places, shares, owner = [], [], []
        for number in range(LISTS):
            own = draw.permutation(lists.places(order.pop()))[:CANDIDATES]
            worth = WORTH[lists.worth[own]] + 1e-9
            places.append(own)
            shares.append(worth / worth.sum())
            owner.append(np.full(len(own), number))
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1, (step + 1) / 30) * max(0.02, 1 - spent)
        scores = read(reader, lists, np.concatenate(places), device)
        shares = torch.from_numpy(np.concatenate(shares)).float().to(device)
        loss = loss_of(scores, shares, torch.from_numpy(np.concatenate(owner)).to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
        if step % 25 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
        step += 1


@torch.no_grad()
def score(reader, lists, device, tokens=60000):
    order = sorted(range(len(lists.ids)), key=lambda i: len(lists.ids[i]))
    scores = np.zeros(len(order), np.float32)
    while order:
        count = max(1, tokens // len(lists.ids[order[min(len(order), tokens // 8) - 1]]))
        places, order = order[:count], order[count:]
        scores[places] = read(reader, lists, places, device).cpu().numpy()
    return scores


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader")
    parser.add_argument("graded")
    parser.add_argument("free")
    parser.add_argument("out")
    parser.add_argument("--gguf", help="the file in READER that holds the weights, if they are in that format")
    parser.add_argument("--layers", type=int, default=18)
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--rate", type=float, default=1.5e-5)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(7)
    tokenizer = AutoTokenizer.from_pretrained(args.reader, gguf_file=args.gguf)
    graded, free = Lists(args.graded, tokenizer), Lists(args.free, tokenizer)
    used, places = np.unique([i for lists in (graded, free) for ids in lists.ids for i in ids], return_inverse=True)
    places = iter(places.tolist())
    for lists in (graded, free):
        lists.ids = [[next(places) for _ in ids] for ids in lists.ids]
    decoder = AutoModelForCausalLM.from_pretrained(args.reader, gguf_file=args.gguf, dtype=torch.float32)
    reader = Reader(decoder, args.layers, torch.from_numpy(used)).to(device)
    learn(reader, graded, args.seconds, args.rate, device)
    with open(args.out, "w", encoding="utf-8") as out:
        for lists in (graded, free):
            scores = score(reader, lists, device)
            if lists is graded:
                best = [lists.places(i)[scores[lists.places(i)].argmax()] for i in range(4, len(lists.rows), 5)]
                found = lists.grades[best]
                print(f"first of what was kept: good {(found == 2).mean():.3f}, passable {(found >= 1).mean():.3f}")
            for row, first in zip(lists.rows, lists.first):
                for place, candidate in enumerate(row["candidates"]):
                    candidate["logit"] = round(float(scores[first + place]), 1)
                out.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
