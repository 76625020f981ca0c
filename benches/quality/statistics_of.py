"""Means over queries, with bootstrap intervals."""

import random

DRAWS = 2000


def resampled(values, seed=42):
    """Means of draws with replacement, in order."""
    draw = random.Random(seed)
    return sorted(sum(draw.choices(values, k=len(values))) / len(values) for _ in range(DRAWS))


def interval(values):
    """The mean, and half of the 95% interval."""
    means = resampled(values)
    return sum(values) / len(values), (means[int(0.975 * DRAWS)] - means[int(0.025 * DRAWS)]) / 2


def paired(before, after):
    """The 95% interval of the mean difference, query by query."""
    means = resampled([b - a for a, b in zip(before, after)])
    return means[int(0.025 * DRAWS)], means[int(0.975 * DRAWS)]
