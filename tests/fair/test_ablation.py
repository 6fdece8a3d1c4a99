"""Which ablations there are of which arms, and that they differ from their arm in what their name says."""

from actbench.fair.ablation import ablation_arms, ablation_recipe, learns
from actbench.recipe.hashing import arm_settings, run_hash
from actbench.recipe.schema import Arm, ArmTrain
from actbench.tables.arm_notes import arm_note
from tests.fair.calibrations import MakeRecipe, MakeRun, as_stored

ARMS = [
    {"name": "relu", "activation": "relu"},
    {"name": "swish", "activation": "swish"},
    {"name": "gelu", "activation": "gelu"},
    {"name": "lslu", "activation": "lslu"},
    {"name": "pwlu", "activation": "pwlu", "options": {"intervals": 8}},
    {"name": "still", "activation": "prelu", "options": {"freeze": True}},
]


def test_every_candidate_that_learns_has_its_ablations(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(arms=ARMS, ablate="learnable")
    assert ablation_arms(make_recipe(arms=ARMS), {}, ()) == ()
    names = [arm.name for arm in ablation_arms(recipe, {}, ())]
    assert names == [
        "lslu.frozen",
        "lslu.shared",
        "relu.spare.lslu",
        "pwlu.frozen",
        "pwlu.shared",
        "pwlu.no_method",
        "relu.spare.pwlu",
    ]
    runs = as_stored([make_run(recipe, "lslu", seed) for seed in (0, 1, 2)])
    made = ablation_recipe(recipe, {}, runs)
    assert made
    assert "lslu.transplanted" in [arm.name for arm in made.arms]
    assert "pwlu.transplanted" not in [arm.name for arm in made.arms]
    assert made.name == f"{recipe.name}.ablate"


def test_each_differs_from_its_arm_in_one_thing(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(arms=ARMS, ablate="learnable")
    runs = as_stored([make_run(recipe, "pwlu", seed) for seed in (2, 1, 0)])
    arms = {arm.name: arm for arm in ablation_arms(recipe, {}, runs)}
    own = arm_settings(recipe.arm("pwlu"))
    assert arm_settings(arms["pwlu.frozen"]) == {**own, "frozen": "start"}
    options = {"intervals": 8, "sharing": "layer"}
    assert arm_settings(arms["pwlu.shared"]) == {**own, "options": options, "shared": True}
    options = {"intervals": 8, "phase_epochs": 0}
    assert arm_settings(arms["pwlu.no_method"]) == {**own, "options": options}
    spare = {"activation": "pwlu", "options": {"intervals": 8}}
    assert arm_settings(arms["relu.spare.pwlu"]) == {"activation": "relu", "spare": spare}
    taken = arm_settings(arms["pwlu.transplanted"])
    donors = taken.pop("donors")
    assert taken == {**own, "frozen": "donor"}
    assert [donor["seed"] for donor in donors] == [0, 1]
    footing = runs[0].record.footing
    assert donors[0]["run"] == run_hash(footing, recipe.arm("pwlu"), 0)
    for arm in arms.values():
        assert Arm.model_validate_json(arm.model_dump_json()) == arm
    # One more seed makes no other arm, or the runs that there are would be lost.
    more = [*runs, *as_stored([make_run(recipe, "pwlu", 3)])]
    longer = recipe.model_copy(update={"seeds": (0, 1, 2, 3)})
    assert {arm.name: arm for arm in ablation_arms(longer, {}, more)} == arms


def test_what_is_an_arm_already_is_not_made_again(make_recipe: MakeRecipe) -> None:
    own = {"name": "bare", "activation": "pwlu", "options": {"intervals": 8, "phase_epochs": 0}}
    names = [arm.name for arm in ablation_arms(make_recipe(arms=[*ARMS, own], ablate="learnable"), {}, ())]
    assert "pwlu.no_method" not in names
    assert "bare.frozen" in names
    assert "bare.no_method" not in names


def test_tuned_arms_are_what_is_ablated_where_there_are_any(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(arms=ARMS, ablate="learnable")
    tuned = {
        "relu": Arm(name="relu.tuned", activation="relu", train=ArmTrain(lr=0.2)),
        "lslu": Arm(name="lslu.tuned", activation="lslu", train=ArmTrain(lr=0.05)),
    }
    arms = {arm.name: arm for arm in ablation_arms(recipe, tuned, ())}
    assert arms["lslu.frozen"].train.lr == 0.05
    assert arms["relu.tuned.spare.lslu"].train.lr == 0.2
    assert arms["pwlu.frozen"].train.lr is None


def test_arms_say_what_they_are(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(arms=ARMS, ablate="learnable")
    runs = as_stored([make_run(recipe, "lslu", seed) for seed in (0, 1)])
    notes = {arm.name: arm_note(arm, recipe) for arm in ablation_arms(recipe, {}, runs)}
    assert notes["lslu.frozen"] == "lslu.frozen: activation lslu, its parameters frozen at their start."
    assert notes["lslu.transplanted"] == (
        "lslu.transplanted: activation lslu, frozen in the final shape of lslu seed 0 (for that seed itself of seed 1)."
    )
    assert notes["lslu.shared"] == "lslu.shared: activation lslu, one set of its parameters for all sites."
    assert notes["relu.spare.lslu"].endswith("with as many spare scalars as lslu has parameters.")


def test_a_plug_in_learns_if_a_run_of_it_had_parameters(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(arms=ARMS)
    foreign = Arm.model_validate(
        {
            "name": "mine",
            "activation": "Mine",
            "plugins": {"Mine": {"file": "mine.py", "sha256": "0" * 64}},
        }
    )
    plan = recipe.model_copy(update={"arms": (foreign,)})
    assert not learns(foreign, ())
    assert learns(foreign, as_stored([make_run(plan, "mine", 0)]))
    assert [learns(arm, ()) for arm in recipe.arms] == [False, True, False, True, True, False]
