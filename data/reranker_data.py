#!/usr/bin/env python3
"""What the general reranker learns from, out of public dialogue whose owners publish it freely.

    reranker_data.py DIALOGUE JUDGMENTS OUT

DIALOGUE holds SOURCE.csv.xz with the columns scene, speaker, text. JUDGMENTS (judged/general.tsv)
holds messages, how their candidates were found, and these, each named by the first ten hexadecimal digits of the
SHA-256 of its text (the lines themselves are not ours to give, but for those of the scripts beside
it, of the sample script and of the talk, which were written for homer), with its grade, the score by which it
was found, and what a larger reader makes of it (a logit; see teacher.py). An exclamation mark behind a grade is on
the one that its reader would most like to get. taught.tsv.xz beside it
has more lists, which that larger reader alone has seen; a message that is a line of the dialogue is named
by its digits too, after an equals sign. written.tsv has lists of lines of the talk, which were written as answers. Writes OUT/data/exchanges, as `homer prepare` would,
OUT/judged.jsonl, to learn from, and OUT/weighed.jsonl, to weigh by: what is held out there of the lists that no
reranker had a part in; and OUT/told.jsonl and OUT/told_weighed.jsonl, where lines come with what they answered.
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
# Every fifth graded list is held out by `homer train-cross`.
FIFTH = 5
# Of the ways in which candidates were found, what takes the nearest alone; in the others a reranker had a part ("mixed"), or
# chose them ("liked"; among these longer lines, "rather"; for the built-in persona, "poet").
NEAREST = "nearest"
# Digits of a reply in taught.tsv.xz.
TAUGHT = 8
# Of the lists of written lines, those that are held out, the first; how often the others stand there, how many others
# than these with them (of all that half is seen: every other example is an exchange), and what an opinion each grade is,
# as a logit: with no grade in it, a list is never held out.
HELD, TIMES, OTHERS = 450, 3, 22000
OPINIONS, PICKED = (-4, -1, 1), 1
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
    texts = {}
    for source in SOURCES:
        texts.update((digits(text), text) for _, _, text in turns(dialogue / f"{source}.csv.xz"))
    here = judgments.parent
    for script in [*here.glob("scripts/*.csv"), here.parent / "sample_script.csv", here.parent / "talk.csv", here / "unsaid.csv"]:
        with open(script, encoding="utf-8", newline="") as file:
            speaker, spoken = None, ""
            for *who, text in filter(None, csv.reader(file)):
                spoken = f"{spoken} {text}" if who == speaker else text
                speaker = who
                texts.update((digits(line), line) for line in (text, spoken))
    shown, held = [], []
    with open(judgments) as rows, open(out / "judged.jsonl", "w") as file:
        next(rows)
        for number, row in enumerate(rows):
            message, how, cells = row.rstrip("\n").split("\t")
            # A few lines stand around a stage direction. What the talk no longer says is in unsaid.csv.
            found = [cell for cell in map(candidate, cells.split()) if cell["reply"] in texts]
            for one in found:
                one["reply"] = texts[one["reply"]]
            line = json.dumps({"message": message, "candidates": found}, ensure_ascii=False) + "\n"
            file.write(line)
            if how == NEAREST:
                (held if number % FIFTH == FIFTH - 1 else shown).append(line)
        short = {name[:TAUGHT]: text for name, text in texts.items()}
        with lzma.open(here / "taught.tsv.xz", "rt", encoding="utf-8") as rows:
            next(rows)
            for row in rows:
                message, logits = row.rstrip("\n").split("\t")
                if message.startswith("="):
                    message = texts[message[1:]]
                fields = [one.split(":") for one in logits.split()]
                found = [{"reply": short[text], "logit": float(logit)} for text, logit in fields if text in short]
                file.write(json.dumps({"message": message, "candidates": found}, ensure_ascii=False) + "\n")
    with open(out / "weighed.jsonl", "w") as file:
        for number, line in enumerate(held):
            file.writelines(shown[number * (FIFTH - 1) : (number + 1) * (FIFTH - 1)] + [line])


def digits(text):
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def talk(path):
    """By the digits of a line, what it answers and the line."""
    with open(path, encoding="utf-8", newline="") as file:
        said = [row for row in csv.reader(file) if any(row)]
    both = zip(said, said[1:])
    return {digits(reply): (query, reply) for (one, query), (other, reply) in both if (one, other) == ("Stranger", "Homer")}


def write_told(here, out, draw):
    exchanges, learned, held = talk(here.parent / "talk.csv"), [], []
    with open(here / "written.tsv") as rows:
        next(rows)
        for number, row in enumerate(rows):
            message, cells = row.rstrip("\n").split("\t")
            found = []
            for cell in cells.split():
                line, grade, score = cell.split(":")
                answered, reply = exchanges[line]
                one = {"reply": reply, "answered": answered, "score": float(score)}
                if number < HELD:
                    one["grade"] = int(grade.rstrip("!"))
                else:
                    one["logit"] = OPINIONS[int(grade.rstrip("!"))] + PICKED * grade.endswith("!")
                found.append(one)
            grades = {cell.split(":")[1].rstrip("!") for cell in cells.split()}
            line = json.dumps({"message": message, "candidates": found}, ensure_ascii=False) + "\n"
            if number < HELD:
                held.append(line)
            elif len(grades) > 1:
                learned.append(line)
    graded, others = 0, []
    for line in open(out / "judged.jsonl"):
        read = '"grade"' in line
        graded += read
        if not (read and graded % FIFTH == 0):
            others.append(line)
    lines = draw.sample(others, OTHERS) + learned * TIMES
    draw.shuffle(lines)
    (out / "told.jsonl").write_text("".join(lines))
    # Weights are fitted on every fifth: all of them are.
    (out / "told_weighed.jsonl").write_text("".join(line * FIFTH for line in held))


def candidate(cell):
    """What stands of a candidate in JUDGMENTS."""
    reply, grade, score, *logit = cell.split(":")
    found = {"reply": reply, "score": float(score), "grade": int(grade.rstrip("!"))}
    found |= {"pick": True} if grade.endswith("!") else {}
    return found | {"logit": float(one) for one in logit}


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    dialogue, judgments, out = map(Path, sys.argv[1:])
    draw = random.Random(3)
    found = exchanges(dialogue, draw)
    write_exchanges(found, out / "data" / "exchanges", draw)
    write_judged(judgments, dialogue, out)
    write_told(judgments.parent, out, draw)


if __name__ == "__main__":
    main()
