"""Where and as whom a request is made: the openai client decides, from arguments and environment.

Base URL, key, organisation, project and custom headers are read as the client itself reads them
(``OPENAI_BASE_URL``, ``OPENAI_API_KEY``, ``OPENAI_ORG_ID``, ``OPENAI_PROJECT_ID``,
``OPENAI_CUSTOM_HEADERS``); it makes no request (docs/decisions/006). The headers in which it
introduces itself are replaced by ours. Not covered: workload identities, client certificates.
"""

import re
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from generators.teachers.api.spec import address
from rsfactory.errors import InputError

AGENT = "rsfactory"
NO_KEY = "none"
"""Sent where there is no key: servers of one's own mostly ask for none."""
LEAST = 4
"""Letters of a secret that are worth hiding."""
_HIDDEN = re.compile(r"\bsk-[\w*-]{6,}")
_LOGIN = re.compile(r"[^\s/'\"(@]+:[^\s/'\"@]+@")
"""Name and password before a host, of a proxy for one."""
_LOCAL = ("localhost", "127.0.0.1", "::1")


def client(url: str | None, key: str | None, **settings: Any) -> Any:
    """The openai client for an address, which the caller closes.

    Raises:
        InputError: It cannot be made, e.g. because OpenAI's own address needs a key.
    """
    from openai import OpenAI
    from yarl import URL

    try:
        URL(url or "")
        made = OpenAI(base_url=url, api_key=key or NO_KEY, max_retries=0, **settings)
    except Exception as error:  # each of the libraries has errors of its own for a bad address
        raise InputError(f"the address {url} cannot be used: {error}") from error
    if not key and made.base_url.host == "api.openai.com":
        made.close()
        raise InputError("https://api.openai.com needs a key; set OPENAI_API_KEY")
    return made


def default_address() -> str:
    """The base URL that the openai client takes when it is given none."""
    from openai import OpenAI

    with OpenAI(api_key=NO_KEY) as made:
        return str(made.base_url)


def reach(url: str, key: str | None) -> tuple[str, dict[str, str]]:
    """The checked base URL of an address, and the headers of a request to it.

    Raises:
        InputError: The address is not valid, or needs a key.
    """
    with client(address(url), key) as made:
        headers = {**made.auth_headers, **made.default_headers}  # custom ones are the last word
        base = str(made.base_url)
    kept = {
        name: value
        for name, value in headers.items()
        if isinstance(value, str) and not name.lower().startswith("x-stainless")
    }
    if kept.get("User-Agent", "").startswith("OpenAI/"):
        kept["User-Agent"] = AGENT
    if kept.get("Authorization") == f"Bearer {NO_KEY}":
        del kept["Authorization"]
    for name, value in kept.items():
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            where = "OPENAI_API_KEY" if name == "Authorization" else "OPENAI_CUSTOM_HEADERS"
            raise InputError(f"{name} has a line break or letters no header may have; see {where}")
    return base.rstrip("/"), kept


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address; none for this machine itself."""
    split = urlsplit(url)
    host = split.hostname or ""
    if host in _LOCAL or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(split.scheme) or proxies.get("all")


class Mask:
    """Hides the key, and what else the headers keep secret, in anything a server says."""

    def __init__(self, headers: dict[str, str]) -> None:
        """Takes what is secret from the headers."""
        words = (r"auth", r"key", r"token", r"cookie", r"secret")
        secret = [v for k, v in headers.items() if any(word in k.lower() for word in words)]
        parts = {part for value in secret for part in (value, value.removeprefix("Bearer "))}
        self._secret = sorted((p for p in parts if len(p) >= LEAST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them, also where its end cuts one."""
        for word in self._secret:
            text = text.replace(word, "[key]")
        dots = "…" * text.endswith("…")
        text = text.removesuffix("…")
        for word in self._secret:
            ends = (n for n in range(len(word) - 1, LEAST - 1, -1) if text.endswith(word[:n]))
            if length := next(ends, 0):
                text = f"{text[:-length]}[key]"
        return _HIDDEN.sub("[key]", _LOGIN.sub("[key]@", text)) + dots
