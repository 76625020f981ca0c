"""The folders that homer works in: prepared data, models, indexes."""

import collections
import csv
import json
import os
import re
import shutil
from pathlib import Path

from measure import run


def read_jsonl(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_jsonl(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def prepared(homer, exchanges, folder):
    """A project with the character's exchanges, made once."""
    if not (folder / "data/exchanges/settings.json").exists():
        run(homer, "prepare", Path(exchanges).resolve(), "--split", "contiguous", "-C", fresh(folder))
    return folder


def copied(project, folder):
    """Another project with the same data and nothing else."""
    shutil.copytree(project / "data", fresh(folder) / "data")
    return folder


def fresh(folder):
    """An empty folder in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def place_model(project, run_name, model):
    """Makes `model` what a training of that name would have left."""
    place = project / "runs" / run_name / "model"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(Path(model).resolve(), target_is_directory=True)


def without_validation(project):
    """Takes the validation exchanges away: build-index then embeds the pool and nothing else."""
    (project / "data/exchanges/valid.jsonl").write_text("")


def without_index(project):
    """Takes the index away: build-index then embeds everything again."""
    shutil.rmtree(project / "runs/index", ignore_errors=True)
    return project


def pool(project):
    return project / "data/exchanges/pool.jsonl"


def larger_script(source, target, rows):
    """A script of `rows` rows: the sample again and again, each time with other supporting
    speakers and with its rarer words changed, so that names and vocabulary grow with it."""
    with open(source, encoding="utf-8", newline="") as file:
        header, *sample = csv.reader(file)
    text = header.index(next(name for name in ("dialogue", "spoken_words") if name in header))
    speaker = header.index("raw_character_text")
    counts = collections.Counter(
        word for line in sample for word in re.findall(r"[a-z]+", line[text].lower())
    )
    speakers = collections.Counter(line[speaker] for line in sample if any(line))
    known = {name for name, _ in speakers.most_common(4)}
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number in range(rows):
            copy, place = divmod(number, len(sample))
            line = list(sample[place])
            if copy and any(line):
                ending = "".join(chr(ord("a") + int(digit)) for digit in str(copy))

                def renew(match):
                    word = match.group()
                    return word + ending if counts[word.lower()] <= 3 else word

                line[text] = re.sub(r"[A-Za-z]+", renew, line[text])
                if line[speaker] not in known:
                    line[speaker] = f"{line[speaker]} {copy + 1}"
            writer.writerow(line)


def repeated_pool(source, target, times):
    """A pool `times` as long, of distinct texts of about the same length."""
    with open(target, "w", encoding="utf-8") as file:
        for copy in range(times):
            for reply in read_jsonl(source):
                if copy:
                    reply = {"text": f"{reply['text']} {copy}", "exchanges": []}
                file.write(json.dumps(reply, ensure_ascii=False) + "\n")


def steps_of(run_folder):
    """The training steps in a run's metrics, without the validations."""
    return [row for row in read_jsonl(run_folder / "metrics.jsonl") if "loss" in row]


def size_mb(path):
    return os.path.getsize(path) / 1e6
