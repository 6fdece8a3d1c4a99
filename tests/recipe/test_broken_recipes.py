"""Recipes and overrides broken by hand: what is said of each, on which line and under which key."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from actbench.errors import RecipeError
from actbench.recipe import nodes
from actbench.recipe.load import load_recipe


class Broken(NamedTuple):
    old: str
    """What is taken out of the sound recipe..."""
    new: str
    """...and what stands there instead."""
    says: str
    line_with: str
    """Text of the line that must be named."""
    key: str | None
    hint: str = ""


CASES = {
    "unknown key": Broken(
        "  lr: 1e-3", "  lr: 1e-3\n  lrr: 1", "unknown key 'lrr'", "lrr", "train.lrr", "'lr'?"
    ),
    "unknown top-level key": Broken("seeds:", "seedz:", "unknown key 'seedz'", "seedz", "seedz", "'seeds'?"),
    "the loader's own key": Broken("seeds:", "limit: 3\nseeds:", "unknown key 'limit'", "limit", "limit"),
    "merge key": Broken("  size: 32", "  <<: {}\n  size: 32", "unknown key '<<'", "<<", "input.<<"),
    "number as key": Broken("  size: 32", "  7: 32", "unknown key '7'", "7: 32", "input.7"),
    "list as key": Broken("  size: 32", "  [a]: 32", "a key must be text, not a list", "[a]", "input"),
    "duplicate key": Broken(
        "  crop: pad", "  size: 48", "duplicate key 'size', first on line 7", "48", "input.size"
    ),
    "duplicate top-level key": Broken(
        "task: classify", "title: B", "duplicate key 'title'", "title: B", "title"
    ),
    "missing key": Broken("  lr: 1e-3\n", "", "missing key 'lr'", "train:", "train.lr"),
    "missing block": Broken("data: {name: digits}\n", "", "missing key 'data'", "name: demo", "data"),
    "missing name": Broken("name: demo\n", "", "missing key 'name'", "title: A demo", "name", "name: demo"),
    "name of another file": Broken(
        "name: demo", "name: other", "the name 'other' is not the file's", "other", "name"
    ),
    "text for a number": Broken("lr: 1e-3", "lr: fast", "expected a number, got fast", "fast", "train.lr"),
    "quoted number": Broken(
        "lr: 1e-3", "lr: '0.1'", "expected a number, got '0.1'", "'0.1'", "train.lr", "quotes"
    ),
    "float for an integer": Broken(
        "depth: 5", "depth: 5.0", "expected an integer, got 5.0", "5.0", "model.depth"
    ),
    "octal": Broken("depth: 5", "depth: 005", "expected an integer, got 005", "005", "model.depth"),
    "nothing for a number": Broken("lr: 1e-3", "lr:", "expected a number, got nothing", "lr:", "train.lr"),
    "list for a number": Broken("lr: 1e-3", "lr: [1]", "expected a number, got a list", "[1]", "train.lr"),
    "mapping for text": Broken(
        "title: A demo", "title: {a: 1}", "expected text, got a mapping", "{a", "title"
    ),
    "null for text": Broken("title: A demo", "title: ~", "expected text, got ~", "~", "title", "quotes"),
    "text for a mapping": Broken("{horizon: 0.1}", "yes", "expected a mapping, got yes", "yes", "train.ema"),
    "text for a list": Broken(
        "task: classify", "baselines: relu", "expected a list, got relu", "rel", "baselines"
    ),
    "yes for true": Broken(
        "  lr: 1e-3", "  lr: 1\n  nesterov: yes", "expected true or false", "yes", "train.nesterov"
    ),
    "NaN": Broken("lr: 1e-3", "lr: .nan", "expected a finite number, got .nan", ".nan", "train.lr"),
    "infinity": Broken("lr: 1e-3", "lr: .inf", "expected a finite number, got .inf", ".inf", "train.lr"),
    "overflow": Broken("lr: 1e-3", "lr: 1e999", "expected a finite number, got 1e999", "1e999", "train.lr"),
    "negative lr": Broken("lr: 1e-3", "lr: -0.1", "must be above 0, got -0.1", "-0.1", "train.lr"),
    "zero epochs": Broken(
        "  epochs: 4", "  epochs: 0", "must be at least 1, got 0", "epochs: 0", "train.epochs"
    ),
    "schedule of lambda over no epochs": Broken(
        "decay_epochs: 4",
        "decay_epochs: 0",
        "must be at least 1, got 0",
        "decay_epochs",
        "model.decay_epochs",
    ),
    "n of zero": Broken("{n: 3}", "{n: 0}", "must be at least 1, got 0", "{n: 0}", "arms[2].options.n"),
    "dropout of one": Broken(
        "dropout: 0.1", "dropout: 1", "must be below 1, got 1", "dropout", "model.dropout"
    ),
    "min_lr above lr": Broken(
        "min_lr: 1e-5", "min_lr: 1", "min_lr 1 is above lr 0.001", "min_lr", "train.min_lr"
    ),
    "parts of a batch": Broken(
        "batch_size: 64", "batch_size: 64\n  accumulation: 7", "no multiple", "batch_size", "train.batch_size"
    ),
    "both kinds of EMA": Broken(
        "{horizon: 0.1}", "{horizon: 0.1, decay: 0.9}", "not both", "ema", "train.ema"
    ),
    "unknown choice": Broken(
        "crop: pad", "crop: pads", "unknown value pads", "pads", "input.crop", "did you mean 'pad'?"
    ),
    "unknown model": Broken(
        "name: vanillanet",
        "name: vanilanet",
        "unknown model 'vanilanet'",
        "vanilanet",
        "model.name",
        "'vanillanet'?",
    ),
    "unknown data": Broken(
        "{name: digits}", "{name: digit}", "unknown data set 'digit'", "digit}", "data.name", "'digits'?"
    ),
    "model without name": Broken(
        "  name: vanillanet\n", "", "missing key 'name'", "model:", "model.name", "resnet"
    ),
    "unknown activation": Broken(
        "activation: swish",
        "activation: swich",
        "unknown activation 'swich'",
        "swich",
        "arms[1].activation",
        "'swish'?",
    ),
    "unknown fill": Broken(
        "activation: lslu",
        "activation: lslu\n  fill: rely",
        "unknown activation 'rely'",
        "rely",
        "arms[2].fill",
        "relu",
    ),
    "options of another activation": Broken(
        "{n: 3}", "{beta: 1}", "unknown key 'beta'", "{beta", "arms[2].options.beta", "known: n, freeze"
    ),
    "options of native": Broken(
        "activation: lslu", "activation: native", "unknown key 'n'", "{n", "arms[2].options.n"
    ),
    "gated activation in a model without blocks for it": Broken(
        "activation: swish",
        "activation: swiglu",
        "'swiglu' is gated, which takes feed-forward blocks that give it gates and values, and the model 'vanillanet' "
        "has none",
        "swiglu",
        "arms[1].activation",
    ),
    "gated activation as fill": Broken(
        "activation: lslu",
        "activation: lslu\n  fill: reglu",
        "'reglu' is gated and fills no sites; take a plain one",
        "reglu",
        "arms[2].fill",
    ),
    "arm twice": Broken("name: swish,", "name: relu,", "the arm 'relu' stands here more", "swish", "arms[1]"),
    "arm without name": Broken(
        "{name: swish, ", "{", "missing key 'name'", "activation: swish", "arms[1].name"
    ),
    "arm of bad name": Broken(
        "name: swish,", "name: 2 x,", "must start with a letter", "2 x", "arms[1].name"
    ),
    "text for an arm": Broken(
        "- {name: swish, activation: swish}", "- swish", "expected a mapping", "- swish", "arms[1]"
    ),
    "lambda of a model without": Broken(
        "model:\n  name: vanillanet\n  depth: 5\n  dropout: 0.1\n  decay_epochs: 4\n",
        "model: {name: resnet, depth: 18}\n",
        "the model 'resnet' has no deep training",
        "deep_lambda",
        "arms[2].train.deep_lambda",
    ),
    "model of unknown depth": Broken(
        "name: vanillanet\n  depth: 5",
        "name: resnet\n  depth: 19",
        "one of 18, 34, 50, got 19",
        "19",
        "model.depth",
    ),
    "best-test with early stopping": Broken(
        "protocol: held-out",
        "protocol: best-test",
        "forbidden under protocol best-test",
        "patience",
        "train.early_stopping",
    ),
    "image too small": Broken("size: 32", "size: 16", "16 pixels are too few", "size: 16", "input.size"),
    "seeds backwards": Broken(
        "0..2", "3..1", "seeds 3..1 run backwards", "3..1", "seeds", "did you mean 1..3?"
    ),
    "no seeds": Broken("0..2", "[]", "may not be empty", "[]", "seeds"),
    "seed twice": Broken("0..2", "0,1,0", "a seed stands here more than once", "0,1,0", "seeds"),
    "negative seed": Broken("0..2", "[0, -1]", "must be at least 0, got -1", "-1", "seeds[1]"),
    "seeds without end": Broken("0..2", "0..999999", "more than 10000", "0..9", "seeds"),
    "words for seeds": Broken("0..2", "some", "expected seeds, got some", "some", "seeds", "write 0..4"),
    "mapping for seeds": Broken("0..2", "{a: 1}", "expected seeds, got a mapping", "{a", "seeds"),
    "missing profile": Broken("  paper: {}\n", "", "missing profile 'paper'", "profiles:", "profiles.paper"),
    "unknown profile": Broken(
        "  lite:", "  light:", "unknown key 'light'", "light", "profiles.light", "'lite'?"
    ),
    "profiles in a list": Broken(
        "  paper: {}\n  lite:\n    train: {epochs: 2}\n  smoke:\n    data: {name: synthetic}\n    seeds: 0\n",
        "- paper\n",
        "expected a mapping of the three",
        "profiles:",
        "profiles",
    ),
    "unknown key in a profile": Broken(
        "seeds: 0\n", "sedes: 0\n", "unknown key 'sedes'", "sedes", "profiles.smoke.sedes", "'seeds'?"
    ),
    "mistake inside a profile": Broken(
        "{name: synthetic}",
        "{name: synthetic, size: 2}",
        "at least 4, got 2",
        "size: 2}",
        "profiles.smoke.data.size",
    ),
    "list for a profile": Broken(
        "paper: {}", "paper: []", "expected a mapping of settings", "[]", "profiles.paper"
    ),
    "dropping an unknown arm": Broken(
        "paper: {}",
        "paper: {drop_arms: [lslv]}",
        "unknown arm 'lslv'",
        "lslv",
        "profiles.paper.drop_arms[0]",
        "'lslu'?",
    ),
    "dropping arms elsewhere": Broken(
        "seeds: 0..2", "drop_arms: [relu]\nseeds: 0..2", "unknown key 'drop_arms'", "drop_arms", "drop_arms"
    ),
    "dropping all arms": Broken(
        "paper: {}",
        "paper: {drop_arms: [relu, swish, lslu]}",
        "may not be empty",
        "arms:",
        "arms",
        "profile paper",
    ),
    "unknown paper": Broken(
        "task:", "paper: lsul\ntask:", "unknown paper 'lsul'", "lsul", "paper", "did you mean 'lslu'?"
    ),
    "unknown table": Broken(
        "task:",
        "paper: lslu\ntable: lslu-table3\ntask:",
        "paper 'lslu' has no table 'lslu-table3'",
        "table:",
        "table",
        "did you mean 'lslu-table3-gain'?",
    ),
    "unknown claim": Broken(
        "task:",
        "paper: lslu\nclaim: lslu-cifar100-gian\ntask:",
        "paper 'lslu' has no claim",
        "claim:",
        "claim",
        "did you mean 'lslu-cifar100-gain'?",
    ),
    "table without a paper": Broken(
        "task:", "table: lslu-table3-gain\ntask:", "a table without a paper", "table:", "table", "ls papers"
    ),
    "claim without a paper": Broken("task:", "claim: x\ntask:", "a claim without a paper", "claim:", "claim"),
    "baseline that is no arm": Broken(
        "seeds: 0..2",
        "baselines: [relu, swich]\nseeds: 0..2",
        "the baseline 'swich' is no arm",
        "swich",
        "baselines[1]",
        "did you mean 'swish'?",
    ),
    "baseline that a profile drops": Broken(
        "lite:\n",
        "lite:\n    drop_arms: [relu]\n    baselines: [relu]\n",
        "the baseline 'relu' is no arm",
        "baselines:",
        "profiles.lite.baselines[0]",
    ),
    "unknown base": Broken("task:", "base: nowhere\ntask:", "cannot find the base", "nowhere", "base"),
    "base at an unknown path": Broken(
        "task:", "base: ../no.yaml\ntask:", "there is no file", "no.yaml", "base"
    ),
    "itself as base": Broken("task:", "base: demo\ntask:", "in a circle: demo -> demo", "base", "base"),
    "list as base": Broken("task:", "base: [demo]\ntask:", "name or path", "base", "base"),
    "variant twice": Broken(
        "profiles:",
        "variants:\n- {name: a, set: [train.lr=1]}\n- {name: a, set: [train.lr=2]}\nprofiles:",
        "the variant 'a' stands here more",
        "lr=2",
        "variants[1]",
    ),
    "variant setting nothing": Broken(
        "profiles:", "variants: [{name: a, set: []}]\nprofiles:", "may not be empty", "set", "variants[0].set"
    ),
    "variant of an unknown key": Broken(
        "profiles:",
        "variants: [{name: a, set: [model.dropot=0]}]\nprofiles:",
        "unknown key 'dropot'",
        "dropot",
        "variants[0].set[0]",
        "'dropout'?",
    ),
    "variant of no form": Broken(
        "profiles:",
        "variants: [{name: a, set: [dropout]}]\nprofiles:",
        "not of the form",
        "set",
        "variants[0].set[0]",
    ),
    "second document": Broken("seeds: 0..2", "---\nseeds: 0..2", "a second YAML document", "---", None),
    "tab": Broken("  size: 32", "\tsize: 32", "not valid YAML", "\t", None, "a tab stands on this line"),
    "open bracket": Broken("{horizon: 0.1}", "{horizon: 0.1", "not valid YAML", "early_stopping", None),
    "open quote": Broken("title: A demo", "title: 'A demo", "not valid YAML", "    seeds: 0", None),
    "tag": Broken(
        "title: A demo", "title: !!python/name:os.system x", "YAML tags are not allowed", "title", "title"
    ),
    "recursive alias": Broken(
        "{horizon: 0.1}", "&e {horizon: *e}", "alias *e contains itself", "ema", "train.ema.horizon"
    ),
    "unknown alias": Broken("lr: 1e-3", "lr: *rate", "alias *rate without an anchor", "*rate", "train.lr"),
    "control character": Broken("A demo", "A\x00demo", "control character U+0000", "demo\n", None),
}


@pytest.fixture(params=["libyaml", "pure Python"])
def _either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """libyaml is not everywhere; what is said must not depend on it."""
    if request.param == "pure Python":
        monkeypatch.setattr(nodes, "EVENT_LOADER", yaml.SafeLoader)


@pytest.mark.usefixtures("_either_parser")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_mistake_is_told_with_line_and_key(
    case: Broken, recipe_text: str, write: Callable[..., Path]
) -> None:
    text = recipe_text.replace(case.old, case.new, 1)
    assert text != recipe_text
    if "lambda" in case.line_with:
        text = text.replace("{n: 3}", "{n: 3}\n  train: {deep_lambda: 1.0}")
    path = write(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    told = [problem for problem in caught.value.problems if case.says in problem.message]
    assert len(told) == 1, str(caught.value)
    source, _, line = (told[0].where or "").rpartition(":")
    assert source == "demo.yaml"
    assert case.line_with.rstrip("\n") in text.splitlines()[int(line) - 1], line
    if case.key is not None:
        assert told[0].key == case.key
    assert case.hint in "\n".join(told[0].hints)
    assert "pydantic" not in str(caught.value)


WHOLE_FILES = {
    "empty": (b"", "demo.yaml:1: the file is empty"),
    "comments only": (b"# nothing\n", "demo.yaml:1: the file is empty"),
    "a list": (
        b"\n- a\n- b\n",
        "demo.yaml:2: a recipe is a mapping of keys to values; this file holds a list",
    ),
    "a word": (
        b"demo\n",
        "demo.yaml:1: a recipe is a mapping of keys to values; this file holds a single value",
    ),
    "not UTF-8": (b"name: demo\ntitle: caf\xe9\n", "demo.yaml:2: not UTF-8 text"),
    "UTF-16": ("name: demo\n".encode("utf-16"), "demo.yaml:1: not UTF-8 text"),
    "nested too deep": (b"name: " + b"[" * 100_000, "demo.yaml:1: nested deeper than 24 levels"),
    "alias bomb": (
        b"a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 9)) for name in b"bcdefghi"
        ),
        "demo.yaml:5: more than 50000 values, aliases counted out",
    ),
}


@pytest.mark.usefixtures("_either_parser")
@pytest.mark.parametrize(("content", "says"), WHOLE_FILES.values(), ids=WHOLE_FILES.keys())
def test_file_that_is_no_recipe(content: bytes, says: str, write: Callable[..., Path]) -> None:
    path = write(content)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(says)


OVERRIDES = {
    "train.lrr=1": ("unknown key 'lrr'", "train.lrr", "did you mean 'lr'?"),
    "trane.lr=1": ("'trane' is no key of a recipe", "trane.lr", "did you mean 'train'?"),
    "train.lr=fast": ("expected a number, got fast", "train.lr", ""),
    "train.lr=": ("expected a number, got nothing", "train.lr", ""),
    "train.lr=-1": ("must be above 0, got -1", "train.lr", ""),
    "train.lr=nan": ("expected a finite number, got nan", "train.lr", ""),
    "train.lr.x=1": ("expected a number, got a mapping", "train.lr.x", ""),
    "train.milestones=[0.5": ("not valid YAML", "train.milestones", ""),
    "train.milestones=[0.5, 2]": ("must be at most 1, got 2", "train.milestones", ""),
    "model.name=resnt": ("unknown model 'resnt'", "model.name", "did you mean 'resnet'?"),
    "data.name=digit": ("unknown data set 'digit'", "data.name", "did you mean 'digits'?"),
    "arms.lslv.options.n=5": ("unknown arm 'lslv'", "arms.lslv.options.n", "did you mean 'lslu'?"),
    "arms.lslu.options.m=5": ("unknown key 'm'", "arms.lslu.options.m", "known: n, freeze"),
    "arms.lslu.options.n=99": ("must be at most 15, got 99", "arms.lslu.options.n", ""),
    "arms=[]": ("an empty list takes no arm away", "arms", "--arm"),
    "paper=lsul": ("unknown paper 'lsul'", "paper", "did you mean 'lslu'?"),
    "baselines=[lsul]": ("the baseline 'lsul' is no arm", "baselines", "did you mean 'lslu'?"),
    "arms.lslu.name=x": ("an arm's name cannot be overridden", "arms.lslu.name", ""),
    "arms.lslu=relu": ("say which setting of the arm", "arms.lslu", "arms.lslu.activation=gelu"),
    "arms.lslu.activation=rely": (
        "unknown activation 'rely'",
        "arms.lslu.activation",
        "did you mean 'relu'?",
    ),
    "seeds=3..1": ("seeds 3..1 run backwards", "seeds", "did you mean 1..3?"),
    "name=other": ("'name' cannot be overridden", "name", "actbench cp"),
    "profile=paper": ("'profile' cannot be overridden", "profile", "--profile"),
    "limit=3": ("'limit' cannot be overridden", "limit", "--limit"),
    "base=x": ("'base' cannot be overridden", "base", "file"),
    "profiles.lite.seeds=1": ("'profiles' cannot be overridden", "profiles.lite.seeds", "train.epochs=1"),
    "no override": ("'no override' is not of the form key.sub=value", None, "train.lr=0.1"),
}


@pytest.mark.parametrize(
    ("override", "says", "key", "hint"),
    [(text, *case) for text, case in OVERRIDES.items()],
    ids=OVERRIDES.keys(),
)
def test_mistake_on_the_command_line(
    override: str, says: str, key: str | None, hint: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(), overrides=[override])
    (told,) = caught.value.problems
    assert told.where == "command line"
    assert says in told.message
    assert told.key == key
    assert hint in "\n".join(told.hints)


def test_all_mistakes_are_told_at_once_in_order_of_lines(
    recipe_text: str, write: Callable[..., Path]
) -> None:
    text = (
        recipe_text.replace("lr: 1e-3", "lr: fast")
        .replace("depth: 5", "depth: 99")
        .replace("{n: 3}", "{m: 3}")
    )
    text = text.replace("seeds: 0\n", "seeds: none\n").replace("crop: pad", "crop: pads")
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(text), overrides=["train.epochs=0"])
    keys = [problem.key for problem in caught.value.problems]
    assert keys == [
        "input.crop", "model.depth", "arms[2].options.m", "train.lr", "profiles.smoke.seeds", "train.epochs",
    ]  # fmt: skip
