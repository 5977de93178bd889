"""Every error the factory raises on purpose, and the exit code each one means.

    FactoryError            1   the work failed
    +- InputError           2   what the user gave is wrong (recipe, flag, file, model)
    |  +- RecipeChanged     2   an existing run was asked to continue with another recipe
    |  +- EndpointRefused   2   an endpoint takes no request of ours (key, model or address)
    +- StoreError           1   the data folder cannot be read or written
    |  +- RunLocked         1   another process holds the run
    +- ChildDied            1   a training or sampling process ended before its work did
    +- NoAnswer             1   a request had no usable answer within its bounds
    +- Stopped              3   stopped by a signal or a budget; the same command continues

A message says what was expected, what was got, and what to do.
"""

from collections.abc import Mapping
from typing import Any


class FactoryError(Exception):
    """Base of all errors the factory raises on purpose."""

    exit_code = 1
    result: Any = None
    """What a run came to before it ended so, where that is worth showing (`flows.result`)."""


class InputError(FactoryError):
    """The user's input is wrong: a recipe, a flag, a file or a model's name."""

    exit_code = 2


class RecipeChanged(InputError):
    """A run on disk was made with other settings than the ones given now."""


class EndpointRefused(InputError):
    """An endpoint takes no request of ours: the key, the model or the address is wrong."""


class StoreError(FactoryError):
    """The data folder cannot be read or written."""


class RunLocked(StoreError):
    """Another process holds the run."""


class ChildDied(FactoryError):
    """A child process (training, local sampling) ended before its work did."""


class NoAnswer(FactoryError):
    """A request had no usable answer within its bounds (requests, time); others may go on."""

    def __init__(self, text: str, answered: Mapping[int, Any] | None = None) -> None:
        """``answered``: place of a seed in the request -> its completion, where some had one."""
        super().__init__(text)
        self.answered = dict(answered or {})


class Stopped(FactoryError):
    """Stopped by a signal or a budget; nothing is lost and the same command continues."""

    exit_code = 3
