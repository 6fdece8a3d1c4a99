"""What it is of a learnable activation that helps: the same arm with parts of its learning taken away.

frozen        its parameters stay at their start: is it the learning, or the curve that it starts from?
transplanted  the shape that another seed ended with, frozen, everything else trained from scratch: is it the final
              shape, or having it change on the way?
shared        one set of parameters for the whole network: does it need a shape of its own at each site?
no_method     without its learning method, where it has one beside gradient descent (PWLU: no phase one, no realignment)
spare         the first baseline with as many spare scalars, which make a gain and a shift: is it the shape, or having
              more parameters?

Each is an arm like any other, trained on the recipe's footing. Imports no torch.
"""

from collections.abc import Iterator, Mapping, Sequence

from actbench.activations.catalog import ENTRIES
from actbench.fair.calibration import calibrated_baseline
from actbench.fair.naming import ablation_name, derived_recipe
from actbench.recipe.ablated import Donor, Spare
from actbench.recipe.differences import differing_arm_settings
from actbench.recipe.schema import Arm, Recipe
from actbench.store import StoredRun

ABLATIONS = ("frozen", "transplanted", "shared", "no_method", "spare")


def ablation_arms(recipe: Recipe, tuned: Mapping[str, Arm], stored: Sequence[StoredRun]) -> tuple[Arm, ...]:
    """Of every candidate that learns its shape, made from its tuned arm where there is one.

    A transplanted arm needs two finished runs of that arm, and appears once `stored` has them. A plug-in counts as one
    that learns once a run of it tells that it has parameters. What is an arm of the recipe already is not made again.
    """
    if recipe.ablate == "none":
        return ()
    first = calibrated_baseline(recipe)
    baseline = tuned.get(first.name, first)
    made: list[Arm] = []
    for plain in recipe.arms:
        if plain.name in recipe.baselines or plain == first:
            continue
        arm = tuned.get(plain.name, plain)
        if learns(arm, stored):
            made += _ablations(recipe, plain.name, arm, baseline, stored)
    return tuple(arm for arm in made if all(differing_arm_settings(arm, own) for own in recipe.arms))


def ablation_recipe(recipe: Recipe, tuned: Mapping[str, Arm], stored: Sequence[StoredRun]) -> Recipe | None:
    """The recipe of the ablations, whose runs lie in `<recipe>.ablate`; None where there are none."""
    arms = ablation_arms(recipe, tuned, stored)
    return derived_recipe(recipe, "ablate", arms) if arms else None


def learns(arm: Arm, stored: Sequence[StoredRun]) -> bool:
    """Whether the arm's activation has parameters that it learns."""
    if arm.frozen != "no" or getattr(arm.options, "freeze", False) not in (False, "none"):
        return False
    entry = ENTRIES.get(arm.activation)
    if entry is not None and entry.plugin is None:
        return entry.learns
    runs = (run.record for run in stored if not differing_arm_settings(run.record.arm, arm))
    return any(run.cost.activation_parameters > 0 for run in runs if run.cost)


def _ablations(
    recipe: Recipe, name: str, arm: Arm, baseline: Arm, stored: Sequence[StoredRun]
) -> Iterator[Arm]:
    def changed(ablation: str, **fields: object) -> Arm:
        own = arm.model_dump(exclude={"options", "fill_options"})
        options = {"options": arm.options, "fill_options": arm.fill_options}
        return Arm.model_validate({**own, **options, "name": ablation_name(name, ablation), **fields})

    yield changed("frozen", frozen="start")
    if len(donors := _donors(recipe, arm, stored)) > 1:
        yield changed("transplanted", frozen="donor", donors=donors)
    one = {"sharing": "layer"} if hasattr(arm.options, "sharing") else {}
    yield changed("shared", shared=True, options=arm.options.model_copy(update=one))
    entry = ENTRIES.get(arm.activation)
    if entry is not None and entry.without_method:
        without = arm.options.model_copy(update=entry.without_method)
        if without != arm.options:
            yield changed("no_method", options=without)
    source = arm.plugins.get(arm.activation)
    spare = Spare.model_validate(
        {
            "activation": arm.activation,
            "options": arm.chosen_options(),
            "sha256": source.sha256 if source else "",
        }
    )
    yield baseline.model_copy(update={"name": f"{baseline.name}.spare.{name}", "spare": spare})


def _donors(recipe: Recipe, arm: Arm, stored: Sequence[StoredRun]) -> tuple[Donor, ...]:
    """The finished runs of the first two seeds that have one: of more, each new seed would make other arms."""
    runs = {
        run.record.seed: run
        for run in stored
        if run.record.status == "completed" and not differing_arm_settings(run.record.arm, arm)
    }
    return tuple(
        Donor(
            recipe=runs[seed].record.recipe.name,
            arm=runs[seed].record.arm.name,
            seed=seed,
            run=runs[seed].record.run,
        )
        for seed in [seed for seed in recipe.seeds if seed in runs][:2]
    )
