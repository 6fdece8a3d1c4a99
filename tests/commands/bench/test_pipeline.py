"""`actbench bench pipeline`: what it says, as text and as a document, and what it refuses."""

import json
from pathlib import Path

import pytest

from actbench.commands.bench.pipeline import PipelineRequest, bench_pipeline
from actbench.errors import ActbenchError


def test_the_text_and_the_document_tell_the_same(tmp_path: Path) -> None:
    notes: list[str] = []
    request = PipelineRequest(
        batch_size=8, rounds=2, data_dir=tmp_path, allocator="system", channels_last=True
    )
    outcome = bench_pipeline(request, notes.append)
    document = json.loads(json.dumps(outcome.document))
    assert document["setting"]["data"] == "random bytes of CIFAR's shape"
    assert document["setting"]["layout"] == "channels_last"
    rows = document["pipelines"]
    assert len(rows) == 6
    lines = outcome.text.splitlines()
    for row in rows:
        median = row["over_ours"]["median"]
        (line,) = (
            line for line in lines if line.startswith(f"{row['pipeline']}  ") and f" {row['way']}  " in line
        )
        assert f" {median:.2f} [" in line
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("option", "value"), [("rounds", 1), ("threads", 0), ("batch_size", 0), ("workers", -1)]
)
def test_numbers_that_are_too_small_are_refused(option: str, value: int) -> None:
    with pytest.raises(ActbenchError, match="too few"):
        bench_pipeline(PipelineRequest(**{option: value}))  # type: ignore[arg-type]
