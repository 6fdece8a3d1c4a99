"""The run whose shapes another one takes: its last weights."""

from torch import Tensor

from actbench.errors import ActbenchError
from actbench.recipe.plan import PlannedRun
from actbench.store import Store
from actbench.training.checkpoint import load_weights


def donor_weights(planned: PlannedRun, store: Store) -> dict[str, Tensor] | None:
    """The last weights of the run whose shapes this one takes; None where it takes none.

    Raises ActbenchError where they are not there.
    """
    if planned.arm.frozen != "donor":
        return None
    donor = planned.arm.donor_of(planned.seed)
    record = store.path(
        recipe=donor.recipe,
        profile=planned.recipe.profile,
        arm=donor.arm,
        seed=donor.seed,
        run=donor.run,
    )
    path = store.checkpoint_dir(record) / "last.pt"
    label = f"{donor.recipe} {donor.arm} seed {donor.seed}"
    if not path.exists():
        raise ActbenchError(
            f"the final shapes of {label} are wanted, and its weights are not there",
            where=str(path),
            hints=["weights lie beside the record where it was trained; train it there again with --force"],
        )
    saved = load_weights(path)
    if saved.get("run") != donor.run:
        raise ActbenchError(f"does not hold the weights of {label}", where=str(path))
    weights: dict[str, Tensor] = saved["model"]
    return weights
