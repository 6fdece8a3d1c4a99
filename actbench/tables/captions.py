"""What stands above a table. Imports no torch."""

from actbench.comparison import Group


def caption(group: Group) -> str:
    """What was measured, on what, with what, and how it was made."""
    setting = group.setting
    variant = f" ({setting.variant})" if setting.variant else ""
    synthetic = "Synthetic data: shows the tool, not the activation. " if setting.synthetic else ""
    best = ", at the epoch that was best on the test set itself" if group.which == "best_test" else ""
    return (
        f"{synthetic}{setting.title}{variant}: {group.metric.phrase} on {setting.data} with {setting.model}{best}; "
        f"{made_how(group)}."
    )


def made_how(group: Group) -> str:
    """Profile, epochs and seeds, and whether footings differ; of imported results their file."""
    setting, seeds = group.setting, group.seeds
    epochs = [f"{setting.epochs} epoch{'s' if setting.epochs != 1 else ''}"] if setting.epochs else []
    origin = (
        f"profile {setting.profile}"
        if setting.is_audited
        else f"imported from {setting.source}, footing not audited"
    )
    protocol = ["best-test protocol"] if setting.protocol == "best-test" else []
    number = (
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if seeds else "no finished runs"
    )
    unequal = ["footing differs"] if group.mismatches else []
    return ", ".join([origin, *unequal, *protocol, *epochs, number])
