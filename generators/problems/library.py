"""reasoning-gym itself: its families, their levels, and blocks of items drawn from a seed on.

A level is one of the family's curriculum in the library: it sets the parameters that the curriculum
names, each to the value of that level alone (the library's default mixes in all levels below), or
to its highest where it has fewer levels. The family's other parameters keep their defaults. A
family's levels say nothing about another family's.

Not covered: ``codeio``, whose items come from running programs that the library carries, in this
process and without a sandbox; an item that the library searches for without end.
"""

import contextlib
import difflib
import io
from collections.abc import Callable, Iterator, Mapping
from tempfile import TemporaryDirectory
from typing import Any

from rsfactory.errors import InputError

BLOCK = 256
"""Items that the library is asked for at a time: some families load a dictionary each time."""

ITEM_FAILS = (ValueError, RuntimeError, IndexError)
"""What the library raises where it gives up an item, e.g. at a high level."""

TRIES = 10
"""Items that must fail for a family to count as one that gives none."""


def names() -> list[str]:
    """All families that give problems of their own, in alphabetical order.

    Without ``composite``, which is a mix itself, and ``codeio``, which runs programs unasked.
    """
    from reasoning_gym.factory import DATASETS

    return sorted(set(DATASETS) - {"composite", "codeio"})


def highest_level(family: str) -> int | None:
    """The highest level of a family, which all begin with 0; None where it has no levels."""
    from reasoning_gym.factory import create_curriculum, has_curriculum

    if not has_curriculum(family):
        return None
    attributes = create_curriculum(family).attributes.values()
    return max((len(attribute.levels) for attribute in attributes), default=0) - 1


def level_params(family: str, level: int) -> dict[str, Any]:
    """The parameters that the family's curriculum sets at a level.

    Raises:
        InputError: The family has no such level, or the library refuses its own level.
    """
    from reasoning_gym.coaching.attributes import RangeAttributeDefinition
    from reasoning_gym.coaching.base_curriculum import DefaultCurriculumContext, RangeAttributeMode
    from reasoning_gym.factory import create_curriculum

    highest = highest_level(family)
    if highest is None or highest < 0:
        raise InputError(f"gym:{family} has no levels of difficulty; leave @{level} away")
    if level > highest:
        raise InputError(f"gym:{family} has the levels 0 to {highest}, got {level}")
    curriculum = create_curriculum(family)
    curriculum.set_global_level(level)
    context = DefaultCurriculumContext(mode=RangeAttributeMode.UPPER_BOUND)
    config = curriculum.generate_configuration(context=context)
    fields: list[str] = []
    for attribute in curriculum.attributes.values():
        if isinstance(attribute, RangeAttributeDefinition):
            fields += [attribute.lower_field_name, attribute.upper_field_name]
        else:
            fields.append(attribute.field_name)
    return {field: getattr(config, field) for field in fields}


def check_name(name: str) -> None:
    """Looks whether there is a family of that name.

    Raises:
        InputError: There is none; the message names those that are near.
    """
    from reasoning_gym.factory import DATASETS

    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, 5, 0.5) or sorted(DATASETS)
        raise InputError(f"no generated family is called {name!r}; near it: {', '.join(close)}")


def blocks(family: str, label: str, given: Mapping[str, Any]) -> Callable[[int], Any]:
    """`BLOCK` items from a seed on, by the library; the parameters are checked once, here.

    Raises:
        InputError: The family does not take these parameters.
    """
    import reasoning_gym

    def block(seed: int) -> Any:
        params = dict(given)
        if family == "composite":
            params["datasets"] = [_part(part) for part in params.get("datasets", ())]
        return reasoning_gym.create_dataset(family, seed=seed, size=BLOCK, **params)

    wrong = f"{label} does not take these parameters"
    try:
        with _quietly(family):
            items = block(0)
    except (TypeError, ValueError, AssertionError, AttributeError, KeyError) as error:
        raise InputError(f"{wrong}: {error}") from error
    try:
        with _quietly(family):
            items[0]
    except ITEM_FAILS as error:
        if all(made(family, items, place) is None for place in range(1, TRIES)):
            raise InputError(f"{label} gives no item with these parameters: {error}") from error
    except (TypeError, AssertionError, AttributeError, KeyError) as error:
        raise InputError(f"{wrong}: {error}") from error
    return block


def made(family: str, items: Any, place: int) -> dict[str, Any] | None:
    """An item; None where the library fails at this one (some families search and give up)."""
    try:
        with _quietly(family):
            item: dict[str, Any] = items[place]
            return item
    except ITEM_FAILS:
        return None


@contextlib.contextmanager
def _quietly(family: str) -> Iterator[None]:
    """What the library prints goes nowhere, and the files of ``codeio`` into a folder that ends."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        if family in ("codeio", "composite"):
            stack.enter_context(contextlib.chdir(stack.enter_context(TemporaryDirectory())))
        yield


def _part(part: dict[str, Any]) -> Any:
    from reasoning_gym.composite import DatasetSpec

    return DatasetSpec(**{"weight": 1.0, "config": {}, **part})
