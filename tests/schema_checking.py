"""Values against the part of JSON Schema that our schemas use."""

from __future__ import annotations

from typing import Any

_TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
}  # fmt: skip
_KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "type", "enum", "const", "anyOf"),
    *("properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
    *("minimum", "maximum"),
}


def violations(schema: dict[str, Any], value: Any, root: dict | None = None, at: str = "") -> list:
    """What is wrong with a value, each with its place; empty where it fits."""
    root = schema if root is None else root
    assert set(schema) <= _KNOWN, f"the checker does not know {set(schema) - _KNOWN}"
    if "$ref" in schema:
        return violations(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root, at)
    if "anyOf" in schema:
        found = [violations(choice, value, root, at) for choice in schema["anyOf"]]
        return [] if [] in found else min(found, key=len)
    if "const" in schema or "enum" in schema:
        allowed = schema.get("enum", [schema.get("const")])
        good = any(type(value) is type(choice) and value == choice for choice in allowed)
        return [] if good else [f"{at}: {value!r} is none of {allowed}"]
    types = schema.get("type")
    types = [types] if isinstance(types, str) else types
    if types is not None and not any(_is_a(value, kind) for kind in types):
        return [f"{at}: {value!r} is no {types}"]
    found = []
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        found += [] if low <= value <= high else [f"{at}: {value} is out of range"]
    if isinstance(value, list):
        few, many = schema.get("minItems", 0), schema.get("maxItems", len(value))
        found += [] if few <= len(value) <= many else [f"{at}: {len(value)} items"]
        for number, item in enumerate(value):
            found += violations(schema.get("items", {}), item, root, f"{at}[{number}]")
    if isinstance(value, dict):
        found += _object(schema, value, root, at)
    return found


def _object(schema: dict[str, Any], value: dict[str, Any], root: dict, at: str) -> list:
    named, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
    for name, item in value.items():
        if name in named:
            found += violations(named[name], item, root, f"{at}.{name}")
        elif others is False:
            found.append(f"{at}: {name} is not described")
        elif isinstance(others, dict):
            found += violations(others, item, root, f"{at}.{name}")
    return found


def _is_a(value: Any, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind])
