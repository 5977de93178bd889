"""Problems from the Hugging Face Hub through ``datasets``: ``owner/name[:config][@split]``.

A local folder that ``datasets`` can load works the same way, which is also the way to work offline.
The split is ``train`` unless another is named. Data sets that need code of their own are refused by
``datasets`` itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generators.problems import formats, origin
from generators.problems.cells import Row
from generators.problems.finite import FiniteSet
from generators.problems.options import Options
from generators.problems.origin import Origin
from rsfactory.errors import InputError


def open_set(spec: str, options: Options) -> FiniteSet:
    """The problems of a data set.

    Raises:
        InputError: It is not there, cannot be fetched, or is not understood.
    """
    name, config, split = parse(spec)
    table = load(name, config, split)
    found = formats.problems(
        rows(table),
        spec,
        options.columns,
        options.verifier,
        lenient=options.purpose == "held_out",
        gold=options.gold,
        known=Origin(licence=licence_of(name, table)),
        said=options.said,
    )
    return FiniteSet(spec, found, options)


def parse(spec: str) -> tuple[str, str | None, str]:
    """Name, config and split of ``owner/name:config@split``."""
    rest, _, split = spec.partition("@")
    name, _, config = rest.partition(":")
    return name, config or None, split or "train"


def licence_of(name: str, table: Any) -> str:
    """The licence that the data set's card names; ``unknown`` where it does not say.

    ``datasets`` has fetched the card already, since it names the configs: it lies in the cache. A
    card that is not there or cannot be read says nothing.
    """
    import httpx
    from huggingface_hub import DatasetCard, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        place = Path(name) / "README.md"
        if not Path(name).is_dir():
            place = Path(
                hf_hub_download(name, "README.md", repo_type="dataset", local_files_only=True)
            )
        card = DatasetCard.load(place)
        said = card.data.to_dict().get("license")
    except (OSError, ValueError, httpx.HTTPError, HfHubHTTPError):
        said = None
    return origin.of_card(said or getattr(table.info, "license", None))


def rows(table: Any) -> Iterator[tuple[str, Row]]:
    """A loaded data set's rows, each with the words that say where it is."""
    for number, row in enumerate(table):
        yield f"row {number}", row


def load(name: str, config: str | None, split: str) -> Any:
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
