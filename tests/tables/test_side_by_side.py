"""Several groups as papers print them: heads, arms that a group lacks, notes told once."""

from collections.abc import Callable

import pytest

from actbench.comparison import Group
from actbench.recipe.schema import Recipe
from actbench.record import RunRecord
from actbench.stats import DEFAULT_METHOD, METHOD_NAMES
from actbench.tables import csv, json, markdown, terminal
from actbench.tables.build import build_table, build_tables
from actbench.tables.columns import DEFAULT, PAPER
from actbench.tables.side_by_side import side_by_side
from actbench.tables.table import Table
from tests.tables.comparisons import MakeComparison, comparison_of

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., RunRecord]


@pytest.fixture
def groups_of(make_recipe: MakeRecipe, make_run: MakeRun) -> Callable[..., tuple[Group, ...]]:
    """A group for each set of a recipe's fields, all with the same runs."""

    def make(*settings: dict[str, object]) -> tuple[Group, ...]:
        recipes = [make_recipe(**{"seeds": [0, 1], **fields}) for fields in settings]
        sets = [
            (
                recipe,
                [
                    make_run(recipe, arm.name, seed, 5000 + seed)
                    for arm in recipe.arms
                    for seed in recipe.seeds
                ],
            )
            for recipe in recipes
        ]
        return comparison_of(*sets).groups

    return make


def unmarked(table: Table) -> list[str]:
    return [note.text for note in table.notes if not note.mark]


def test_cells_are_those_of_the_groups_own_tables(golden: MakeComparison) -> None:
    groups = golden(0).groups
    joined = side_by_side(groups, DEFAULT)
    for place, group in enumerate(groups):
        first = sum(head.span for head in joined.heads[:place])
        own = build_table(group, DEFAULT)
        assert joined.columns[first : first + len(own.columns)] == own.columns
        rows = {row.arm: row.cells for row in own.rows}
        for row in joined.rows:
            cells = row.cells[first : first + len(own.columns)]
            if row.arm in rows:
                assert cells == rows[row.arm]
            else:
                assert {cell.text for cell in cells} == {"-"}
    assert sum(head.span for head in joined.heads) == len(joined.columns)


def test_programs_get_the_groups_one_below_the_other(golden: MakeComparison) -> None:
    groups = golden(0).groups
    joined = side_by_side(groups)
    parts = build_tables(golden(0), lambda _name: PAPER)
    assert csv.render([joined]) == csv.render(parts)
    (document,) = json.document([joined])["tables"]
    assert document["parts"] == json.document(parts)["tables"]


def test_heads_tell_apart_what_shares_a_network_and_a_data_set(
    groups_of: Callable[..., tuple[Group, ...]],
) -> None:
    alike = side_by_side(
        groups_of({"name": "one"}, {"name": "two", "profile": "paper"}, {"data": {"name": "cifar10"}})
    )
    heads = [head.lines[2:] for head in alike.heads]
    assert heads == [("one", "profile lite"), ("two", "profile paper"), ()]
    variants = side_by_side(groups_of({"variant": "a"}, {"variant": "b"}))
    assert [head.lines[2:] for head in variants.heads] == [("a",), ("b",)]


def test_what_all_groups_share_is_said_once(groups_of: Callable[..., tuple[Group, ...]]) -> None:
    table = side_by_side(groups_of({}, {"data": {"name": "cifar10"}}))
    assert table.caption == (
        "Top-1 test accuracy in percent by network and data set; profile lite, 30 epochs, seeds 0, 1."
    )
    said = unmarked(table)
    assert said[0].startswith("±: 95 % Student-t intervals over seeds, each by itself")
    assert [text.split(":")[0] for text in said[1:]] == [
        "VanillaNet-5 x0.125, CIFAR-100",
        "VanillaNet-5 x0.125, CIFAR-10",
    ]
    assert not any("profile" in text for text in said)


def test_unlike_metrics_and_protocols_are_said_in_heads_and_notes(
    groups_of: Callable[..., tuple[Group, ...]],
) -> None:
    table = side_by_side(groups_of({}, {"name": "other", "evaluation": {"protocol": "best-test"}}))
    assert any("best-test protocol" in text for text in unmarked(table))
    assert "by network and data set." in table.caption
    assert "other: profile lite, best-test protocol, 30 epochs" in terminal.render([table]).replace(
        "\n  ", " "
    )


def test_an_arm_that_differs_between_groups_has_one_note_with_both(
    groups_of: Callable[..., tuple[Group, ...]],
) -> None:
    plain = [{"name": "relu", "activation": "relu"}, {"name": "lslu", "activation": "lslu"}]
    wide = [
        {"name": "relu", "activation": "relu"},
        {"name": "lslu", "activation": "lslu", "options": {"n": 5}},
    ]
    table = side_by_side(groups_of({"arms": plain}, {"arms": wide, "data": {"name": "cifar10"}}))
    assert [row.mark for row in table.rows] == ["", "1"]
    assert table.notes[0].text == (
        "lslu: as its name says (VanillaNet-5 x0.125, CIFAR-100); n = 5 (VanillaNet-5 x0.125, CIFAR-10)."
    )
    same = side_by_side(groups_of({"arms": wide}, {"arms": wide, "data": {"name": "cifar10"}}))
    assert same.notes[0].text == "lslu: n = 5."


def test_a_star_names_the_family_of_each_column(golden: MakeComparison) -> None:
    groups = golden(0).groups
    table = side_by_side(groups)
    (star,) = (note.text for note in table.notes if note.mark == "*")
    families = f"{groups[0].family} and {groups[1].family}"
    assert f"over all tests of a column ({families}; {METHOD_NAMES[DEFAULT_METHOD]})" in star
    assert star.startswith("unlike relu")


def test_markdown_joins_heads_and_columns(golden: MakeComparison) -> None:
    text = markdown.render([side_by_side(golden(0).groups)])
    assert text.startswith("<!-- actbench: lslu_c100+close_c10+awkward_name -->\n")
    assert (
        "| arm | VanillaNet-5 x0.125, CIFAR-100: top-1 % ± 95 % t | ResNet-8, CIFAR-10: top-1 % ± 95 % t |"
        in text
    )
