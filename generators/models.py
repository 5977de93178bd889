"""Models by name: the embedded one, a folder, or a Hub id; each becomes a local folder."""

import difflib
import hashlib
import os
import re
from pathlib import Path

from generators import embedded
from rsfactory.errors import InputError

EMBEDDED = "embedded"

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")
_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]


def cache_folder() -> Path:
    """Where models are kept between runs.

    ``$RSFACTORY_CACHE``, or else ``rsfactory`` in ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    own = os.environ.get("RSFACTORY_CACHE")
    general = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own).expanduser() if own else Path(general) / "rsfactory"


def resolve(name: str) -> Path:
    """The folder of a model: config, safetensors and tokenizer.

    Args:
        name: ``embedded``, a folder, or a Hub id ``owner/name[@revision]``. The first use of
            ``embedded`` or of a Hub id fetches it, and says so on standard error.

    Raises:
        InputError: There is no such model, or it cannot be fetched; the message says what to do.
    """
    if name == EMBEDDED:
        return embedded.prepare(cache_folder())
    folder = Path(name).expanduser()
    if (name and folder.exists()) or name.startswith(("/", ".", "~")):
        return _checked(folder)
    if _HUB_ID.fullmatch(name):
        return _checked(_from_hub(name))
    close = difflib.get_close_matches(name, [EMBEDDED], 1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    raise InputError(
        f"no model is called {name!r}{meant}; give embedded, a folder, or a Hub id owner/name"
    )


def checkpoint_id(folder: Path) -> str:
    """A checkpoint's key: ``k-`` and 16 hex digits of the SHA-256 of its weights.

    Several weight files count one after the other, in the order of their names.

    Raises:
        InputError: The folder has no weights.
    """
    hashed = hashlib.sha256()
    for path in _weights(folder):
        with path.open("rb") as file:
            while block := file.read(2**22):
                hashed.update(block)
    return f"k-{hashed.hexdigest()[:16]}"


def _weights(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise InputError(
            f"model folder {folder} has no weights; expected *.safetensors in it "
            "(other formats: save the model once with save_pretrained)"
        )
    return found


def _checked(folder: Path) -> Path:
    """The folder, if it looks like a model of Hugging Face's format."""
    if not folder.is_dir():
        raise InputError(f"model folder {folder} does not exist or is no folder; check the path")
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        missing.append("tokenizer.json")
    if missing:
        raise InputError(
            f"model folder {folder} has no {' and no '.join(missing)}; expected a model as "
            "save_pretrained writes it, with its tokenizer"
        )
    _weights(folder)
    return folder


def _from_hub(name: str) -> Path:
    """A Hub model's folder in Hugging Face's own cache, fetched where it is not there yet."""
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    model, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(model, revision=revision or None, allow_patterns=_FILES))
    except (OSError, httpx.HTTPError, HFValidationError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"model {name} cannot be fetched from the Hub: {said}; check the id, the network and "
            "(for a gated model) HF_TOKEN, or give --model FOLDER"
        ) from error
