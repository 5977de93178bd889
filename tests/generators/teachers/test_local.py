"""The local teacher over a real child process with a tiny random model."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from generators.teachers import LocalTeacher
from generators.teachers.local import stream
from rsfactory.contracts import Message, Request
from rsfactory.errors import ChildDied

pytest.importorskip("torch")


def request(text: str, seeds=(1,), temperature: float = 1.0, max_tokens: int = 12) -> Request:
    return Request(
        messages=(Message("user", text),), seeds=tuple(seeds), temperature=temperature,
        top_p=1.0, max_tokens=max_tokens,
    )  # fmt: skip


@pytest.fixture(scope="module")
def teacher(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory):
    log = tmp_path_factory.mktemp("logs") / "teacher.log"
    opened = LocalTeacher(tiny_model, "k-tiny", log, threads=1)
    yield opened
    opened.close()


def ask(teacher: LocalTeacher, *requests: Request):
    async def all_at_once():
        return await asyncio.gather(*(teacher.complete(r) for r in requests))

    return asyncio.run(all_at_once())


def test_requests_of_one_turn_are_one_batch_and_come_back_in_order(
    teacher: LocalTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [request(f"number {i}", seeds=range(i)) for i in (1, 3, 2)]
    batches: list[int] = []
    exchange = teacher._exchange
    monkeypatch.setattr(
        teacher, "_exchange", lambda batch: (batches.append(len(batch)), exchange(batch))[1]
    )
    answers = ask(teacher, *asked)
    assert batches == [3]
    assert [len(group) for group in answers] == [1, 3, 2]
    for group in answers:
        for completion in group:
            assert completion.finish_reason in ("stop", "length")
            assert 1 <= completion.tokens <= 12
            assert (completion.tokens == 12) or completion.finish_reason == "stop"
    alone = [ask(teacher, r)[0] for r in asked]
    assert [[c.text for c in g] for g in alone] == [[c.text for c in g] for g in answers]


def test_prompt_tokens_are_those_of_the_chat_template(teacher: LocalTeacher) -> None:
    [[completion]] = ask(teacher, request("héllo"))
    text = "<|im_start|>user\nhéllo<|im_end|>\n<|im_start|>assistant\n"
    special = text.count("<|im_start|>") + text.count("<|im_end|>")
    bare = text.replace("<|im_start|>", "").replace("<|im_end|>", "")
    assert completion.prompt_tokens == special + len(bare.encode())


def test_progress_is_told_inside_a_batch(
    teacher: LocalTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(teacher, "progress", lambda *now: told.append(now))
    ask(teacher, *(request(f"{i}", max_tokens=1000) for i in range(8)))
    assert told
    assert told == sorted(told)


def test_a_killed_child_fails_every_request_and_the_next_one_starts_another(
    teacher: LocalTeacher,
) -> None:
    ask(teacher, request("warm"))

    async def killed():
        waiting = [
            asyncio.ensure_future(teacher.complete(request(f"{i}", max_tokens=1500)))
            for i in range(3)
        ]
        await asyncio.sleep(0.05)
        os.kill(teacher._child.pid, 9)
        return await asyncio.gather(*waiting, return_exceptions=True)

    failures = asyncio.run(killed())
    assert len(failures) == 3
    assert all(isinstance(f, ChildDied) for f in failures)
    assert "signal 9" in str(failures[0])
    assert ask(teacher, request("again"))[0][0].tokens >= 1


def test_cancelling_ends_the_child_at_once(teacher: LocalTeacher) -> None:
    ask(teacher, request("warm"))
    pid = teacher._child.pid

    async def given_up():
        await asyncio.wait_for(teacher.complete(request("x", max_tokens=1500)), 0.05)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(given_up())
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_prompt_beyond_the_context_is_cut_off_and_not_an_error(teacher: LocalTeacher) -> None:
    [[long], [short]] = ask(teacher, request("x" * 3000), request("y"))
    assert (long.tokens, long.finish_reason) == (0, "length")
    assert short.tokens >= 1


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    broken = LocalTeacher(tmp_path, "k-none", tmp_path / "log", threads=1)
    with pytest.raises(ChildDied, match="cannot be loaded"):
        ask(broken, request("x"))
    broken.close()
    broken.close()


def test_a_stream_says_in_pieces_what_complete_says_at_once(
    teacher: LocalTeacher, tiny_model: Path, tmp_path: Path
) -> None:
    asked = request("stream", seeds=(5,), temperature=1.0, max_tokens=30)
    [[whole]] = ask(teacher, asked)
    pieces = list(
        stream(tiny_model, asked.messages, log=tmp_path / "log", max_tokens=30, temperature=1.0,
               seed=5)
    )  # fmt: skip
    assert "".join(pieces) == whole.text
    assert len(pieces) > 2


def test_streaming_answers_each_request_when_it_ends(teacher: LocalTeacher) -> None:
    short = [request(f"number {i}", seeds=(i, i + 50)) for i in range(5)]
    long = request("long", max_tokens=1500, temperature=2.0)
    expected = ask(teacher, *short)

    async def staggered():
        with teacher.streaming() as answers:
            waiting = asyncio.ensure_future(answers.complete(long))
            first = [await answers.complete(asked) for asked in short]  # one after the other
            together = await asyncio.gather(*map(answers.complete, short))
            early = not waiting.done()
            return early, first, together, await waiting

    early, first, together, [last] = asyncio.run(staggered())
    assert early
    assert [[c.text for c in group] for group in first] == [[c.text for c in g] for g in expected]
    assert together == first
    assert last.tokens > 100
    pid = teacher._child.pid
    assert ask(teacher, *short) == expected  # the same child goes on as before
    assert teacher._child.pid == pid


def test_a_child_that_dies_fails_what_streams(teacher: LocalTeacher) -> None:
    async def killed():
        with teacher.streaming() as answers:
            waiting = [
                asyncio.ensure_future(answers.complete(request(f"{i}", max_tokens=1500)))
                for i in range(3)
            ]
            await asyncio.sleep(0.05)
            os.kill(teacher._child.pid, 9)
            failures = await asyncio.gather(*waiting, return_exceptions=True)
            later = await asyncio.gather(answers.complete(request("x")), return_exceptions=True)
            return [*failures, *later]

    failures = asyncio.run(killed())
    assert [type(failure) for failure in failures] == [ChildDied] * 4
    assert "signal 9" in str(failures[0])
    assert ask(teacher, request("again"))[0][0].tokens >= 1


def test_leaving_a_stream_early_ends_the_child_at_once(teacher: LocalTeacher) -> None:
    async def given_up(pids: list[int]):
        with teacher.streaming() as answers:
            pids.append(teacher._child.pid)
            await asyncio.wait_for(answers.complete(request("x", max_tokens=1500)), 0.05)

    pids: list[int] = []
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(given_up(pids))
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert ask(teacher, request("again"))[0][0].tokens >= 1
