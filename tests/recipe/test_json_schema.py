"""The JSON Schema: sound in structure, complete, and in agreement with the loader on the shipped recipes."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.recipe.find import packaged_recipes
from actbench.recipe.json_schema import recipe_schema
from actbench.recipe.schema import PROFILES, Recipe

SCHEMA = recipe_schema()


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether the value fits, by the keywords that the schema uses; an unknown keyword is a failure."""
    return all(_fits_keyword(value, keyword, rule, schema) for keyword, rule in schema.items())


def _fits_keyword(value: Any, keyword: str, rule: Any, schema: dict[str, Any]) -> bool:
    match keyword:
        case "$schema" | "$defs" | "title" | "description" | "default" | "then":
            return True
        case "$ref":
            return fits(value, SCHEMA["$defs"][rule.removeprefix("#/$defs/")])
        case "type":
            return any(_TYPES[name](value) for name in ([rule] if isinstance(rule, str) else rule))
        case "const":
            return bool(value == rule)
        case "enum":
            return value in rule
        case "anyOf":
            return any(fits(value, option) for option in rule)
        case "oneOf":
            return sum(fits(value, option) for option in rule) == 1
        case "allOf":
            return all(fits(value, option) for option in rule)
        case "not":
            return not fits(value, rule)
        case "if":
            return not fits(value, rule) or fits(value, schema["then"])
        case "properties":
            given = value if isinstance(value, dict) else {}
            return all(fits(given[key], part) for key, part in rule.items() if key in given)
        case "required":
            return not isinstance(value, dict) or set(rule) <= set(value)
        case "additionalProperties":
            assert rule is False
            known = set(schema.get("properties", ()))
            patterns = schema.get("patternProperties", ())
            others = set(value) - known if isinstance(value, dict) else set()
            return all(any(re.search(pattern, key) for pattern in patterns) for key in others)
        case "patternProperties":
            given = value if isinstance(value, dict) else {}
            return all(
                fits(given[key], part)
                for pattern, part in rule.items()
                for key in given
                if re.search(pattern, key)
            )
        case "minProperties":
            return not isinstance(value, dict) or len(value) >= rule
        case "items":
            return not isinstance(value, list) or all(fits(item, rule) for item in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= rule
        case "minLength" | "maxLength" | "pattern" if not isinstance(value, str):
            return True
        case "minLength":
            return bool(len(value) >= rule)
        case "maxLength":
            return bool(len(value) <= rule)
        case "pattern":
            return re.search(rule, value) is not None
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            if not _TYPES["number"](value):
                return True
            bounds = {
                "minimum": value >= rule, "maximum": value <= rule,
                "exclusiveMinimum": value > rule, "exclusiveMaximum": value < rule,
            }  # fmt: skip
            return bool(bounds[keyword])
        case "multipleOf":
            return not _TYPES["number"](value) or value % rule == 0
    raise AssertionError(f"the schema uses {keyword}, which this test does not know")


class _Loader(yaml.SafeLoader):
    """YAML as an editor reads it (1.2): 1e-3 is a number, no is text."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("(null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def test_it_is_plain_json_and_names_its_draft() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_resolves_and_every_definition_is_used() -> None:
    references = {node["$ref"] for node in nodes(SCHEMA) if isinstance(node.get("$ref"), str)}
    assert references
    assert references <= {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


def test_every_field_of_a_recipe_is_there_and_no_other() -> None:
    fields = {key for key in Recipe.model_fields if key not in ("profile", "variant", "limit", "part")}
    assert set(SCHEMA["properties"]) == fields | {"base", "variants", "profiles"}
    assert set(SCHEMA["properties"]["profiles"]["properties"]) == set(PROFILES)


def test_no_object_takes_unknown_keys() -> None:
    blocks = [node for node in [SCHEMA, *SCHEMA["$defs"].values()] if "properties" in node]
    assert len(blocks) > 20
    assert all(block["additionalProperties"] is False for block in blocks)


@pytest.mark.parametrize("name", packaged_recipes())
def test_shipped_recipes_fit(name: str) -> None:
    recipe = yaml.load(packaged_recipes()[name].read_text(), Loader=_Loader)
    assert fits(recipe, SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  lr: 1e-3", "  lrr: 1e-3"),
        ("lr: 1e-3", "lr: -1"),
        ("seeds: 0..2", "seeds: 0-2"),
        ("{n: 3}", "{n: 0}"),
        ("{n: 3}", "{beta: 1}"),
        ("activation: swish", "activation: swich"),
        ("depth: 5", "depth: 4"),
        ("name: vanillanet", "name: vanila"),
        ("  paper: {}\n", ""),
        ("  paper: {}\n", "  paper: {sedes: 1}\n"),
        ("  paper: {}\n", "  paper: {model: {deph: 5}}\n"),
        ("data: {name: digits}\n", ""),
        ("title:", "profile: lite\ntitle:"),
    ],
)
def test_broken_recipes_do_not_fit(old: str, new: str, recipe_text: str) -> None:
    assert fits(yaml.load(recipe_text, Loader=_Loader), SCHEMA)
    broken = recipe_text.replace(old, new, 1)
    assert broken != recipe_text
    assert not fits(yaml.load(broken, Loader=_Loader), SCHEMA)


@pytest.mark.parametrize("seeds", ["3", "'0..4'", "'0,1,2'", "[0, 1]"])
def test_forms_of_seeds_fit(seeds: str, recipe_text: str) -> None:
    text = recipe_text.replace("seeds: 0..2", f"seeds: {seeds}")
    assert fits(yaml.load(text, Loader=_Loader), SCHEMA)


@pytest.mark.parametrize(
    ("tune", "is_fitting"),
    [
        ("{space: {train.lr: [0.01, 0.1], arms.lslu.options.n: [3, 5]}, seeds: 7..8, epochs: 0.5}", True),
        ("{space: {train.momentum: [0.9, 0.95]}}", False),
        ("{space: {train.lr: [0.1]}}", False),
        ("{space: {}}", False),
        ("{space: {train.lr: [0.01, 0.1]}, edges: flag}", False),
    ],
)
def test_blocks_of_tuning(tune: str, is_fitting: bool, recipe_text: str) -> None:
    assert fits(yaml.load(f"{recipe_text}tune: {tune}\n", Loader=_Loader), SCHEMA) == is_fitting


def test_each_activation_has_its_options() -> None:
    rules = SCHEMA["$defs"]["Arm"]["allOf"]
    by_key = {key: [r for r in rules if r["if"]["required"] == [key]] for key in ("activation", "fill")}
    for key, own in by_key.items():
        assert [rule["if"]["properties"][key]["const"] for rule in own] == list(ACTIVATIONS)
