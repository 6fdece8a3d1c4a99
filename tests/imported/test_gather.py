"""A file of results becomes runs; every mistake in it gets its line, its column, and words."""

import random

import pytest

from actbench.errors import ImportedFileError
from actbench.imported.gather import Gathered, gather
from actbench.imported.runs import ImportedRun

RUNS = """\
arm,seed,accuracy,status,step_time_s,parameters,activation_parameters,wall_time_s
relu,0,72.4,,0.010,1000,0,60
relu,1,71.9,completed,0.012,1000,0,61
swish,0,nan,,,,,
swish,1,-inf,diverged,,,,
swish,2,12.0,diverged,,,,
mine,0,,,,,,
mine,1,,failed,,,,
mine,2,73,,,,,
"""


def read(text: str, **options: object) -> Gathered:
    return gather(text.encode(), "runs.csv", **options)  # type: ignore[arg-type]


def problems(text: str, **options: object) -> list[str]:
    with pytest.raises(ImportedFileError) as caught:
        read(text, **options)
    return str(caught.value).split("\n")


def test_runs_by_arm_and_seed() -> None:
    found = read(RUNS)
    assert found.unit == "percent"
    assert found.metrics == ("top1_accuracy",)
    assert [(run.arm, run.seed, run.status, run.values, run.lines) for run in found.runs] == [
        ("mine", 0, "missing", {}, (7,)),
        ("mine", 1, "failed", {}, (8,)),
        ("mine", 2, "completed", {"top1_accuracy": 0.73}, (9,)),
        ("relu", 0, "completed", {"top1_accuracy": 0.724}, (2,)),  # 72.4 / 100 is not 0.724
        ("relu", 1, "completed", {"top1_accuracy": 0.719}, (3,)),
        ("swish", 0, "diverged", {}, (4,)),
        ("swish", 1, "diverged", {}, (5,)),
        ("swish", 2, "diverged", {"top1_accuracy": 0.12}, (6,)),
    ]
    relu = found.runs[3]
    assert (relu.step_time_s, relu.parameters, relu.activation_parameters, relu.wall_time_s) == (
        0.01, 1000, 0, 60,
    )  # fmt: skip


def test_what_was_taken_for_what_is_said() -> None:
    assert read("Method,seed,Top-1,gpu,\nrelu,0,50,a,b\nrelu,1,0.5,a,b\nrelu,2,51,a,b\n").notices == (
        "column Top-1 is taken for top1_accuracy",
        "column Method is taken for the arm's name",
        "columns not looked at: gpu, column 5",
        "runs.csv: top1_accuracy is at most 1 and taken as percent in line 3",
    )
    assert read(RUNS).notices == (
        "column accuracy is taken for top1_accuracy",
        "runs.csv: values of runs that diverged or failed count for nothing (line 6)",
    )


def test_the_order_of_lines_decides_nothing() -> None:
    head, *lines = RUNS.splitlines()
    expected = [run.model_copy(update={"lines": ()}) for run in read(RUNS).runs]
    for seed in range(10):
        shuffled = random.Random(seed).sample(lines, len(lines))
        runs = read("\n".join([head, *shuffled])).runs
        assert [run.model_copy(update={"lines": ()}) for run in runs] == expected


def one_metric(runs: tuple[ImportedRun, ...]) -> list[tuple[str, int, str, dict[str, float]]]:
    return [(run.arm, run.seed, run.status, run.values) for run in runs]


def test_long_form_says_the_same_as_wide() -> None:
    wide = read("arm,seed,top1_accuracy,mask_ap\nrelu,0,50,40\nrelu,1,nan,\nmine,0,51,\n")
    long = read(
        "arm,seed,metric,value,status\nrelu,0,mask_ap,40,\nrelu,1,acc,nan,\nmine,0,Top-1 Accuracy,51,completed\n"
        "relu,0,top1,50,\n"
    )
    assert one_metric(long.runs) == one_metric(wide.runs)
    assert long.metrics == wide.metrics == ("top1_accuracy", "mask_ap")
    assert [run.lines for run in long.runs] == [(4,), (2, 5), (3,)]


def test_a_decimal_comma_is_read_where_commas_do_not_separate() -> None:
    assert read("arm;seed;acc\nrelu;0;72,4\n").runs[0].values == {"top1_accuracy": 0.724}
    assert problems('arm,seed,acc\nrelu,0,"72,4"\n')[0] == "runs.csv:2: '72,4' is no number (column acc)"


def test_a_metric_of_ones_own() -> None:
    found = read("arm,seed,F1 score\nrelu,0,0.5\n", unit="fraction", own=["F1 score"])
    assert (found.metrics, found.runs[0].values) == (("f1_score",), {"f1_score": 0.5})
    long = read("arm,seed,metric,value\nrelu,0,f1-score,0.5\n", unit="fraction", own=["F1 score"])
    assert long.runs[0].values == {"f1_score": 0.5}


def test_all_values_up_to_one_need_a_unit() -> None:
    text = "arm,seed,acc\nrelu,0,0.5\nmine,0,1\n"
    assert problems(text) == [
        "runs.csv: no top1_accuracy is above 1: are these fractions, or percent?",
        "  say which: --unit fraction or --unit percent",
    ]
    assert read(text, unit="fraction").runs[1].values == {"top1_accuracy": 0.5}
    assert read(text, unit="percent").runs[1].values == {"top1_accuracy": 0.005}


def test_all_mistakes_at_once_in_order_of_lines() -> None:
    text = """\
arm,seed,acc,status,step_time_s,parameters
relu,0,50,,,100
relu,0,51,,,100
Relu,1,50,,,
,x,1e999,ok,0,1.5
swish,-1,70%,,fast,1e6
mine,3.0,101,,,
mine,4,,completed,,
mine,5,nan,completed,,
relu,6,50,,,200
mine,7,50
two\tarms,1.5,NA,,,
"""
    assert problems(text) == [
        "runs.csv:3: arm relu seed 0 has its top1_accuracy in line 2 already",
        "runs.csv:4: arm 'Relu' is 'relu' in line 2: spell it one way",
        "runs.csv:5: no arm's name (column arm)",
        "runs.csv:5: 'x' is no seed: a whole number from 0 (column seed)",
        "runs.csv:5: '1e999' is beyond what a number can be (column acc)",
        "runs.csv:5: unknown status 'ok' (column status)",
        "  known: completed, diverged, failed",
        "runs.csv:5: '0': a time must be above 0 (column step_time_s)",
        "runs.csv:5: '1.5' is no count: a whole number in digits alone (column parameters)",
        "runs.csv:6: '-1' is no seed: a whole number from 0 (column seed)",
        "runs.csv:6: '70%' is no number (column acc)",
        "  write it without the sign, and give --unit percent",
        "runs.csv:6: 'fast' is no number (column step_time_s)",
        "  an empty field is a missing value, nan one of a diverged run",
        "runs.csv:6: '1e6' is no count: a whole number in digits alone (column parameters)",
        "runs.csv:7: 101 cannot be: in percent values are from 0 to 100 (top1_accuracy)",
        "runs.csv:8: status completed, but no value (column status)",
        "runs.csv:9: status completed, but a value that is not finite (column status)",
        "runs.csv:10: arm relu has 200 parameters here and 100 in line 2 (column parameters)",
        "runs.csv:11: 3 fields, where the first line names 6 columns",
        "  a field that holds the separator is put in double quotes",
        r"runs.csv:12: 'two\tarms' is no arm's name: 1 to 64 printable characters (column arm)",
        "runs.csv:12: '1.5' is no seed: a whole number from 0 (column seed)",
        "runs.csv:12: 'NA' is no number (column acc)",
        "  an empty field is a missing value, nan one of a diverged run",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("arm,seed,acc\n", ["runs.csv: no runs: the file has its first line alone"]),
        ("arm,seed,acc\nrelu,0,\n", ["runs.csv: no run has a value"]),
        (
            "a,b\n1,2\n",
            [
                "runs.csv: no column arm (or activation, or method)",
                "runs.csv: no column seed",
                "runs.csv: no column of a metric (top1_accuracy, box_ap, mask_ap, or accuracy, acc, top1, ap, map; "
                "another one: --metric COLUMN), nor metric and value",
                "  its columns: a, b",
            ],
        ),
        ("arm,method,seed,acc\na,b,0,1\n", ["runs.csv: two columns name the arm: arm and method"]),
        ("arm,seed,acc,top1\na,0,1,2\n", ["runs.csv: two columns hold top1_accuracy: acc and top1"]),
        (
            "arm,seed,metric,value,acc\na,0,acc,2,2\n",
            ["runs.csv: values in two forms: in columns metric and value, and in acc"],
        ),
        ("arm,seed,metric,value\na,0,,2\n", ["runs.csv:2: no metric (column metric)"]),
        (
            "arm,seed,metric,value\na,0,mask_app,2\n",
            [
                "runs.csv:2: unknown metric 'mask_app' (column metric)",
                "  known: top1_accuracy, box_ap, mask_ap",
                "  did you mean 'mask_ap'?",
                "  another one in percent, more being better: --metric mask_app",
            ],
        ),
        (
            "arm,seed,metric,value,status\na,0,acc,2,failed\na,0,ap,2,completed\n",
            ["runs.csv:3: arm a seed 0 has status completed here and failed in line 2 (column status)"],
        ),
        (
            "arm,seed,metric,value\na,0,acc,2\na,0,top1,3\n",
            ["runs.csv:3: arm a seed 0 has its top1_accuracy in line 2 already"],
        ),
        ("arm,seed,acc\na,99999999999999999999,2\n", ["runs.csv:2: '99999999999999999999' is no seed"]),
        ("arm,seed,acc\na,,2\n", ["runs.csv:2: no seed (column seed)"]),
        ("arm,seed,acc\na,0,-1\n", ["runs.csv:2: -1 cannot be: in percent values are from 0 to 100"]),
    ],
)
def test_what_cannot_be_taken_is_refused_in_words(text: str, words: list[str]) -> None:
    told = problems(text)
    for shown, expected in zip(told, words, strict=False):
        assert shown.startswith(expected)
    assert len(told) >= len(words)


def test_fractions_end_at_one() -> None:
    told = problems("arm,seed,acc\na,0,1.5\na,1,0.5\n", unit="fraction")
    assert told == ["runs.csv:2: 1.5 cannot be: in fraction values are from 0 to 1 (top1_accuracy)"]


def test_a_metric_that_is_no_column() -> None:
    assert problems("arm,seed,acc\na,0,2\n", own=["f1"])[0] == "runs.csv: no column f1 (--metric)"
