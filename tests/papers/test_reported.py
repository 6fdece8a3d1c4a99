import re
from pathlib import Path

import pytest

from actbench.errors import ActbenchError
from actbench.papers import reported
from actbench.papers.reported import Claim, Paper, ReportedRow, load_paper, load_papers, paper_keys


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reported, "FOLDER", tmp_path)
    return tmp_path


def test_every_paper_loads_under_its_key() -> None:
    papers = load_papers()
    assert "lslu" in papers
    assert [paper.paper.key for paper in papers.values()] == list(papers) == paper_keys()


def test_the_one_number_of_lslu_is_a_gain_over_series() -> None:
    paper = load_paper("lslu")
    own = [
        (table, row) for table in paper.tables if not table.id.startswith("vanillanet-") for row in table.rows
    ]
    ((table, row),) = [(table, row) for table, row in own if row.value is not None]
    assert (table.id, table.dataset) == ("lslu-table3-gain", "CIFAR-100")
    assert (row.activation, row.kind, row.baseline, row.value) == ("lslu", "gain", "series", 3.17)
    assert "assumed" in (row.certainty or "")
    unread = {(table.dataset, row.activation) for table, row in own if row.kind == "absolute"}
    assert {
        ("CIFAR-10", "lslu"),
        ("CIFAR-10", "series"),
        ("CIFAR-100", "lslu"),
        ("CIFAR-100", "series"),
    } <= unread


def test_vanillanets_ablation_is_transcribed_row_by_row() -> None:
    rows = load_paper("lslu").table("vanillanet-ablation").rows
    values = {(row.model, row.activation, row.note): row.value for row in rows}
    assert len(rows) == len(values) == 12
    assert values[("VanillaNet-6", "relu", "without deep training")] == 59.58
    assert values[("VanillaNet-6", "series", "with deep training")] == 76.36
    assert values[("AlexNet", "series", "without deep training")] == 61.12
    assert values[("ResNet-50", "series", "with deep training")] == 76.27
    imagenet = {row.model: row.value for row in load_paper("lslu").table("vanillanet-imagenet").rows}
    assert len(imagenet) == 18
    assert (imagenet["VanillaNet-5"], imagenet["VanillaNet-13-1.5x-ada_pool"]) == (72.49, 83.11)


def test_sources_are_public() -> None:
    for path in reported.FOLDER.glob("*.yaml"):
        for source in re.findall(r"source: (.+)", path.read_text(encoding="utf-8")):
            assert "arXiv:" in source or "https://" in source


def test_an_unknown_key_gets_the_nearest() -> None:
    with pytest.raises(
        ActbenchError, match=r"unknown paper 'lsul'\n  known: .*lslu.*\n  did you mean 'lslu'\?"
    ):
        load_paper("lsul")
    with pytest.raises(ActbenchError, match=r"no table 'lslu-cifar-10'\n.*\n  did you mean 'lslu-cifar10'\?"):
        load_paper("lslu").table("lslu-cifar-10")
    with pytest.raises(ActbenchError, match=r"no claim 'gain'"):
        load_paper("lslu").claim("gain")


def test_mistakes_in_a_papers_file_have_their_line(folder: Path) -> None:
    (folder / "x.yaml").write_text(
        "paper: {key: x, title: X, year: 2024}\n"
        "tables:\n"
        "  - id: t\n"
        "    caption: T\n"
        "    dataset: D\n"
        "    metric: top1_accuracy\n"
        "    unit: percent\n"
        "    rows:\n"
        "      - {model: M, activation: relu, value: high}\n"
        "      - {model: M, activation: relu, valu: 1}\n"
    )
    with pytest.raises(ActbenchError) as caught:
        load_paper("x")
    text = str(caught.value)
    assert "x.yaml:9: expected a number" in text
    assert "x.yaml:10: unknown key 'valu'" in text


def test_a_file_must_bear_its_own_key(folder: Path) -> None:
    (folder / "y.yaml").write_text("paper: {key: x, title: X, year: 2024}\n")
    with pytest.raises(ActbenchError, match=r"the file's name says 'y', its key 'x' \(paper.key\)"):
        load_paper("y")


def test_a_gain_names_its_baseline_and_nothing_else_does() -> None:
    with pytest.raises(ValueError, match="a gain names its baseline"):
        ReportedRow(model="M", activation="relu", kind="gain", value=1.0)
    with pytest.raises(ValueError, match="a gain names its baseline"):
        ReportedRow(model="M", activation="relu", baseline="relu", value=1.0)
    with pytest.raises(ValueError, match="a gain names its baseline"):
        ReportedRow(model="M", activation="relu", kind="gain", baseline="gelu", against="others", value=1.0)
    assert (
        ReportedRow(model="M", activation="relu", kind="gain", against="others", value=1.0).reference
        == "others"
    )
    with pytest.raises(ValueError, match="unknown activation 'rleu'"):
        ReportedRow(model="M", activation="rleu", value=1.0)


def test_ids_are_unique() -> None:
    table = {"id": "t", "caption": "", "dataset": None, "metric": "top1_accuracy", "unit": "percent"}
    with pytest.raises(ValueError, match="the id 't' stands here more than once"):
        Paper.model_validate({"paper": {"key": "x", "title": "X", "year": 2024}, "tables": [table, table]})


def test_pwlus_claims_are_gains_over_swish_and_its_absolute_values_are_unread() -> None:
    paper = load_paper("pwlu")
    gains = {row.model: row.value for row in paper.table("pwlu-imagenet-gain").rows}
    assert gains == {
        "ResNet-18": 0.9,
        "ResNet-50": 0.53,
        "MobileNet-V2": 1.0,
        "MobileNet-V3": 1.7,
        "EfficientNet-B0": 1.0,
    }
    assert {(row.kind, row.baseline) for row in paper.table("pwlu-imagenet-gain").rows} == {("gain", "swish")}
    claimed = {claim.model: claim.difference for claim in paper.claims if claim.data == "ImageNet-1K"}
    assert {model: value for model, value in claimed.items() if model} == gains
    absolute = paper.table("pwlu-imagenet-top1").rows
    assert {row.value for row in absolute} == {None}
    names = [row.activation or row.uncatalogued for row in absolute if row.model == "ResNet-50"]
    assert names == ["relu", "prelu", "swish", "APL", "PAU", "frelu", "pwlu"]


def test_pwlus_detection_claims_are_differences_of_its_table() -> None:
    paper = load_paper("pwlu")
    values = {(row.model, row.activation): row.value for row in paper.table("pwlu-coco-box-ap").rows}
    assert len(values) == 8
    claims = [claim for claim in paper.claims if claim.metric == "box_ap"]
    assert [claim.id for claim in claims] == ["pwlu-maskrcnn-coco", "pwlu-retinanet-coco"]
    for claim in claims:
        ours, theirs = values[(str(claim.model), "pwlu")], values[(str(claim.model), "swish")]
        assert ours is not None
        assert theirs is not None
        assert claim.difference == pytest.approx(ours - theirs, abs=1e-9)


def test_a_row_has_one_activation() -> None:
    with pytest.raises(ValueError, match="a row has one activation"):
        ReportedRow(model="M", activation="relu", uncatalogued="APL", value=1.0)


def test_a_claim_of_no_difference_says_what_counts_as_none() -> None:
    claim = {"id": "c", "arms": ["a"], "baseline": "b", "model": None, "data": "D", "metric": "top1_accuracy"}
    base = {**claim, "difference": 0.0, "source": "arXiv:2401.00001"}
    with pytest.raises(ValueError, match="a difference of 0 needs a margin"):
        Claim.model_validate(base)
    assert Claim.model_validate({**base, "margin": 0.5}).difference == 0
