"""The process behind a local teacher: loads a model and answers batches.

Run as ``python -m generators.teachers.local_child FOLDER THREADS`` (0 threads: all cores). One
message in, ``{"op": "answer" | "stream", "rows": [...]}``; out come ``{"progress": [completions,
tokens]}`` about twice a second, or pieces ``{"text": ...}`` of a stream, and ``{"done": [...]}``.
After ``{"op": "serve"}`` rows with a ``number`` each come in messages ``{"rows": [...]}`` until an
empty one, and go back in ``{"ended": [[number, completion], ...]}`` as each ends.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from rsfactory.chat import render
from rsfactory.child import Parent
from rsfactory.contracts import Message
from rsfactory.machine import cores

PROGRESS_SECONDS = 0.5


def main() -> None:
    """Answers messages until the parent is gone."""
    parent = Parent()
    folder, threads = sys.argv[1], int(sys.argv[2])
    try:
        engine = Engine(folder, threads)
    except (OSError, ValueError) as error:
        parent.send(error=f"model folder {folder} cannot be loaded: {error}")
        return
    while True:
        message = parent.receive()
        if message["op"] == "serve":
            engine.serve(parent)
            parent.send(done=[])
            continue
        answer = engine.stream if message["op"] == "stream" else engine.answer
        parent.send(done=answer(message["rows"], lambda **told: parent.send(**told)))


class Engine:
    """A loaded model with its tokenizer."""

    def __init__(self, folder: str, threads: int) -> None:
        """Loads the model: float32 on the CPU, bfloat16 on CUDA."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from generators.teachers.decoders import open_decoder

        torch.set_num_threads(threads or physical_cores())
        on_gpu = torch.cuda.is_available()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.bfloat16 if on_gpu else torch.float32
        )
        model = model.to("cuda") if on_gpu else model
        model.eval()
        self._room: int | None = getattr(model.config, "max_position_embeddings", None)
        self._stop = stop_tokens(model, self.tokenizer)
        self._decoder = open_decoder(model)

    def answer(self, rows: list[dict[str, Any]], tell: Callable[..., None]) -> list[dict[str, Any]]:
        """Completions of the rows, in order."""
        from generators.teachers.local_engine import decode

        made = [self.row(row) for row in rows]
        told = time.monotonic()

        def step() -> None:
            nonlocal told
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                done = sum(bool(row.finish_reason) for row in made)
                tell(progress=[done, sum(len(row.sampled) for row in made)])

        decode(self._decoder, made, self._stop, step)
        return [self._completion(row) for row in made]

    def stream(self, rows: list[dict[str, Any]], tell: Callable[..., None]) -> list[dict[str, Any]]:
        """The first row's completion, told in pieces while it is made."""
        from generators.teachers.local_engine import decode

        row = self.row(rows[0])
        said = ""

        def step() -> None:
            nonlocal said
            text = self._text(row.sampled)
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):  # half a character so far
                tell(text=text[len(said) :])
                said = text

        decode(self._decoder, [row], self._stop, step)
        tell(text=self._text(row.sampled)[len(said) :])
        return [self._completion(row)]

    def serve(self, parent: Parent) -> None:
        """Completions of rows that come while others are made, each as it ends."""
        from generators.teachers.local_engine import serve

        under_way: dict[int, Any] = {}
        open_ended = True

        def arrivals(wait: bool) -> list[Any]:
            nonlocal open_ended
            messages = parent.waiting() if open_ended else []
            if wait and open_ended and not messages:
                messages = [parent.receive()]
            open_ended = open_ended and all(message["rows"] for message in messages)
            asked = [row for message in messages for row in message["rows"]]
            new = {row["number"]: self.row(row) for row in asked}
            under_way.update(new)
            return list(new.values())

        def step() -> None:
            ended = [number for number, row in under_way.items() if row.finish_reason]
            if ended:
                parent.send(ended=[(n, self._completion(under_way.pop(n))) for n in ended])

        serve(self._decoder, arrivals, self._stop, step)

    def row(self, asked: dict[str, Any]) -> Any:
        """The engine's row for a row of a message."""
        from generators.teachers.local_engine import Row

        turns = [Message(**message) for message in asked["messages"]]
        templated = bool(getattr(self.tokenizer, "chat_template", None))
        text = render(self.tokenizer, turns)
        tokens = self.tokenizer(text, add_special_tokens=not templated)["input_ids"]
        room = asked["max_tokens"] if self._room is None else max(0, self._room - len(tokens))
        return Row(
            tokens=tokens,
            seed=asked["seed"],
            temperature=asked["temperature"],
            top_p=asked["top_p"],
            max_tokens=min(asked["max_tokens"], room),
        )

    def _completion(self, row: Any) -> dict[str, Any]:
        return {
            "text": self._text(row.sampled),
            "finish_reason": row.finish_reason,
            "prompt_tokens": len(row.tokens),
            "tokens": len(row.sampled),
        }

    def _text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))


def stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end a completion, by the generation config and the tokenizer."""
    named = model.generation_config.eos_token_id
    tokens = {*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id}
    return frozenset(token for token in tokens if token is not None)


def physical_cores() -> int:
    """Physical cores that this process may use: two threads on one core get in each other's way."""
    import psutil

    return max(1, min(cores(), psutil.cpu_count(logical=False) or cores()))


if __name__ == "__main__":
    main()
