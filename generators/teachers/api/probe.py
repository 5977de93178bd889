"""Whether a teacher could answer, for `factory doctor`: the address, the key and the model's name.

The openai client asks for the list of models, and where that is well once more without the key:
some servers show their list to everybody (OpenRouter), so that it says nothing about the key. Not
covered: whether the key may use the model, and limits of the account; only a completion shows that.
"""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from generators.teachers.api.faults import short
from generators.teachers.api.where import NO_KEY, Mask, client
from rsfactory.errors import FactoryError
from rsfactory.words import counted


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found at an address."""

    ok: bool
    found: str
    """In a few words."""
    advice: str = ""
    """What to do where it is not well."""


NO_LIST = "reachable; it does not list its models"
NO_ENTRY = "set OPENAI_API_KEY to a key that is valid there"
UNTRIED = " (a list for everybody: the first request shows whether the key is taken)"


def probe(model: str | None, address: str, key: str | None, timeout: float = 10.0) -> Probe:
    """Looks at an address, and for a model where one is named; never raises."""
    mask = Mask({"Authorization": f"Bearer {key or NO_KEY}"})
    try:
        with client(address, key, timeout=timeout) as made:
            seen = _look(made, model, mask)
        if (
            not (seen.ok and key)
            or seen.found == NO_LIST
            or urlsplit(address).hostname == "api.openai.com"
        ):
            return seen
        with client(address, None, timeout=timeout) as nobody:
            public = _look(nobody, model, mask).ok
        return replace(seen, found=f"{seen.found}{UNTRIED}") if public else seen
    except FactoryError as error:
        return Probe(False, mask(str(error)))
    except Exception as error:  # whatever the client cannot read must not end the doctor
        return Probe(False, mask(short(f"not readable: {type(error).__name__}: {error}")))


def _look(made: object, model: str | None, mask: Mask) -> Probe:
    import openai

    assert isinstance(made, openai.OpenAI)
    try:
        names = [one.id for one in made.models.list()]
    except openai.APITimeoutError:
        return Probe(False, "not reachable: no answer in time", "is the server running?")
    except openai.APIConnectionError as error:
        why = short(str(error.__cause__ or error))
        return Probe(False, mask(f"not reachable: {why}"), "check the address; is it running?")
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        return Probe(False, mask(f"key refused: {short(error.message)}"), NO_ENTRY)
    except openai.NotFoundError:
        advice = "" if "/v" in made.base_url.path else "mostly the address ends in /v1"
        return Probe(True, NO_LIST, advice)
    except openai.APIStatusError as error:
        return Probe(False, mask(f"status {error.status_code}: {short(error.message)}"))
    if model is None:
        return Probe(True, f"reachable; it lists {counted(len(names), 'models')}")
    if model in names:
        return Probe(True, f"reachable; {model} is there")
    there = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return Probe(False, f"model unknown: it lists {there or 'none'}", "name one of its models")
