"""The table of a calibration, and the line that it puts below other tables."""

from collections.abc import Mapping, Sequence

from actbench.fair.calibration import Calibration, calibrated_baseline, calibration_of
from actbench.metrics import metric_of
from actbench.tables import terminal
from actbench.tables.calibration import (
    NOT_CALIBRATED,
    calibration_facts,
    calibration_note,
    calibration_table,
)
from tests.fair.calibrations import COUNTS, MakeRecipe, MakeRun, as_stored, calibration_records


def _made(
    make_recipe: MakeRecipe, make_run: MakeRun, counts: Mapping[str, Sequence[int]] = COUNTS
) -> Calibration:
    recipe = make_recipe(analysis={"method": "paired"})
    records = as_stored(calibration_records(recipe, make_run, counts))
    found = calibration_of(recipe, calibrated_baseline(recipe), records)
    assert found
    return found


def test_the_line_tells_the_gap_without_a_cause_and_the_smallest_loss_found(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    assert calibration_note(None) == NOT_CALIBRATED
    assert calibration_facts(None) is None
    made = _made(make_recipe, make_run)
    assert calibration_note(made) == (
        "Calibrated: relu with other random streams, +0.03 [-0.25, +0.32] points against itself; "
        "smallest planted loss found: 5.90 points (leaky_0.8)."
    )
    facts = calibration_facts(made)
    assert facts
    assert (facts["silent"], facts["baseline"]) == (True, "relu")
    assert [arm["arm"] for arm in facts["arms"]] == ["relu_again", "leaky_0.8", "relu_narrow"]


def test_the_line_tells_an_alarm_and_losses_that_were_not_found(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    counts = {**COUNTS, "relu_again": (5300, 5341, 5259), "leaky_0.8": (4900, 5100, 4950)}
    assert calibration_note(_made(make_recipe, make_run, counts)) == (
        "Calibrated: relu with other random streams, +3.00 [+2.98, +3.02] points against itself, significant where "
        "there is nothing to find; no planted loss was found (leaky_0.8 -0.17 [-2.16, +1.83], relu_narrow -0.12 "
        "[-0.68, +0.44])."
    )
    only = {name: COUNTS[name] for name in ("relu", "relu_again")}
    assert "no loss was planted yet" in calibration_note(_made(make_recipe, make_run, only))


def test_the_table_tells_each_arm_and_how_many_seeds_its_loss_needs(
    make_recipe: MakeRecipe, make_run: MakeRun
) -> None:
    recipe = make_recipe(analysis={"method": "paired"})
    table = calibration_table(_made(make_recipe, make_run), recipe, metric_of(recipe))
    cells = {row.arm: [cell.text for cell in row.cells] for row in table.rows}
    assert cells["relu"] == ["50.00 ± 0.99", "-", "-", "-", "-"]
    assert cells["relu_again"] == ["50.03 ± 0.76", "+0.03 [-0.25, +0.32]", "0.929", "no", "-"]
    assert cells["leaky_0.8"][1:] == ["-5.90 [-6.15, -5.65]", "<0.001", "yes", "2"]
    # 54: the least n at which a noncentral t of n - 1 degrees at level 0.05 / 3 has power 0.9, by scipy.stats.nct
    assert cells["relu_narrow"][3:] == ["no", "54"]
    text = terminal.render([table])
    assert "relu_narrow: activation relu, the model's width = 0.1125 for it alone." in text
    assert "Interim" not in text
    assert "No size control" not in text


def test_a_model_without_a_width_has_no_size_control(make_recipe: MakeRecipe, make_run: MakeRun) -> None:
    recipe = make_recipe(model={"name": "torchvision"})
    counts = {name: COUNTS[name][:2] for name in ("relu", "relu_again", "leaky_0.8")}
    found = calibration_of(
        recipe, calibrated_baseline(recipe), as_stored(calibration_records(recipe, make_run, counts))
    )
    assert found
    table = calibration_table(found, recipe, metric_of(recipe))
    assert "relu_narrow" not in {row.arm for row in table.rows}
    notes = " ".join(note.text for note in table.notes)
    assert "No size control: the model torchvision has no width that could be a tenth less." in notes
    assert "Still missing: relu seed 2; relu_again seed 2; leaky_0.8 seed 2." in notes
    assert table.caption.startswith("Interim: ")
