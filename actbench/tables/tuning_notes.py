"""What a table says of its tuning: how arms were tuned, what was chosen, and where the search ended too early.

Imports no torch.
"""

from collections.abc import Iterator

from actbench.comparison import Gap, Group
from actbench.tables.columns import Columns
from actbench.tables.words import listed, setting_name

_SHOWS = {"tuned", "trials", "hours"}


def tuned_gaps(group: Group, shown: Columns, baselines: tuple[str, ...]) -> list[Gap]:
    """Those that have a column."""
    if "tuned" not in shown:
        return []
    rows = [row.tuned.row for row in group.rows if row.tuned]
    return [gap for row in rows for gap in row.gaps if gap.baseline in baselines]


def tuning_notes(group: Group, shown: Columns) -> Iterator[str]:
    """Nothing where no column shows what tuning made."""
    chosen = [(row.name, row.tuned.choice) for row in group.rows if row.tuned]
    if not chosen or not _SHOWS & set(shown) or group.plan is None or group.plan.tune is None:
        return
    tune = group.plan.tune
    epochs = "" if tune.epochs == 1 else f", at {100 * tune.epochs:g} % of the epochs"
    seeds = f"seed{'s' if len(tune.seeds) > 1 else ''} {listed(list(map(str, tune.seeds)))}"
    yield (
        f"Tuned: each arm with the best of its trials, as many for every arm, on the validation set ({seeds}{epochs}); "
        "the test set was shut. Gaps are of the reported seeds, and tests of them a family of their own."
    )
    told = [
        f"{name} " + ", ".join(f"{setting_name(key)} {value:g}" for key, value in choice.settings.items())
        for name, choice in chosen
    ]
    yield f"Chosen: {'; '.join(told)}."
    if any(choice.at_edge for _, choice in chosen):
        yield "edge: the best value is the last one tried on that side; a better one may lie beyond it."
    untried = [row.name for row in group.rows if not row.tuned]
    if untried or not all(choice.complete for _, choice in chosen):
        lacks = f"; no trial of {listed(untried)} is finished" if untried else ""
        yield f"Interim: the search is not at its end, and what is chosen may change{lacks}."
