"""The block `tune` of a recipe: what is tried for every arm before arms are compared. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

from actbench.frozen import Frozen

MAX_TRIALS = 1000
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class TuneSettings(Frozen):
    """Equal tuning: as many trials for every arm, chosen among by validation alone (see `fair/tuning.py`).

    What a key may be, and which values, `tuned_keys.py` checks where the file's lines are known.
    """

    space: dict[str, tuple[float, ...]] = Field(min_length=1)
    """Setting -> the values tried. `train.lr` and `train.weight_decay` are every arm's; `arms.NAME.options.KEY` and
    `arms.NAME.train.lr_factor` are one arm's own, and buy the others as many trials."""
    trials: int | None = Field(None, ge=2, le=MAX_TRIALS)
    """Of each arm; those beyond its grid go to learning rates between the grid's. None: as many as the largest grid."""
    epochs: float = Field(1.0, gt=0, le=1)
    """Share of the recipe's epochs that a trial is trained for."""
    seeds: tuple[Seed, ...] = Field((1000, 1001), min_length=1)
    """Of the trials; none of them is a seed of the recipe. With a single one, chance chooses so often that false alarms
    double (docs/fair.md)."""
    edge: Literal["extend", "flag"] = "extend"
    """Where the best value is the grid's last: whether the grid grows there, for all arms, or it is only said."""
