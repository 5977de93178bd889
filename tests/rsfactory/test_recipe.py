"""Recipes: unknown keys are errors, a run continues only with more of the same."""

from pathlib import Path
from typing import Any

import pytest

from rsfactory.errors import InputError, RecipeChanged
from rsfactory.recipe import (
    MORE_KNOBS,
    RationalizeSection,
    Recipe,
    flatten,
    load,
    merge,
    parse_setting,
    run_name,
    settings_table,
    shipped,
)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_recipes_are_valid(name: str) -> None:
    assert load(name).name == name


def test_a_setting_changes_one_value() -> None:
    changed = load("star", {"sample.num_samples": 5})
    assert changed.sample.num_samples == 5
    assert {k for k, v in flatten(load("star")).items() if flatten(changed)[k] != v} == {
        "sample.num_samples"
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sample.num_sample": 5}, "did you mean 'num_samples'"),
        ({"smaple.num_samples": 5}, "did you mean 'sample'"),
        ({"sft.learning_rate": float("inf")}, "finite number"),
        ({"rounds": 0}, "rounds: input should be greater than 0, got 0"),
        ({"sample.num_samples": "many"}, "got 'many'"),
        ({"rounds.more": 1}, "rounds is not a section"),
        ({"flow": "collect", "rounds": 2}, "rounds: a collection has one round; for more data"),
        ({"train.pool": "some"}, "'all' or 'round'"),
        ({"evaluate.problems": 4}, "greater than or equal to 32"),
    ],
)
def test_bad_settings_say_what_is_wrong(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load("star", settings)


def test_every_fault_is_listed() -> None:
    with pytest.raises(InputError) as error:
        load("star", {"rounds": 0, "sft.epoch": 2})
    assert "rounds" in str(error.value)
    assert "did you mean 'epochs'" in str(error.value)


def test_unknown_recipe_is_named_and_guessed() -> None:
    with pytest.raises(InputError, match="did you mean 'star'"):
        load("stra")


def test_a_file_is_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n[problems]\nsource = "gym:chain_sum"\n')
    assert load(str(file)).problems.source == "gym:chain_sum"
    file.write_text("name = \n")
    with pytest.raises(InputError, match="not valid TOML"):
        load(str(file))
    with pytest.raises(InputError, match="cannot be read"):
        load(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("a.b=3", "a.b", 3),
        ("a.b=0.5", "a.b", 0.5),
        ("a.b=true", "a.b", True),
        ("a.b=plain text", "a.b", "plain text"),
        ('a.b="3"', "a.b", "3"),
        ('a.b=["+", "-"]', "a.b", ["+", "-"]),
        ("a.b=x=y", "a.b", "x=y"),
    ],
)
def test_settings_on_the_command_line(text: str, key: str, value: Any) -> None:
    assert parse_setting(text) == (key, value)


@pytest.mark.parametrize("text", ["a.b", "=3", ""])
def test_a_setting_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"expected --set section\.key=value"):
        parse_setting(text)


def test_a_run_is_named_by_what_decides_it() -> None:
    star = load("star")
    assert run_name(star, 0) == run_name(load("star", {"rounds": 9}), 0)
    assert run_name(star, 0) != run_name(star, 1)
    assert run_name(star, 0) != run_name(load("star", {"sft.epochs": 7}), 0)


@pytest.mark.parametrize("knob", MORE_KNOBS)
def test_more_of_a_knob_continues_and_less_is_refused(knob: str) -> None:
    less, more = load("star", {knob: 2}), load("star", {knob: 3})
    assert merge(less, more, "r") == more
    if knob == "rounds":  # the plain command continues a run that was begun with more
        assert merge(more, less, "r") == more
        return
    with pytest.raises(RecipeChanged, match=f"{knob}: 3 -> 2"):
        merge(more, less, "r")


def test_a_collection_of_ones_own_has_the_defaults_of_the_shipped_one(tmp_path: Path) -> None:
    place = tmp_path / "mine.toml"
    place.write_text(
        'name = "mine"\nflow = "collect"\n[problems]\nsource = "gym:gcd"\n[sft]\nepochs = 1'
    )
    mine, shipped = load(str(place)), load("collect")
    assert (mine.rounds, mine.rationalize, mine.sft.max_length) == (
        shipped.rounds, shipped.rationalize, shipped.sft.max_length,
    ) == (1, RationalizeSection(num_samples=0), 32768)  # fmt: skip
    assert load(str(place), {"sft.max_length": 9}).sft.max_length == 9
    with pytest.raises(InputError, match="rationalize: input should be a valid"):
        load(str(place), {"rationalize": 1})


def test_the_document_lists_every_setting() -> None:
    document = Path(__file__).parents[2] / "docs" / "recipes.md"
    table = settings_table()
    assert table in document.read_text(), "python -c 'from rsfactory.recipe import settings_table'"
    assert all(line.split("|")[3].strip() for line in table.splitlines()), "one has no meaning"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.restart", 'One of `"continue"`, `"base"`.'),
        ("flags", 'Each one of `"ignore"`, `"count"`, `"reject"`.'),
        ("sandbox", 'One of `"full"`, `"weak"`.'),
    ],
)
def test_a_setting_with_few_values_lists_them(setting: str, words: str) -> None:
    [line] = [one for one in settings_table().splitlines() if one.startswith(f"| `{setting}` ")]
    assert words in line


def test_from_a_limit_to_none_is_more() -> None:
    bounded, free = load("star", {"problems.limit": 4}), load("star")
    assert merge(bounded, free, "r") == free
    with pytest.raises(RecipeChanged, match=r"problems\.limit"):
        merge(free, bounded, "r")


def test_another_description_is_no_change() -> None:
    assert merge(load("star"), load("star", {"description": "x"}), "r").description == "x"


def test_any_other_change_is_refused_with_the_difference() -> None:
    with pytest.raises(RecipeChanged, match=r"sft\.epochs: \d\.0 -> 7\.0") as error:
        merge(load("star"), load("star", {"sft.epochs": 7, "rounds": 7}), "r")
    assert "rounds: " not in str(error.value).partition("only")[0]
    assert error.value.exit_code == 2


def test_a_recipe_survives_json() -> None:
    star = load("star")
    assert Recipe.model_validate_json(star.model_dump_json()) == star
