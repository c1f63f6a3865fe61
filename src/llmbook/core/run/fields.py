"""Small frozen dataclasses, checked field by field and built from rows of a table (TOML, JSON).

What a field may hold follows from its annotation: ``int`` a whole number, ``float`` a positive number, ``bool`` true
or false; a ``str`` is one of a few choices, which the class names. Every complaint is a ``ValueError`` with the field,
what was given and what is allowed. Left out on purpose: nested or generic annotations; a class checks those itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


def check(condition: bool, message: str) -> None:
    """Raise ``ValueError(message)`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(message)


def check_fields(row: DataclassInstance, choices: Mapping[str, tuple[str, ...]] | None = None) -> None:
    """Check each field of ``row`` by its annotation, and those in ``choices`` against what is allowed.

    A whole number has to be at least 1, or at least 0 where 0 is the default. True is no number, "3" neither.
    The annotations have to be strings: the module of the dataclass begins with ``from __future__ import annotations``.

    Raises:
        ValueError: naming the first field that is wrong.
    """
    for field in dataclasses.fields(row):
        name, given = field.name, getattr(row, field.name)
        if choices and name in choices:
            check(given in choices[name], f"{name} is {given!r}; choose one of {', '.join(choices[name])}")
        elif field.type == "int":
            lowest = 0 if field.default == 0 else 1
            check(type(given) is int, f"{name} is {given!r}; it has to be a whole number")
            check(given >= lowest, f"{name} is {given}; it has to be at least {lowest}")
        elif field.type == "bool":
            check(type(given) is bool, f"{name} is {given!r}; it has to be true or false")
        elif field.type == "float":
            number = type(given) in (int, float) and math.isfinite(given) and given > 0
            check(number, f"{name} is {given!r}; it has to be a positive number")


def from_table(cls: type[Row], values: Mapping[str, Any], what: str) -> Row:
    """An instance of the dataclass ``cls`` from names and values; ``what`` begins each complaint.

    Raises:
        ValueError: for fields that are unknown or missing, or that ``cls`` refuses.
    """
    check(isinstance(values, Mapping), f"{what}: expected a table of names and values, got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    check(not unknown, f"{what}: unknown {', '.join(unknown)}; known are {', '.join(fields)}")
    missing = [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]
    check(not missing, f"{what}: missing {', '.join(missing)}")
    try:
        return cls(**values)
    except ValueError as error:
        raise error if str(error).startswith(what) else ValueError(f"{what}: {error}") from error
