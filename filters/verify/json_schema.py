"""``json-schema``: the answer is a JSON value that a schema allows.

The schema is ``{"schema": ...}`` of the metadata, or else the gold answer itself; its draft is the
one that ``$schema`` names, 2020-12 where it names none. With the schema in the metadata the answer
can be an example, which ``factory validate`` then checks. The JSON is taken from ``<answer>``, else
from the last fenced block, else from what follows ``Answer:``, else it is the whole visible text.
Where several of these hold a value the first decides.

Text that is not JSON is UNPARSED: ``NaN``, a key twice in one object, and comments are not JSON. A
schema that is not one is UNVERIFIABLE, and so is one that refers to another document: nothing is
fetched. Patterns in a schema can run for ever, so this runs in a worker that can be killed. Not
covered: ``format`` (dates, addresses), which the standard leaves to annotation.
"""

import json
import re
import time
from typing import Any

from filters.verify.extract import strong_claims, visible
from filters.verify.fences import fenced
from filters.verify.labels import behind_label
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

LONGEST = 200_000
"""Characters of JSON that are read."""


class JsonSchemaVerifier:
    """JSON against a schema."""

    name = "json-schema"
    version = "1"

    def prepare(self) -> None:
        """Imports the library."""
        import jsonschema  # noqa: F401

    def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict. A schema's patterns may run for ever: call it in a worker."""
        began = time.monotonic()
        text = claimed(visible(candidate.completion))
        try:
            schema = _schema(problem)
            if text is None:
                _allowed(schema, None)
                return unanswered(self, candidate, "no JSON is given", began=began)
            value = _read(text)
        except _NotJson as error:
            found = unanswered(self, candidate, f"not JSON: {shorten(str(error))}", began=began)
            return found
        except _BadSchema as error:
            return verdict(self, candidate, Outcome.UNVERIFIABLE, str(error), began=began)
        try:
            wrong = _allowed(schema, value)
        except _BadSchema as error:
            return verdict(self, candidate, Outcome.UNVERIFIABLE, str(error), began=began)
        outcome = Outcome.WRONG if wrong else Outcome.CORRECT
        reason = wrong or "the schema allows it"
        return verdict(self, candidate, outcome, reason, extracted=text, began=began)


class _NotJson(ValueError):
    """The answer is not JSON."""


class _BadSchema(ValueError):
    """The schema is not one, or refers to what is not there."""


def claimed(text: str) -> str | None:
    """The part of a visible text that should be JSON; None where there is nothing."""
    tags = [c for c in strong_claims(text) if text[c.start : c.start + 8].lower() == "<answer>"]
    if tags:
        text = tags[-1].text or ""
        blocks = fenced(text)
    else:
        blocks = fenced(text)
        text = behind_label(text) or text
    return (blocks[-1] if blocks else text).strip() or None


def _read(text: str) -> Any:
    def no_constant(name: str) -> Any:
        raise _NotJson(f"{name} is no JSON value")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise _NotJson("a key comes twice in one object")
        return dict(pairs)

    if len(text) > LONGEST:
        raise _NotJson(f"longer than {LONGEST} characters")
    try:
        return json.loads(text, parse_constant=no_constant, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _NotJson(str(error)) from error


def _schema(problem: Problem) -> Any:
    """The problem's schema.

    Raises:
        _BadSchema: It has none that is JSON.
    """
    try:
        if problem.metadata:
            asked = json.loads(problem.metadata)
            if isinstance(asked, dict) and "schema" in asked:
                return asked["schema"]
        found = json.loads(problem.answer)
    except (ValueError, RecursionError) as error:
        raise _BadSchema(f"the schema is not JSON: {shorten(str(error))}") from error
    if not isinstance(found, dict):
        raise _BadSchema("expected a schema in the metadata, or an object as the answer")
    return found


def _allowed(schema: Any, value: Any) -> str | None:
    """What a schema has against a value; None where it allows it.

    Raises:
        _BadSchema: The schema is not one, or needs another document.
    """
    import jsonschema
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        error = jsonschema.exceptions.best_match(
            kind(schema, registry=Registry()).iter_errors(value)
        )
    except jsonschema.SchemaError as bad:
        raise _BadSchema(f"the schema is not one: {shorten(bad.message, 200)}") from bad
    except (Unresolvable, re.error, RecursionError, TypeError) as bad:
        raise _BadSchema(f"the schema cannot be used: {shorten(str(bad), 200)}") from bad
    if error is None:
        return None
    where = error.json_path if len(error.json_path) < 80 else f"{error.json_path[:80]}..."
    return f"{where}: {shorten(error.message, 200)}"
