"""Statistics for a handful of seeds: numbers in, numbers out. Needs neither numpy nor scipy."""

from actbench.stats.contrasts import Contrast, Samples, Test, contrasts
from actbench.stats.crossed import crossed_difference, crossed_mean
from actbench.stats.equivalence import inside, shown_near_best, tost
from actbench.stats.intervals import (
    Estimate,
    Interval,
    mean,
    mean_estimate,
    sd,
)
from actbench.stats.methods import DEFAULT_METHOD, METHOD_NAMES, METHODS, Method
from actbench.stats.multiplicity import adjusted, benjamini_hochberg, holm
from actbench.stats.power import Spread, detectable_difference, power_of, seeds_needed
from actbench.stats.sign_flip import SignFlip, sign_flip

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "METHOD_NAMES",
    "Contrast",
    "Estimate",
    "Interval",
    "Method",
    "Samples",
    "SignFlip",
    "Spread",
    "Test",
    "adjusted",
    "benjamini_hochberg",
    "contrasts",
    "crossed_difference",
    "crossed_mean",
    "detectable_difference",
    "holm",
    "inside",
    "mean",
    "mean_estimate",
    "power_of",
    "sd",
    "seeds_needed",
    "shown_near_best",
    "sign_flip",
    "tost",
]
