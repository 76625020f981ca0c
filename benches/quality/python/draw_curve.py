"""Draws a learning curve: R@1 of 20 over the number of training exchanges."""

import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

points = json.load(open(sys.argv[1], encoding="utf-8"))
exchanges = [point["exchanges"] for point in points]
figure, axes = plt.subplots(figsize=(7, 4.5), dpi=130)
for name, label, style in [
    ("train", "on exchanges it was trained on", "o--"),
    ("test", "on the test part", "o-"),
    ("untuned", "untuned encoder, on the test part", ":"),
]:
    means = [point[name]["mean"] for point in points]
    low, high = ([point[name][end] for point in points] for end in ("low", "high"))
    (line,) = axes.plot(exchanges, means, style, label=label)
    axes.fill_between(exchanges, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
axes.axhline(0.05, color="grey", linewidth=0.8)
axes.text(exchanges[-1], 0.055, "chance", ha="right", va="bottom", color="grey", fontsize=8)
axes.set_xscale("log")
axes.set_xticks(exchanges, [f"{count:,}" for count in exchanges])
axes.minorticks_off()
axes.set_xlabel("training exchanges")
axes.set_ylabel("R@1 of 20")
axes.set_ylim(0, None)
axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.1))
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(sys.argv[2])
