"""YAML files checked against a pydantic model; every error is one sentence with file, line and remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from kg.errors import InputError, did_you_mean

__all__ = ["fields_at", "line_of", "read_yaml"]

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# Aliases can make a list of a few lines endless when it is written out.
_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxstring = 2, 12, 200

# What pydantic says in words of Python, by its type of error.
_KEYS = "expected keys with their values, as in {{key: value}}"
_PROBLEMS = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": _KEYS,
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "int_from_float": "expected a valid integer",
    "int_parsing": "expected a valid integer",
    "int_type": "expected a valid integer",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "model_attributes_type": _KEYS,
    "model_type": _KEYS,
    "string_pattern_mismatch": "expected a name of lower-case letters, digits and '_', starting with a letter",
    "string_too_short": "expected a text, not an empty one",
    "too_long": "expected a list of at most {max_length}",
    "too_short": "expected a list of at least {min_length}",
    "tuple_type": "expected a list, as in [a, b]",
}

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file as a model.

    Args:
        path: The file.
        model: What its keys mean; it should forbid extra keys, so that a misspelt one is found.

    Raises:
        InputError: If the file is not valid YAML, repeats a key or does not fit the model: for the first such
            place, with its line and, for an unknown key, the key that was most likely meant.
    """
    try:
        text = path.read_bytes().decode()
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"this file cannot be read: {error.strerror}", file=path) from None
    except UnicodeDecodeError:
        raise InputError("expected UTF-8, found bytes that are not", file=path) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(
            f"this is not valid YAML: {problem}", file=path, line=mark.line + 1 if mark else None
        ) from None
    if node is None or not isinstance(raw, dict):
        keys = ", ".join(list(model.model_fields)[:3])
        raise InputError(
            f"expected a description with keys such as {keys}, found something else; see the README", file=path
        )
    _refuse(node, path, set())
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _sentence(error, node, path, model) from None


def line_of(path: Path, location: Sequence[str | int]) -> int:
    """Return the line of a key or list entry in a file that `read_yaml` has read, or of the nearest one above it."""
    node = yaml.compose(path.read_bytes().decode(), Loader=yaml.SafeLoader)
    assert node is not None, "read_yaml has read it"
    return _locate(node, tuple(location))[0]


def _refuse(node: yaml.Node, path: Path, visited: set[int]) -> None:
    """Refuse what YAML lets through: of two equal keys it silently takes the last, and text may hold half characters."""
    if id(node) in visited:
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise InputError(
                    f"the key {key.value!r} stands twice; keep one", file=path, line=key.start_mark.line + 1
                )
            seen.add(str(key.value))
            _refuse(key, path, visited)
            _refuse(value, path, visited)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse(value, path, visited)
    elif _HALF_CHARACTER.search(node.value):
        raise InputError(
            "a text holds half of a character pair (a lone surrogate), which no file can store",
            file=path,
            line=node.start_mark.line + 1,
        )


def _sentence(error: ValidationError, node: yaml.Node, path: Path, model: type[BaseModel]) -> InputError:
    # Where a value may be one table or a list of them, pydantic lists the errors of both readings: the deepest is meant.
    first = max(error.errors(), key=lambda problem: (problem["type"] == "extra_forbidden", len(problem["loc"])))
    kind, last, given = first["type"], first["loc"][-1] if first["loc"] else None, first["input"]
    line, keys = _locate(node, first["loc"])
    place = ".".join(map(str, keys))
    prefix = f"{place}: " if place else ""
    if kind == "extra_forbidden":
        known = fields_at(model, first["loc"][:-1])
        message = f"unknown key {keys[-1]!r}; expected one of {', '.join(known)}.{did_you_mean(str(keys[-1]), known)}"
    elif kind == "missing" and isinstance(last, int):
        message = f"{prefix}expected at least {last + 1} values, found {last}"
    elif kind == "missing":
        message = f"the key {last!r} is missing{f' in {place}' if place else ''}; add it"
    else:
        problem = first["msg"].removeprefix("Value error, ")
        if kind in _PROBLEMS:
            problem = _PROBLEMS[kind].format(**first.get("ctx", {}))
        if kind == "string_pattern_mismatch" and keys[-1:] == ["namespace"]:
            problem = "expected an IRI that ends in '/'"
        shown = f", found {_SHORT.repr(given)}" if isinstance(given, str | int | float | bool | list | dict) else ""
        message = f"{prefix}{problem[:1].lower()}{problem[1:]}{shown}"
    return InputError(message, file=path, line=line)


def _locate(node: yaml.Node, loc: tuple[Any, ...]) -> tuple[int, list[Any]]:
    """Follow pydantic's location through the YAML; return the line, and the keys that are really there."""
    keys: list[Any] = []
    line = node.start_mark.line + 1
    for key in loc:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.value == str(key):
                    line, node = name.start_mark.line + 1, value
                    keys.append(key)
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
            keys.append(key)
    return line, keys


def fields_at(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """Return the keys that are allowed at a place, given as pydantic gives it: with the tags of unions."""
    candidates = [model]
    for key in location:
        tagged = [model for model in candidates if any(field.default == key for field in model.model_fields.values())]
        if len(candidates) > 1 and tagged:
            candidates = tagged
        else:
            field = candidates[0].model_fields.get(str(key))
            candidates = (_models_in(field.annotation) if field is not None else []) or candidates
    return list(candidates[0].model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
