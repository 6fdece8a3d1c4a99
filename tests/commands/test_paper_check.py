"""`compare --paper` over two papers made by hand, and over the papers and records of this repository."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from actbench.claims import evidence, recipes_with_papers
from actbench.commands import paper_check as command
from actbench.commands.paper_check import paper_check
from actbench.errors import ActbenchError
from actbench.papers.reported import load_paper, load_papers

ROOT = Path(__file__).parents[2]
RESULTS = Path("results")
TABLE = """\
tables:
  - id: deep-table
    caption: Deep units
    dataset: CIFAR-100
    metric: top1_accuracy
    unit: percent
    rows:
      - {model: VanillaNet, activation: lslu, value: 71.25}
      - {model: VanillaNet-5, activation: relu, value: null}
      - {model: VanillaNet-5, activation: gelu, value: 60}
      - {model: VanillaNet-5, activation: lslu, kind: gain, baseline: relu, value: 1.5}
"""
Bench = Callable[..., None]


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def expect(claim: str, word: str) -> None:
    edit("papers/deep.yaml", f"{{id: {claim}, ", f"{{id: {claim}, expected: {word}, ")


def lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


@pytest.fixture(scope="module")
def committed() -> tuple[Any, Any]:
    return recipes_with_papers()


@pytest.mark.parametrize("key", list(load_papers()))
def test_committed_records_give_what_is_expected(
    key: str, committed: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "recipes_with_papers", lambda: committed)
    outcome = paper_check(key, check=True, results_dir=ROOT / "results")
    assert (outcome.exit_code, outcome.warnings) == (0, ())


def test_what_was_run_has_an_expectation(committed: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test above can fail: a claim with a testable difference and runs is expected to come out somehow."""
    monkeypatch.setattr(command, "recipes_with_papers", lambda: committed)
    judged = []
    for key in load_papers():
        document: Any = paper_check(key, results_dir=ROOT / "results").document
        judged += [each for each in document["claims"] if each["records"] and each["difference"] is not None]
    assert len(judged) >= 6
    assert all(each["as_expected"] for each in judged)


def test_claims_are_told_beside_what_was_measured(bench: Bench) -> None:
    expect("deep-exact", "reproduced")
    bench("lite", {"relu": (5000, 5010), "lslu": (5150, 5162), "series": (5300, 5310), "swish": (5100, 5101)})
    outcome = paper_check("deep", check=True, results_dir=RESULTS)
    assert lines(outcome.text) == (
        "Deep units (2024)\n"
        "\n"
        "claim          reported                 reproduced            verdict\n"
        "deep-exact     lslu over relu: +1.50,   +1.51 [+1.38, +1.64]  on stand-in (VanillaNet-5\n"
        "               VanillaNet-5 on          (n=2)                 x0.125 on CIFAR-100),\n"
        "               CIFAR-100                                      direction at reduced budget:\n"
        "                                                              reproduced\n"
        "                                                              (expected: reproduced)\n"
        "deep-wide      lslu and series over     lslu: +0.55 [-0.14,   on stand-in (VanillaNet-5\n"
        "               swish: up to +2.00,      +1.25] (n=2)          x0.125 on CIFAR-100),\n"
        "               VanillaNet-9 on                                direction at reduced budget:\n"
        "               ImageNet-1K                                    not shown\n"
        "                                        series: +2.05         on stand-in (VanillaNet-5\n"
        "                                        [+1.47, +2.62] (n=2)  x0.125 on CIFAR-100),\n"
        "                                                              direction at reduced budget:\n"
        "                                                              reproduced\n"
        "deep-language  lslu over relu: -0.125,  -                     not run; no recipe speaks\n"
        "               VanillaNet-5 on                                about it\n"
        "               CIFAR-100 (perplexity)\n"
        "deep-absolute  lslu over relu: 100.00   -                     not run; no recipe speaks\n"
        "               reached, no difference,                        about it\n"
        "               a network not known on\n"
        "               signs\n"
        "\n"
        "1 of 4 claims as expected, 0 otherwise; no expectation stored of deep-wide, deep-language,\n"
        "deep-absolute"
    )
    assert (outcome.exit_code, outcome.warnings) == (0, ())
    document: Any = json.loads(json.dumps(outcome.document))
    assert [each["as_expected"] for each in document["claims"]] == [True, None, None, None]
    (found,) = document["claims"][0]["records"]
    assert sorted(Path(path).name for path in found["files"]) == [
        f"{arm}-seed{seed}.json" for arm in ("lslu", "relu") for seed in (0, 1)
    ]
    assert (found["word"], found["size"], found["reduced_budget"]) == ("reproduced", None, True)


def test_an_unexpected_verdict_is_exit_code_4_under_check_alone(bench: Bench) -> None:
    expect("deep-exact", "better")
    expect("deep-language", "worse")
    bench("lite", {"relu": (5000, 5010), "lslu": (5150, 5162)})
    assert paper_check("deep", results_dir=RESULTS).exit_code == 0
    outcome = paper_check("deep", check=True, results_dir=RESULTS)
    assert outcome.exit_code == 4
    assert outcome.warnings == (
        "deep-exact: expected 'better', found 'reproduced' by deep_c100, profile lite",
        "deep-language: expected 'worse', found 'not run'",
    )
    assert "0 of 4 claims as expected, 2 otherwise" in outcome.text


def test_every_arm_of_a_claim_must_come_out_as_expected(bench: Bench) -> None:
    expect("deep-wide", "reproduced")
    bench("lite", {"swish": (5100, 5101), "lslu": (5300, 5304), "series": (5100, 5104)})
    (warning,) = paper_check("deep", check=True, results_dir=RESULTS).warnings
    assert (
        warning == "deep-wide: expected 'reproduced', found 'not shown' for series by deep_c100, profile lite"
    )


def test_the_nearest_setting_decides(bench: Bench) -> None:
    expect("deep-exact", "worse")
    bench("lite", {"relu": (5000, 5010), "lslu": (5150, 5162)})
    bench("paper", {"relu": (5000, 5010), "lslu": (4900, 4912)})
    bench("smoke", {"relu": (5000, 5010), "lslu": (5150, 5162)})
    outcome = paper_check("deep", check=True, results_dir=RESULTS)
    assert outcome.exit_code == 0
    document: Any = outcome.document
    assert document["claims"][0]["verdicts"] == [
        "worse, less than claimed",
        "on stand-in (VanillaNet-5 x0.125 on CIFAR-100), direction at reduced budget: reproduced",
        "synthetic data: no verdict",
    ]


def test_the_order_of_findings_does_not_decide(bench: Bench) -> None:
    bench("lite", {"relu": (5000, 5010), "lslu": (5150, 5162)})
    bench("paper", {"relu": (5000, 5010), "lslu": (4900, 4912)})
    paper, (recipes, _) = load_paper("deep"), recipes_with_papers()
    found = evidence(paper.claim("deep-exact"), paper, recipes, RESULTS)
    for findings in (found.findings, found.findings[::-1]):
        decisive = replace(found, findings=findings).decisive("lslu")
        assert decisive
        assert decisive.profile == "paper"
    assert found.decisive("series") is None


def test_settings_that_are_not_the_recipes_keep_a_verdict_from_standing_bare(bench: Bench) -> None:
    bench("paper", {"relu": (5000, 5010), "lslu": (5150, 5162)})
    edit("recipes/deep_c100.yaml", "epochs: 30", "epochs: 300")
    document: Any = paper_check("deep", results_dir=RESULTS).document
    assert document["claims"][0]["verdicts"] == ["with settings altered: reproduced"]


def test_a_table_stands_beside_what_the_records_hold_for_its_rows(bench: Bench) -> None:
    edit("papers/deep.yaml", "tables: []\n", TABLE)
    bench("lite", {"relu": (5000, 5010), "lslu": (5150, 5162)})
    bench("paper", {"relu": (6000, 6010), "lslu": (6100, 6130)})
    outcome = paper_check("deep", table_id="deep-table", results_dir=RESULTS)
    assert lines(outcome.text).endswith(
        "deep-table: Deep units; CIFAR-100, top1_accuracy\n"
        "\n"
        "model         activation    reported        reproduced          from\n"
        "VanillaNet    lslu          71.25           lslu 61.15 [59.24,  deep_c100, paper,\n"
        "                                            63.06] (n=2)        VanillaNet-5 on\n"
        "                                                                CIFAR-100\n"
        "                                            lslu 51.56 [50.80,  deep_c100, lite, on\n"
        "                                            52.32] (n=2)        stand-in\n"
        "                                                                (VanillaNet-5 x0.125\n"
        "                                                                on CIFAR-100)\n"
        "VanillaNet-5  relu          not read        relu 60.05 [59.41,  deep_c100, paper,\n"
        "                                            60.69] (n=2)        VanillaNet-5 on\n"
        "                                                                CIFAR-100\n"
        "                                            relu 50.05 [49.41,  deep_c100, lite, on\n"
        "                                            50.69] (n=2)        stand-in\n"
        "                                                                (VanillaNet-5 x0.125\n"
        "                                                                on CIFAR-100)\n"
        "VanillaNet-5  gelu          60              -                   -\n"
        "VanillaNet-5  lslu          +1.5 over relu  lslu +1.10 [-0.17,  deep_c100, paper,\n"
        "                                            +2.37] (n=2)        VanillaNet-5 on\n"
        "                                                                CIFAR-100\n"
        "                                            lslu +1.51 [+1.38,  deep_c100, lite, on\n"
        "                                            +1.64] (n=2)        stand-in\n"
        "                                                                (VanillaNet-5 x0.125\n"
        "                                                                on CIFAR-100)"
    )
    document: Any = outcome.document
    assert [len(row["records"]) for row in document["table"]["rows"]] == [2, 2, 0, 2]


@pytest.mark.usefixtures("bench")
def test_a_paper_may_claim_nothing() -> None:
    outcome = paper_check("silent", check=True, results_dir=RESULTS)
    assert outcome.text.endswith("no claims\n\n0 of 0 claims as expected, 0 otherwise")
    with pytest.raises(ActbenchError, match=r"unknown paper 'deeper'\n(.*\n)*  did you mean 'deep'\?"):
        paper_check("deeper", results_dir=RESULTS)
    with pytest.raises(ActbenchError, match="paper 'deep' has no table 'deep-tabel'"):
        paper_check("deep", table_id="deep-tabel", results_dir=RESULTS)


def test_the_program_judges_a_paper(program: Callable[..., "CompletedProcess[str]"]) -> None:
    done = program("compare", "--paper", "lslu", "--check", "--results-dir", str(ROOT / "results"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 of 1 claims as expected, 0 otherwise" in done.stdout
    missing = program("compare", "--paper", "lslu", "--check", "--json")
    assert missing.returncode == 4
    assert missing.stderr == "warning: lslu-cifar100-gain: expected 'not shown', found 'not run'\n"
    assert json.loads(missing.stdout)["claims"][0]["command"] == (
        "actbench train lslu_vanillanet_c100 --profile paper"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "command line: nothing to compare\n  name recipes or record files, or a paper by --paper\n"),
        (
            ["--table", "t"],
            "command line: --table needs --paper\n  name recipes or record files, or a paper by --paper\n",
        ),
        (
            ["--paper", "lslu", "--profile", "lite"],
            "command line: --paper goes with --table, --check, --results-dir and --json alone\n"
            "  all recipes and profiles are told that have something to say about its claims\n",
        ),
    ],
)
def test_mistakes_in_the_command(
    arguments: list[str], message: str, program: Callable[..., "CompletedProcess[str]"]
) -> None:
    done = program("compare", *arguments)
    assert (done.returncode, done.stderr) == (2, message)
