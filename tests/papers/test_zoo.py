"""What the papers of the zoo hold: every id, and claims that are what their tables say."""

import re

import pytest

from actbench.papers.reported import Claim, Paper, ReportedRow, load_paper

TABLES = {
    "kat": """
        kat-imagenet kat-activations kat-start kat-throughput kat-operations kat-gain kat-coco
        kat-ade20k kat-toy-cifar10 kat-toy-mnist flashkat-throughput
    """,
    "raft": """
        raft-glue-100 raft-squad raft-glue-tasks raft-perplexity raft-time rational-cifar10
        rational-cifar100 rational-mobilenet-v2 rational-lesion pau-vit
    """,
    "sqish": "sqish-cifar100-gain sqish-fgsm-gain sqish-classification smu-cifar100-gain",
    "apalu": """
        apalu-mobilenet-gain apalu-googlenet-gain apalu-svdd-mnist-gain apalu-differnet-gain
        apalu-distillation-gain apalu-signs apalu-cifar10
    """,
    "talu": "talu-mnist-gain talu-cifar10-gain talu-mnist talu-cifar10",
    "tracts": "tracts-small-gain tracts-table2",
    "swish": """
        swish-cifar10-search swish-cifar10 swish-cifar100-search swish-cifar100 swish-nasnet
        swish-inception-resnet-v2 swish-mobilenet swish-inception-v3 swish-inception-v4
        swish-translation swish-won mish-squeezenet mish-imagenet mish-cifar10 mish-cifar100 mish-won
    """,
    "dyrelu": """
        dyrelu-mobilenet-v2 dyrelu-imagenet-gain dyrelu-keypoints-gain dyrelu-imagenet dyrelu-variants
        dyrelu-dyhead
    """,
    "relu2": """
        relu2-sparsity relu2-benchmarks sparsing-commonsense sparsing-reading drelu-300m drelu-masked
        drelu-leaderboard drelu-relufied prosparse-average two-four-loss
    """,
    "threshold": "threshold-methods",
}
CLAIMS = {
    "kat": """
        kat-gr-kan-over-gelu kat-gr-kan-over-pau kat-pau-over-gelu kat-prelu-over-gelu
        kat-gelu-over-silu kat-start-identity-swish kat-start-swish-swish kat-tiny-over-deit
        kat-small-over-deit kat-base-over-deit kat-detection kat-segmentation
    """,
    "raft": """
        raft-glue-100-gain raft-squad-gain raft-perplexity-gain rational-lenet-cifar10
        rational-lenet-cifar10-shared rational-lenet-cifar100 rational-lenet-cifar100-shared
    """,
    "sqish": "sqish-clean sqish-fgsm smu-clean",
    "apalu": """
        apalu-mobilenet-cifar10 apalu-googlenet-cifar10 apalu-svdd-mnist apalu-differnet-mvtec
        apalu-distillation-mvtec apalu-signs-accuracy
    """,
    "talu": "talu-over-relu-mnist talu-over-relu-cifar10",
    "tracts": "tracts-small-fourier tracts-small-best tracts-large-best tracts-large-linear-combination",
    "swish": """
        swish-resnet164-cifar10 swish-resnet164-cifar10-silu swish-wrn-28-10-cifar10
        swish-wrn-28-10-cifar10-silu swish-resnet164-cifar100 swish-resnet164-cifar100-silu
        swish-wrn-28-10-cifar100 swish-wrn-28-10-cifar100-silu swish-densenet-cifar100
        swish-densenet-cifar100-silu swish-nasnet-imagenet swish-nasnet-imagenet-silu
        swish-inception-resnet-imagenet swish-inception-resnet-imagenet-silu swish-mobilenet-imagenet
        swish-mobilenet-imagenet-silu swish-inception-v3-imagenet swish-inception-v3-imagenet-silu
        swish-inception-v4-imagenet swish-inception-v4-imagenet-silu swish-translation-bleu-silu
    """,
    "dyrelu": """
        dyrelu-mobilenet-v2-gain dyrelu-mobilenet-v3-small-gain dyrelu-mobilenet-v3-large-gain
        dyrelu-keypoints-mobilenet-v2 dyrelu-keypoints-mobilenet-v3-large
        dyrelu-keypoints-mobilenet-v3-small dyrelu-b-over-a dyrelu-a-over-relu
    """,
    "relu2": """
        relu2-sparsity-90 drelu-perplexity two-four-relu2 drelu-masked-90 sparsing-commonsense-1b
        sparsing-reading-1b
    """,
    "threshold": "",
}


@pytest.mark.parametrize("key", TABLES)
def test_ids_on_which_recipes_lean(key: str) -> None:
    paper = load_paper(key)
    assert [table.id for table in paper.tables] == TABLES[key].split()
    assert [claim.id for claim in paper.claims] == CLAIMS[key].split()


@pytest.mark.parametrize("key", TABLES)
def test_every_value_says_where_it_is_from_and_how_sure_it_is(key: str) -> None:
    for table in load_paper(key).tables:
        assert table.rows
        assert table.source
        assert table.certainty or all(row.certainty for row in table.rows)
        for row in table.rows:
            assert row.activation or row.uncatalogued
            if row.value is None:
                is_told = "diverged" in (row.note or "") or "unfinished" in (row.note or "")
                assert is_told or "not found" in f"{row.certainty} {table.certainty}"


@pytest.mark.parametrize(
    "claim",
    [
        claim
        for key in TABLES
        for claim in load_paper(key).claims
        if re.search(r": .*\d and \d", claim.source)
    ],
    ids=lambda claim: str(claim.id),
)
def test_a_claims_difference_is_that_of_the_two_values_its_source_names(claim: Claim) -> None:
    ours, theirs = re.findall(r"(\d+\.?\d*) and (\d+\.?\d*)", claim.source)[-1]
    assert claim.difference == pytest.approx(float(ours) - float(theirs), abs=1e-9)


def value(paper: Paper, table: str, model: str, activation: str, **fields: str) -> float | None:
    def fits(row: ReportedRow) -> bool:
        same = (row.model, row.activation) == (model, activation)
        return same and all(getattr(row, name) == wanted for name, wanted in fields.items())

    (row,) = (row for row in paper.table(table).rows if fits(row))
    return row.value


def test_values_picked_out_of_every_paper() -> None:
    kat, raft, swish = load_paper("kat"), load_paper("raft"), load_paper("swish")
    ablation = {row.arm or row.activation: row.value for row in kat.table("kat-activations").rows}
    assert ablation == {"gelu": 72.7, "relu": 72.8, "silu": 69.8, "prelu": 73.2, "pau": 73.6, "kat": 74.6}
    starts = {row.arm: row.value for row in kat.table("kat-start").rows}
    assert starts == {
        "kat_identity_identity": 69.7,
        "kat_swish_swish": 74.4,
        "kat_identity_gelu": 74.5,
        "kat": 74.6,
    }
    assert value(raft, "rational-cifar100", "LeNet", "rational", arm="rational_shared") == 40.4
    assert value(raft, "rational-cifar100", "LeNet", "leaky_relu") == 37.9
    assert value(swish, "swish-cifar100", "ResNet-164", "silu") == 75.1
    assert value(swish, "swish-cifar100", "ResNet-164", "softplus") == 76.0
    assert value(load_paper("dyrelu"), "dyrelu-mobilenet-v2", "MobileNet-V2", "dyrelu") == 76.2
    assert value(load_paper("relu2"), "drelu-300m", "300M", "drelu") == 28.45
    assert value(load_paper("sqish"), "sqish-fgsm-gain", "ShuffleNet V2", "sqish") == 8.21
    assert {row.value for row in load_paper("threshold").table("threshold-methods").rows} == {None}


def test_swishs_claims_are_differences_of_its_tables() -> None:
    paper = load_paper("swish")
    for claim in paper.claims:
        if claim.data in ("CIFAR-10", "CIFAR-100"):
            table, model = f"swish-{claim.data.lower().replace('-', '')}", str(claim.model)
            (arm,) = claim.arms
            ours, theirs = value(paper, table, model, arm), value(paper, table, model, "relu")
            assert ours is not None
            assert theirs is not None
            assert claim.difference == pytest.approx(ours - theirs, abs=1e-9)


def test_ranges_and_absolute_values_are_told_as_such() -> None:
    (talu, _) = load_paper("talu").claims
    assert talu.size == "by up to +6.00 points"
    assert load_paper("apalu").claim("apalu-signs-accuracy").size == "reaching 100.00"
    assert load_paper("raft").claim("raft-perplexity-gain").size == "by -0.18 in perplexity"
    assert load_paper("tracts").claim("tracts-large-best").size == "by how much could not be read"
