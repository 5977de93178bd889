"""Where Prefect comes in, and the only module that imports it.

A stage calls its shard functions as ordinary functions. Under `as_flow` each such call is a Prefect
task with a name, logs and a state; otherwise it is just the call. Prefect's state is never our
truth: a task skips what the store already has, so a rerun is safe whatever Prefect believes.
"""

import functools
import logging
import os
import re
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from rsfactory.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

_active = False


def wanted() -> bool:
    """Whether the environment asks for Prefect (``PREFECT_API_URL`` is set)."""
    return bool(os.environ.get("PREFECT_API_URL"))


def server_answers(url: str) -> bool:
    """Whether a Prefect server answers at an API URL, within 10 seconds."""
    import httpx

    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=10).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def check_server() -> None:
    """Looks for the server that the environment names, before any work is done.

    Raises:
        InputError: It does not answer.
    """
    url = os.environ.get("PREFECT_API_URL")
    if url and not server_answers(url):
        raise InputError(
            f"no Prefect server answers at {url.rpartition('@')[2]} (PREFECT_API_URL); start one "
            "with: prefect server start; or unset PREFECT_API_URL to run without"
        )


def shard_task(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a function one Prefect task a call when a flow is running, and nothing otherwise.

    The function's last positional argument that is a string names the call in Prefect's UI. Results
    stay in memory (a path and a count); nothing is cached or persisted by Prefect.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not _active:
                return function(*args, **kwargs)
            from prefect import task
            from prefect.cache_policies import NO_CACHE

            words = [a for a in args if isinstance(a, str)]
            named: Any = task(
                name=name,
                task_run_name=" ".join([name, *words[-1:]]),
                cache_policy=NO_CACHE,
                persist_result=False,
                retries=0,
            )
            result: R = named(function)(*args, **kwargs)
            return result

        return call

    return wrap


def as_flow(name: str, run_name: str, parameters: dict[str, Any], body: Callable[[], R]) -> R:
    """Runs ``body`` as a Prefect flow run whose parameters are shown (never secrets).

    Without a server at ``PREFECT_API_URL`` Prefect starts a temporary one. Telemetry is off
    unless the user's environment says otherwise.
    """
    global _active
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from prefect import flow

    def shown(**parameters: Any) -> R:
        return body()

    _active = True
    try:
        named: Any = flow(
            name=name, flow_run_name=run_name, validate_parameters=False, persist_result=False
        )
        result: R = named(shown)(**parameters)
        return result
    finally:
        _active = False


def log(text: str) -> None:
    """A line in the log of the current Prefect run; without one, in ours (at debug level)."""
    if not _active:
        logging.getLogger("rsfactory").debug(text)
        return
    from prefect import get_run_logger
    from prefect.exceptions import MissingContextError

    try:
        get_run_logger().info(text)
    except MissingContextError:  # called from a thread that Prefect did not start
        logging.getLogger("rsfactory").info(text)


def publish_table(key: str, rows: list[dict[str, Any]], description: str) -> None:
    """A table artifact of the current Prefect flow run; nothing without one.

    Prefect takes lower-case letters, digits and dashes in a key; everything else becomes a dash.
    """
    if not _active:
        return
    from prefect.artifacts import create_table_artifact

    allowed = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
    create_table_artifact(key=allowed, table=rows, description=description)
