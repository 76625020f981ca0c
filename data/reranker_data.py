#!/usr/bin/env python3
"""What the general reranker learns from, out of public dialogue whose owners publish it freely.

    reranker_data.py DIALOGUE JUDGMENTS OUT

DIALOGUE holds SOURCE.csv.xz with the columns scene, speaker, text. JUDGMENTS (judged/general.tsv)
holds messages with the graded replies, each named by the first ten hexadecimal digits of the
SHA-256 of its text (the lines themselves are not ours to give, but for those of the scripts beside
it and of the sample script, which were written for homer), with its grade, the score by which it
was found, and what a larger reader makes of it (a logit; see teacher.py), where it has seen it. taught.tsv.xz beside it
has more lists, which that reader alone has seen; a message that is a line of the dialogue is named
by its digits too, after an equals sign. Writes OUT/data/exchanges, as `homer prepare` would,
OUT/judged.jsonl, OUT/late.jsonl, where the lists of what the reranker itself liked best (which the larger reader has
not seen) are more of the whole, and OUT/weighed.jsonl, the lists that no reranker had a part in.
"""

import csv
import hashlib
import json
import lzma
import random
import sys
from pathlib import Path

# Critical Role (CC BY-SA 4.0) would be two thirds of all; a share of its sessions is taken.
SOURCES = {"critical_role": 110, "chitchat_byu": None, "topical_chat": None, "plays_modern": None}
# Words of a query and of a reply; what people type is short.
QUERY, REPLY, CONTEXT = range(2, 21), range(2, 23), range(0, 15)
# Candidates of a list that the first stage alone has chosen; the others hold ten, six of them by a reranker.
FOUND = 25
# Every fifth graded list is held out by `homer train-cross`.
FIFTH = 5
# What is learned last: how often its own lists, and how many of the other graded ones and of those that are taught.
OWN, GRADED, SHOWN = 2, 5000, 7000
# Digits of a reply in taught.tsv.xz.
TAUGHT = 8
# Turns after which a long session is divided, so that "the same scene" means what stands near.
STRETCH = 60
# Scenes held out for validation, and for nothing else but to be a test part.
VALID, TEST = 60, 10


def turns(path):
    """(scene, speaker, text), neighbouring rows of one speaker joined."""
    current = None
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            scene, speaker, text = row["scene"], row["speaker"], row["text"]
            if current and current[:2] == [scene, speaker]:
                current[2] += " " + text
            else:
                if current:
                    yield tuple(current)
                current = [scene, speaker, text]
    if current:
        yield tuple(current)


def by_scene(path):
    scenes = {}
    for scene, speaker, text in turns(path):
        scenes.setdefault(scene, []).append((speaker, text))
    return scenes


def exchanges(dialogue, draw):
    """Every turn that answers somebody else's."""
    found, scene = [], 0
    for source, most in SOURCES.items():
        scenes = by_scene(dialogue / f"{source}.csv.xz")
        names = list(scenes)
        if most and len(names) > most:
            kept = set(draw.sample(names, most))
            names = [name for name in names if name in kept]
        for name in names:
            spoken = scenes[name]
            for i in range(1, len(spoken)):
                if i % STRETCH == 0:
                    scene += 1
                (asker, query), (speaker, reply) = spoken[i - 1], spoken[i]
                if asker == speaker or len(query) < 2 or len(reply) < 2:
                    continue
                before = [spoken[i - 2]] if i > 1 else []
                found.append((scene, before, (asker, query), reply))
            scene += 1
    return found


def turn(speaker, text):
    return {"speaker": speaker, "text": text}


def words(text):
    return len(text.split())


def write_exchanges(found, out, draw):
    scenes = sorted({one[0] for one in found})
    draw.shuffle(scenes)
    valid, test = set(scenes[:VALID]), set(scenes[VALID : VALID + TEST])
    out.mkdir(parents=True, exist_ok=True)
    files = {part: open(out / f"{part}.jsonl", "w") for part in ("train", "valid", "test")}
    pool = open(out / "pool.jsonl", "w")
    for number, (scene, before, query, reply) in enumerate(found):
        part = "valid" if scene in valid else "test" if scene in test else "train"
        if part == "test":
            row = {"text": reply, "exchanges": [number]}
            pool.write(json.dumps(row, ensure_ascii=False) + "\n")
        if words(query[1]) not in QUERY or words(reply) not in REPLY:
            continue
        context = [turn(*one) for one in before if words(one[1]) in CONTEXT]
        row = {
            "id": number, "scene": scene, "context": context, "query": turn(*query), "reply": reply,
            "close_replies": [], "good_replies": [], "bad_replies": [],
        }
        files[part].write(json.dumps(row, ensure_ascii=False) + "\n")
    settings = {"source": ", ".join(SOURCES), "character": "everyone", "seed": 42}
    (out / "settings.json").write_text(json.dumps(settings))
    for file in (pool, *files.values()):
        file.close()


def write_judged(judgments, dialogue, out):
    def name(text):
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    texts = {}
    for source in SOURCES:
        texts.update((name(text), text) for _, _, text in turns(dialogue / f"{source}.csv.xz"))
    ours = [*judgments.parent.glob("scripts/*.csv"), judgments.parent.parent / "sample_script.csv"]
    for script in ours:
        with open(script, encoding="utf-8", newline="") as file:
            speaker, spoken = None, ""
            for *who, text in filter(None, csv.reader(file)):
                spoken = f"{spoken} {text}" if who == speaker else text
                speaker = who
                texts.update((name(line), line) for line in (text, spoken))
    found, held = [], []
    own, graded, shown = [], [], []
    with open(judgments) as rows, open(out / "judged.jsonl", "w") as file:
        next(rows)
        for number, row in enumerate(rows):
            message, grades = row.rstrip("\n").split("\t")
            fields = [one.split(":") for one in grades.split()]
            candidates = [
                {"reply": texts[text], "score": float(score), "grade": int(grade)}
                | {"logit": float(one) for one in logit}
                for text, grade, score, *logit in fields
                # A few of the sample script's lines stand around a stage direction.
                if text in texts
            ]
            judged = {"message": message, "candidates": candidates}
            line = json.dumps(judged, ensure_ascii=False) + "\n"
            (graded if "logit" in candidates[0] else own).append(line)
            file.write(line if "logit" in candidates[0] else "")
            if len(fields) == FOUND:
                (held if number % FIFTH == FIFTH - 1 else found).append(line)
        short = {digits[:TAUGHT]: text for digits, text in texts.items()}
        with lzma.open(judgments.parent / "taught.tsv.xz", "rt", encoding="utf-8") as rows:
            next(rows)
            for row in rows:
                message, logits = row.rstrip("\n").split("\t")
                if message.startswith("="):
                    message = texts[message[1:]]
                fields = [one.split(":") for one in logits.split()]
                candidates = [
                    {"reply": short[text], "logit": float(logit)} for text, logit in fields if text in short
                ]
                judged = {"message": message, "candidates": candidates}
                shown.append(json.dumps(judged, ensure_ascii=False) + "\n")
                file.write(shown[-1])
    with open(out / "late.jsonl", "w") as file:
        draw = random.Random(17)
        late = own * OWN + draw.sample(graded, GRADED) + draw.sample(shown, SHOWN)
        draw.shuffle(late)
        file.writelines(late)
    with open(out / "weighed.jsonl", "w") as file:
        for number, line in enumerate(held):
            file.writelines(found[number * (FIFTH - 1) : (number + 1) * (FIFTH - 1)] + [line])


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    dialogue, judgments, out = map(Path, sys.argv[1:])
    draw = random.Random(3)
    found = exchanges(dialogue, draw)
    write_exchanges(found, out / "data" / "exchanges", draw)
    write_judged(judgments, dialogue, out)


if __name__ == "__main__":
    main()
