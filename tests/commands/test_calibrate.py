"""`actbench calibrate`: trained once, told in its own table and below the recipe's."""

import json
from pathlib import Path

from actbench.commands.calibrate import calibrate
from actbench.commands.compare import compare
from actbench.commands.request import TrainRequest
from actbench.tables.calibration import NOT_CALIBRATED
from tests.commands.test_train import Listener


def test_it_trains_what_is_missing_and_the_tables_say_what_was_seen(tmp_path: Path) -> None:
    request = TrainRequest(
        references=("demo_digits",),
        profile="smoke",
        overrides=("train.epochs=1",),
        seeds="0",
        device="cpu",
        results_dir=tmp_path,
    )
    listener = Listener()
    outcome = calibrate(request, listener)
    assert (outcome.exit_code, outcome.warnings) == (0, ())
    assert [text.split()[1] for text in listener.started] == [
        "relu",
        "relu_again",
        "leaky_0.8",
        "relu_narrow",
    ]
    assert "Calibrated: relu with other random streams" in outcome.text
    assert isinstance(outcome.document, dict)
    (table,) = outcome.document["tables"]
    rows = {row["arm"]: row for row in table["rows"]}
    for name, row in rows.items():
        (file,) = row["files"]
        record = json.loads(Path(file).read_text())
        assert record["arm"]["name"] == name
        right = record["results"][0]["tally"]
        assert row["evidence"]["values"] == {"0": right["correct"] / right["total"]}
    again = Listener()
    assert calibrate(request, again).text == outcome.text
    assert again.started == []
    options = {"profile": "smoke", "overrides": request.overrides, "results_dir": tmp_path}
    shown = compare(["demo_digits"], **options, seeds="0")  # type: ignore[arg-type]
    assert "Calibrated: relu with other random streams" in shown.text
    for file in (tmp_path / "demo_digits.calibrate" / "smoke").glob("relu_again*.json"):
        file.unlink()
    shown = compare(["demo_digits"], **options, seeds="0")  # type: ignore[arg-type]
    assert NOT_CALIBRATED.split(":")[0] in shown.text
    assert "Calibrated:" not in shown.text
