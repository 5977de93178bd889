"""Problems from the Hugging Face Hub through ``datasets``: ``owner/name[:config][@split]``.

A local folder that ``datasets`` can load works the same way, which is also the way to work offline.
The split is ``train`` unless another is named. Data sets that need code of their own are refused by
``datasets`` itself.
"""

from collections.abc import Iterator
from typing import Any

from generators.problems import formats
from generators.problems.cells import Row
from generators.problems.finite import FiniteSet
from generators.problems.options import Options
from rsfactory.errors import InputError


def open_set(spec: str, options: Options) -> FiniteSet:
    """The problems of a data set.

    Raises:
        InputError: It is not there, cannot be fetched, or is not understood.
    """
    name, config, split = parse(spec)
    table = _load(name, config, split)
    licence = str(getattr(table.info, "license", None) or "unknown")
    found = formats.problems(
        _rows(table),
        spec,
        options.columns,
        options.verifier,
        lenient=options.purpose == "held_out",
        gold=options.gold,
    )
    return FiniteSet(spec, licence, found, options)


def parse(spec: str) -> tuple[str, str | None, str]:
    """Name, config and split of ``owner/name:config@split``."""
    rest, _, split = spec.partition("@")
    name, _, config = rest.partition(":")
    return name, config or None, split or "train"


def _rows(table: Any) -> Iterator[tuple[str, Row]]:
    for number, row in enumerate(table):
        yield f"row {number}", row


def _load(name: str, config: str | None, split: str) -> Any:
    """One split as a ``datasets.Dataset``.

    Raises:
        InputError: What ``datasets`` or the network said, and what to do.
    """
    import datasets
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return datasets.load_dataset(name, config, split=split)
    except (ValueError, datasets.exceptions.DatasetsError) as error:
        advice = "check the id, config and split (owner/name:config@split)"
        raise InputError(f"data set {name} cannot be used: {_first(error)}; {advice}") from error
    except (OSError, httpx.HTTPError, HfHubHTTPError, OfflineModeIsEnabled) as error:
        advice = "check the id and the network, or give a file or a local folder"
        raise InputError(f"data set {name} cannot be fetched: {_first(error)}; {advice}") from error


def _first(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
