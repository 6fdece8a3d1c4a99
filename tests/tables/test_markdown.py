from actbench.tables.markdown import blocks, marked_names, replace_block
from actbench.tables.table import Cell, Column, Note, Row, Table

END = "<!-- /actbench -->"


def table(name: str, arm: str = "relu") -> Table:
    return Table(
        name=name,
        label=name,
        title=name,
        caption="A caption",
        columns=(Column(key="top1", lines=("top-1 %",)),),
        rows=(Row(arm=arm, mark="", cells=(Cell(("50.00",)),)),),
        notes=(Note(mark="", text="A note."),),
        facts={},
    )


def test_tables_of_one_recipe_share_a_block_in_the_order_of_their_first() -> None:
    made = blocks([table("b"), table("a"), table("b")])
    assert list(made) == ["b", "a"]
    assert made["b"].count("| top-1 % |") == 2
    assert made["a"].startswith("<!-- actbench: a -->\n")
    assert made["a"].endswith(END)


def test_a_block_replaces_only_what_stands_between_its_own_markers() -> None:
    page = f"before\n<!-- actbench: a -->\nold\n{END}\nbetween\n<!-- actbench: b -->\nkept\n{END}\nafter\n"
    block = f"<!-- actbench: a -->\nnew\n{END}"
    assert replace_block(page, "a", block) == page.replace("old", "new")
    assert replace_block(page.replace("old", "new"), "a", block) == page.replace("old", "new")
    assert marked_names(page) == ["a", "b"]


def test_a_block_without_its_own_end_is_no_place() -> None:
    assert replace_block("text", "a", "block") is None
    assert replace_block("<!-- actbench: a -->", "a", "block") is None
    assert replace_block(f"<!-- actbench: a -->\n<!-- actbench: b -->\n{END}", "a", "block") is None
    assert replace_block(f"<!-- actbench: ab -->\n{END}", "a", "block") is None
    assert replace_block(f"<!-- actbench: a -->\n<!-- actbench: a appendix -->\n{END}", "a", "block") is None


def test_markdowns_own_characters_are_escaped_and_names_left_alone() -> None:
    text = blocks([table("x", arm="lslu_parallel|*_a_* [l](u) <b>")])["x"]
    assert r"| lslu_parallel\|\*\_a\_\* [l\](u) \<b\> | 50.00 |" in text
