"""``openai:MODEL`` and ``openai:MODEL@URL[,URL...]``: a model's name and the addresses it is at.

A model's name may have ``/``, ``:`` and ``@`` in it; the addresses begin at the first ``@http://``
or ``@https://``. An address is what clients call the base URL, mostly ending in ``/v1``.
"""

import re
from urllib.parse import urlsplit

from rsfactory.errors import InputError

KIND = "openai"
EXPECTED = f"expected {KIND}:MODEL, or {KIND}:MODEL@http(s)://HOST[:PORT]/v1[,http...]"

_AT = re.compile(r"@(?=https?://)", re.IGNORECASE)
_HOST = re.compile(r"[\w.-]+:\d+(?:/.*)?|[\w.-]+/v\d+/?")


def parse(spec: str) -> tuple[str, list[str]]:
    """Model and addresses of a teacher's name.

    Without an address it is the openai client's own: ``OPENAI_BASE_URL``, else OpenAI's.

    Raises:
        InputError: The name has another form, or an address cannot be used.
    """
    kind, colon, rest = spec.partition(":")
    parts = _AT.split(rest, maxsplit=1)
    model = parts[0]
    if kind != KIND or not colon or not model or model != model.strip():
        raise InputError(f"{EXPECTED}, got {_shown(spec)!r}")
    if len(parts) == 1:
        behind = model.rpartition("@")[2]
        if model.endswith("@") or ("@" in model and (_HOST.fullmatch(behind) or "://" in behind)):
            raise InputError(
                f"{EXPECTED}, got {_shown(spec)!r}: an address begins with http:// or https://"
            )
        from generators.teachers.api.where import default_address

        return model, [address(default_address())]
    return model, list(dict.fromkeys(address(url) for url in parts[1].split(",")))


def address(url: str) -> str:
    """A checked address, without a slash at its end.

    Raises:
        InputError: It is no HTTP address, or has a name, password, query or fragment in it.
    """
    try:
        split = urlsplit(url.strip())
        host, port = split.hostname, split.port
    except ValueError as error:
        raise InputError(f"{EXPECTED}; an address is not valid: {error}") from error
    if split.scheme.lower() not in ("http", "https") or not host or port == 0:
        raise InputError(f"{EXPECTED}; {_shown(url)!r} is no such address")
    if split.username or split.password:
        raise InputError(
            f"{EXPECTED}; {_shown(url)!r} has a name or password in it, which every row would "
            "show; set OPENAI_API_KEY instead"
        )
    if split.query or split.fragment or any(c.isspace() for c in url.strip()):
        raise InputError(f"{EXPECTED}; {_shown(url)!r} has more than a path behind its host")
    return url.strip().rstrip("/")


def _shown(url: str) -> str:
    """The address without what may be secret."""
    return re.sub(r"(?<=//)[^/@]*@|(?<=@)[^/@]*:[^/@]*@", "...@", url.partition("?")[0])[:200]


def identity(model: str, addresses: list[str]) -> str:
    """What a teacher behind addresses is called in every candidate's key."""
    return f"{KIND}:{model}@{','.join(sorted(addresses))}"
