"""Dataclasses from tables, checked field by field: `llmbook.core.run.fields`."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from llmbook.core.run.fields import check_fields, from_table


@dataclass(frozen=True)
class Tree:
    kind: str
    height: float
    rings: int
    nests: int = 0
    alive: bool = True

    def __post_init__(self) -> None:
        check_fields(self, {"kind": ("oak", "fir")})


OAK = {"kind": "oak", "height": 20.5, "rings": 300}


def test_a_table_becomes_a_dataclass_with_its_defaults():
    assert from_table(Tree, OAK, "tree") == Tree("oak", 20.5, 300, 0, True)
    assert from_table(Tree, OAK | {"height": 20, "nests": 2, "alive": False}, "tree").nests == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "elm"}, "kind is 'elm'; choose one of oak, fir"),
        ({"kind": ["oak"]}, "kind is .'oak'.; choose one of"),
        ({"height": "20"}, "height is '20'; it has to be a positive number"),
        ({"height": 0.0}, "height is 0.0; it has to be a positive number"),
        ({"height": float("inf")}, "height is inf"),
        ({"height": float("nan")}, "height is nan"),
        ({"height": True}, "height is True"),
        ({"rings": 0}, "rings is 0; it has to be at least 1"),
        ({"rings": 3.0}, "rings is 3.0; it has to be a whole number"),
        ({"rings": True}, "rings is True; it has to be a whole number"),
        ({"rings": None}, "rings is None; it has to be a whole number"),
        ({"nests": -1}, "nests is -1; it has to be at least 0"),
        ({"alive": 1}, "alive is 1; it has to be true or false"),
        ({"alive": "yes"}, "alive is 'yes'; it has to be true or false"),
        ({"leaves": 3, "fruit": 1}, "unknown fruit, leaves; known are kind, height, rings, nests, alive"),
    ],
)
def test_a_wrong_field_is_refused_by_name_and_place(change, message):
    with pytest.raises(ValueError, match=f"^tree 7: {message}"):
        from_table(Tree, OAK | change, "tree 7")


def test_missing_fields_and_what_is_no_table_are_refused():
    with pytest.raises(ValueError, match="tree: missing height, rings"):
        from_table(Tree, {"kind": "oak"}, "tree")
    with pytest.raises(ValueError, match="tree: expected a table of names and values, got 3"):
        from_table(Tree, 3, "tree")  # type: ignore[arg-type]


def test_a_place_that_the_complaint_names_already_is_not_named_twice():
    @dataclass(frozen=True)
    class Named:
        name: str

        def __post_init__(self) -> None:
            raise ValueError(f"tree {self.name!r}: too old")

    with pytest.raises(ValueError, match=r"^tree 'É': too old$"):
        from_table(Named, {"name": "É"}, "tree 'É'")
