"""Where the paper's values beside ours are from, and how sure they are. Imports no torch."""

from actbench.comparison import ArmRow, Group
from actbench.papers.matching import Reported
from actbench.tables.columns import Columns
from actbench.tables.heads import shown_baselines


def reported_notes(group: Group, shown: Columns) -> list[str]:
    """Of the values that the shown columns have."""
    beside = [
        (row, value)
        for row in group.rows
        for value in (
            *(row.reported if "reported" in shown else ()),
            *(r for gap in row.gaps if gap.baseline in shown_baselines(group, shown) for r in gap.reported),
            *(row.reported_elsewhere if "reported" in shown else ()),
        )
    ]
    if group.paper is None or not beside:
        return []
    paper = group.paper.paper
    arxiv = f" (arXiv {paper.arxiv})" if paper.arxiv else ""
    missing = any(value.value is None for _, value in beside)
    unread = '; "not found": the paper has a value that could not be read' if missing else ""
    notes = [f"Reported: {paper.title}{arxiv}{unread}."]
    return notes + list(dict.fromkeys(text for row, value in beside for text in _value(row, value)))


def _value(row: ArmRow, reported: Reported) -> list[str]:
    """How sure the value is, and for a gain whose baseline is no arm here, what it is."""
    if reported.value is None:
        return []
    if reported in row.reported_elsewhere:
        against = reported.row.reference
        return [
            f"The paper reports {reported.value:+.2f} for {row.name} against {against}, no baseline here."
        ]
    certainty = reported.row.certainty or reported.table.certainty
    return [f"{row.name} in the paper, {_what(reported)}; certainty: {certainty}."] if certainty else []


def _what(reported: Reported) -> str:
    row = reported.row
    number = f"{row.value:+.2f} over {row.reference}" if row.kind == "gain" else f"{row.value:.2f}"
    return f"{number} on {reported.table.dataset} ({reported.table.id})"
