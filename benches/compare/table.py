"""The rows of the result, and the Markdown table that they make."""

from dataclasses import dataclass, field

from measure import Series, number_text


@dataclass
class Row:
    """One measure of homer, beside the same measure of something else."""

    name: str
    unit: str
    homer: Series
    other_name: str = ""
    other: Series | None = None
    higher_is_better: bool = False
    targets: list = field(default_factory=list)

    @property
    def ratio(self):
        """How many times better homer's median is."""
        if self.other is None:
            return None
        if self.higher_is_better:
            return self.homer.median / self.other.median
        return self.other.median / self.homer.median

    def target(self, text, met):
        self.targets.append((text, bool(met)))
        return self

    def at_least(self, ratio):
        """The ratio must reach this."""
        return self.target(f"≥ {ratio:g}×", self.ratio >= ratio)

    def raw(self):
        """Everything, for a machine."""
        side = lambda series: series and {"values": series.values, "peaks_mb": series.peaks}
        return {
            "name": self.name,
            "unit": self.unit,
            "homer": side(self.homer),
            "other_name": self.other_name,
            "other": side(self.other),
            "ratio": self.ratio,
            "targets": [{"target": text, "met": met} for text, met in self.targets],
        }


HEADER = [
    "Comparison",
    "Unit",
    "homer: min / median / max",
    "Other",
    "Other: min / median / max",
    "Ratio",
    "Peak MB: homer / other",
    "Target",
    "Met",
]


def markdown(rows):
    """One table."""
    lines = [HEADER, ["---"] * len(HEADER)]
    for row in rows:
        peaks = [row.homer.peak, row.other.peak if row.other else None]
        peaks = "–" if peaks == [None, None] else " / ".join(map(memory_text, peaks))
        lines.append(
            [
                row.name,
                row.unit,
                spread(row.homer),
                row.other_name or "–",
                spread(row.other),
                "–" if row.ratio is None else f"{row.ratio:.2f}×",
                peaks,
                "; ".join(text for text, _ in row.targets) or "–",
                "; ".join("yes" if met else "no" for _, met in row.targets) or "–",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(series):
    if series is None:
        return "–"
    values = [min(series.values), series.median, max(series.values)]
    return " / ".join(map(number_text, values))


def memory_text(peak):
    return "–" if peak is None else f"{peak:,.0f}"
