"""The JSON Schema of a recipe's file, for editors: `actbench show --schema`.

A file is a `Recipe` without what the loader fixes (profile, variant, limit) and with `base`, `variants` and
`profiles`. A profile, and the body of a recipe with a base, may leave anything out: each type stands twice
among the definitions, once whole and once as a `...Part` of which nothing is required.
"""

from typing import Any

from actbench.activations.catalog import ENTRIES as ACTIVATIONS
from actbench.recipe.overrides import BODY_KEYS
from actbench.recipe.schema import PROFILES, Recipe, Variant

_PART = "Part"
_REFERENCE = "#/$defs/"
_NOT_WRITTEN = ("plugins", "stands_for", "donors", "spare")
Schema = dict[str, Any]


def recipe_schema() -> Schema:
    """The schema in draft 2020-12."""
    whole = _without_titles(Recipe.model_json_schema(ref_template=_REFERENCE + "{model}"))
    definitions: Schema = whole["$defs"]
    for entry in ACTIVATIONS.values():
        definitions[entry.options.__name__] = _without_titles(entry.options.model_json_schema())
    definitions["Variant"] = _without_titles(Variant.model_json_schema())
    definitions["Arm"] = _with_options(definitions["Arm"])
    definitions["TuneSettings"] = _with_tuned_keys(definitions["TuneSettings"])
    for name in ("Options", "PluginSource", "Donor", "Spare", "UntypedOptions"):
        definitions.pop(name, None)
    body: Schema = {key: whole["properties"][key] for key in BODY_KEYS}
    body["seeds"] = _seeds(body["seeds"])
    required = [key for key in whole["required"] if key in BODY_KEYS]
    parts = {name + _PART: _part(schema) for name, schema in definitions.items() if name != "Variant"}
    variants: Schema = {"type": "array", "items": {"$ref": f"{_REFERENCE}Variant"}}
    partial_body = {key: _part(schema) for key, schema in body.items()}
    profile = {key: schema for key, schema in partial_body.items() if key != "name"}
    profile |= {"variants": variants, "drop_arms": {"type": "array", "items": {"type": "string"}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "actbench recipe",
        "type": "object",
        "properties": {
            **partial_body,
            "base": {"type": "string", "minLength": 1},
            "variants": variants,
            "profiles": {
                "type": "object",
                "properties": {name: {"$ref": f"{_REFERENCE}Profile"} for name in PROFILES},
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
        "required": ["name"],
        # What a recipe leaves out, its base may hold; without a base the body must be whole.
        "if": {"not": {"required": ["base"]}},
        "then": {
            "properties": {**body, "profiles": {"required": list(PROFILES)}},
            "required": [*required, "profiles"],
        },
        "$defs": {
            **definitions,
            **parts,
            "Profile": {"type": ["object", "null"], "properties": profile, "additionalProperties": False},
        },
    }


def _without_titles(schema: Schema) -> Schema:
    """The schema without pydantic's titles, which only repeat field names, and OpenAPI's discriminator."""

    def cleaned(node: Any, *, names: bool) -> Any:
        if isinstance(node, list):
            return [cleaned(item, names=False) for item in node]
        if not isinstance(node, dict):
            return node
        # The keys below `properties` and `$defs` are names, among which a field called title is none of ours.
        return {
            key: cleaned(value, names=key in ("properties", "$defs") and not names)
            for key, value in node.items()
            if names or key not in ("title", "discriminator")
        }

    result = cleaned(schema, names=False)
    assert isinstance(result, dict)
    return result


def _with_options(arm: Schema) -> Schema:
    """The arm's schema with its options typed by its activations."""
    rules = [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {"properties": {options: {"$ref": _REFERENCE + entry.options.__name__}}},
        }
        for name, entry in ACTIVATIONS.items()
        for key, options in (("activation", "options"), ("fill", "fill_options"))
    ]
    known: Schema = {"type": "string", "enum": [*ACTIVATIONS, "native"]}
    properties = {
        **{key: value for key, value in arm["properties"].items() if key not in _NOT_WRITTEN},
        "activation": known,
        "fill": {**known, "default": "relu"},
        "options": {"type": "object"},
        "fill_options": {"type": "object"},
    }
    return {**arm, "properties": properties, "allOf": rules}


def _with_tuned_keys(tune: Schema) -> Schema:
    """The schema of a block `tune` with the keys that its space may have, as far as a pattern tells them."""
    properties = tune["properties"]
    keys = r"^(train\.(lr|weight_decay)|arms\..+\.(train\.lr_factor|options\.\w+))$"
    space = {
        "type": "object",
        "patternProperties": {keys: {**properties["space"]["additionalProperties"], "minItems": 2}},
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {**tune, "properties": {**properties, "space": space, "seeds": _seeds(properties["seeds"])}}


def _seeds(listed: Schema) -> Schema:
    text = {"type": "string", "pattern": r"^\s*\d+\s*(\.\.\s*\d+\s*|(,\s*\d+\s*)*)$"}
    plain = {key: value for key, value in listed.items() if key != "default"}
    return {"anyOf": [plain, plain["items"], text], "default": listed["default"]}


def _part(node: Any) -> Any:
    """The schema with nothing required (but an arm's name), its references to parts too."""
    if isinstance(node, list):
        return [_part(item) for item in node]
    if not isinstance(node, dict):
        return node
    part = {key: _part(value) for key, value in node.items() if key not in ("required", "default")}
    if "$ref" in node:
        part["$ref"] = node["$ref"] + _PART
    if "if" in node:
        part["if"] = node["if"]
    if "oneOf" in part:  # without its required name a block can fit several
        part["anyOf"] = part.pop("oneOf")
    if "allOf" in node:
        part["required"] = ["name"]
    return part
