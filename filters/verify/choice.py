r"""``choice``: the letter of a multiple-choice answer, several letters, or one of two words.

A claim names a letter as ``B``, ``(B)``, ``B.``, ``B: text``, ``option B``, ``\boxed{\text{B}}`` or
by the exact text of one choice. Without a marked claim, a line of its own (``B.``, ``(B) text``)
counts if no other line names another letter. Guessing must not pay, so the rule is stricter than
for numbers: all claims of the strongest kind must name the same letter. Two letters, a letter that
is not among the choices, a letter next to the text of another choice, and a letter that is taken
back (``B) not``) are UNPARSED. In words behind a letter another one counts where it is marked or
joined (``(C)``, ``or C``), unless they are the choice's own text (``(B) vitamins A and C``).

A gold of several (``A, C``, ``AC``, ``["A", "C"]``, the texts joined by commas) takes an answer
that names exactly these, in any order; some of them or more than them is WRONG, "or" and "not both"
are hedges. A gold of ``yes``, ``no``, ``true`` or ``false`` without choices takes that word, and
neither its opposite nor both.

A gold that names no choice is UNVERIFIABLE. A problem without choices takes any letter. Not
covered: numbered choices ("option 2"), texts of several choices that contain commas or "and".
"""

import re
import string
import time
from collections.abc import Sequence

from filters.verify.exact import normal
from filters.verify.extract import Claim, strong_claims, unwrap, visible, weak_claims
from filters.verify.verdicts import shorten, unanswered, verdict
from rsfactory.records import Candidate, Outcome, Problem, Verdict

_ALONE = re.compile(r"(?:(?:option|choice|letter|answer)\s+)?[(\[{]?([A-Za-z])[)\]}]?[.:,]?", re.I)
_WITH_TEXT = re.compile(
    r"(?:(?:option|choice)\s+)?(?:\(([A-Za-z])\)|([A-Z])[.):])[\s:.-]*(\S.*)", re.S
)
_NAMED = re.compile(r"(?:option|choice|letter)\s+(?:\(([A-Z])\)|([A-Z])\b\)?)(.*)", re.I | re.S)
_JOINED = (
    r"(?i:\s{0,3}(?:[,;.]\s{0,3}){0,3}(?:\b(?:or|and)\b|&|\s/)[\s,;/]{0,4}"
    r"(?:(?:maybe|perhaps|possibly|even)\s+)?(?:(?:option|choice|letter|answer)\s+)?)"
)
_VERB = r"(?!\W{0,2}\s*(?:is|are|was|were|do|does|did|can|cannot|could|would|has|have|isn|doesn)\b)"
_MORE = re.compile(
    rf"{_JOINED}(?:\(([A-Z])\)|([B-HJ-Z])\b|(A)(?=[.):,;]|\s*$|\s+(?:or|and)\b)){_VERB}"
)
"""Another letter behind one: ``or C``, ``. and (C)``; ``A`` may be an article, ``I`` a pronoun.

Of a letter with a verb (``B, and C is wrong``) something else is said.
"""
_ONE_MORE = re.compile(r"\s*[,;.]\s*\(?[A-Z]\)?\W*$")
_INSTEAD = re.compile(r"\b(?:not|rather than|instead of|unlike)\s+\(?[A-Z]\b\)?", re.I)
_MARKED = re.compile(
    r"\(([A-Z])\)|(?:^|[,;/&\n]|\bor\b|\band\b)\s*([A-Z])[.):](?=\s|$)|[,;]\s*([A-HJ-Z])\s*$"
)
"""A letter in brackets, one that begins an item of a list, one that ends a list."""
_TAKEN_BACK = re.compile(
    r"\W*(?:(?:is|are|was)\s+)?not\b\W*(?:$|(?:the\s+)?(?:correct|right|true|answer)\b)"
    r"|\W*(?:is|are|was)\s+(?:no|wrong|incorrect|false)\b\W*$",
    re.I,
)
_DENIED = re.compile(r"\W*(?:no|never|wrong|incorrect|false)\b\W*$", re.I)
"""Taken back too, where the choices are known and this is not the text of the one."""
_NOT_ALL = re.compile(r"\bor\b|\beither\b|\bnot (?:both|all|together)\b|\bone of\b", re.I)
_SEVERAL = re.compile(r"\(?\b[A-Z]\b\)?(?:\s*(?:,|/|&|and|or)\s*\(?\b[A-Z]\b\)?)+")
_LONGEST = 2000
"""Characters of a claim or line that are looked at."""
HEDGE = "?"
"""Stands for a claim that names more than one letter, or contradicts itself."""
PAIRS = (("yes", "no"), ("true", "false"))
"""Words that are choices where a problem lists none."""

_JOINT = re.compile(r"\s*(?:[,;/&+\n]|\band\b)[\s,;]*(?:and\b\s*)?", re.I)
_TOGETHER = re.compile(r"(?:(?:options?|choices?|letters?|answers?)\s+)?([A-Z]{2,26})")


class ChoiceVerifier:
    """One letter among choices, or exactly these letters, or a word of a pair."""

    name = "choice"
    version = "3"

    def quick(self, problem: Problem, candidate: Candidate) -> Verdict:
        """The verdict: all of it is bounded work."""
        began = time.monotonic()
        pair = _pair(problem)
        gold = problem.answer.strip().casefold() if pair else _gold(problem)
        if gold is None:
            reason = f"the gold answer {shorten(problem.answer)!r} is none of the choices"
            return verdict(self, candidate, Outcome.UNVERIFIABLE, reason, began=began)
        text = visible(candidate.completion)
        named = _words(text, pair) if pair else _answers(text, problem.choices, len(gold) > 1)
        if not named:
            what = "word" if pair else "letter"
            return unanswered(self, candidate, f"no {what} is claimed", began=began)
        extracted = ", ".join(sorted(named))
        answer = named.pop()
        allowed = pair or _allowed(problem.choices)
        if named or HEDGE in answer:
            reason = "more than one letter is claimed, one with another's text, or one taken back"
        elif answer not in allowed and not (len(answer) > 1 and set(answer) <= set(allowed)):
            reason = f"{answer} is not among the choices"
        else:
            outcome = Outcome.CORRECT if answer == gold else Outcome.WRONG
            reason = f"{answer} {'is' if answer == gold else 'is not'} {gold}"
            return verdict(self, candidate, outcome, reason, extracted=answer, began=began)
        return verdict(self, candidate, Outcome.UNPARSED, reason, extracted=extracted, began=began)

    verify = quick


def _pair(problem: Problem) -> tuple[str, str] | None:
    """The pair of words that a problem without choices asks for, by its gold."""
    gold = problem.answer.strip().casefold()
    return next((pair for pair in PAIRS if gold in pair and not problem.choices), None)


def _words(text: str, pair: tuple[str, str]) -> set[str]:
    """Words of a pair that the claims of the strongest kind name."""
    strong = strong_claims(text)
    if strong and strong[-1].text is None:
        return set()
    lines = [line for line in text[-_LONGEST:].splitlines() if normal(line) in pair]
    for claims in ([c.text for c in strong], [c.text for c in weak_claims(text)], lines):
        if named := {_word(claim, pair) for claim in claims if claim} - {""}:
            return named
    return set()


def _word(claim: str, pair: tuple[str, str]) -> str:
    """The word of the pair that a claim begins with; `HEDGE` for both, empty for none."""
    words = re.findall(r"[^\W\d_]+", unwrap(claim[:_LONGEST]).casefold())[:8]
    if not words or words[0] not in pair:
        return ""
    return HEDGE if set(pair) <= set(words) else words[0]


def _answers(text: str, choices: Sequence[str], several: bool) -> set[str]:
    """What the claims name: a letter each, or with a gold of several each claim's letters."""
    if not several:
        return _letters(text, choices)
    strong = strong_claims(text)
    if strong and strong[-1].text is None:
        return set()
    last = text.strip().rpartition("\n")[2]
    weak = weak_claims(text, short_label=False)
    whole = [f"{c.text}{text[c.end :].partition(chr(10))[0]}" for c in weak]
    for claims in ([c.text for c in strong], whole, [c.text for c in weak], [last]):
        if named := {_joint(claim, choices) for claim in claims if claim} - {None}:
            return {letters for letters in named if letters}
    return set()


def _joint(claim: str, choices: Sequence[str]) -> str | None:
    """Letters that one claim names together, sorted; None where it is not a list of choices."""
    text = unwrap(claim[:_LONGEST])
    if one := _by_text(text, choices):
        return one
    if (run := _TOGETHER.fullmatch(text)) and len(set(run[1])) == len(run[1]):
        return "".join(sorted(run[1]))
    if _NOT_ALL.search(text):
        return HEDGE
    parts = [_letter(part, choices) for part in _JOINT.split(text) if part.strip()]
    if not parts or None in parts:
        return None
    return "".join(sorted({part for part in parts if part}))


def _allowed(choices: Sequence[str]) -> str:
    return string.ascii_uppercase[: len(choices)] if choices else string.ascii_uppercase


def _gold(problem: Problem) -> str | None:
    """The gold's letter or letters, sorted; None where it names a thing that is no choice."""
    text = unwrap(re.sub(r"[\[\]\"']", " ", problem.answer).strip())
    found = _ALONE.fullmatch(text)
    if found and found[1].upper() in _allowed(problem.choices):
        return found[1].upper()
    if one := _by_text(problem.answer, problem.choices):
        return one
    together = _joint(text, problem.choices)
    if together is None or len(together) < 2 or not set(together) <= set(_allowed(problem.choices)):
        return None
    return together


def _by_text(text: str, choices: Sequence[str]) -> str | None:
    """Letter of the one choice with exactly this text."""
    hits = [i for i, choice in enumerate(choices) if normal(choice) == normal(text) != ""]
    return string.ascii_uppercase[hits[0]] if len(hits) == 1 and hits[0] < 26 else None


def _letters(text: str, choices: Sequence[str]) -> set[str]:
    """Letters that the claims of the strongest kind name."""
    strong = strong_claims(text)
    if strong and strong[-1].text is None:
        return set()
    return _named(strong, choices) or _weakly_named(text, choices) or _own_lines(text, choices)


def _named(claims: Sequence[Claim], choices: Sequence[str]) -> set[str]:
    letters = (_letter(claim.text, choices) for claim in claims if claim.text is not None)
    return {letter for letter in letters if letter is not None}


def _weakly_named(text: str, choices: Sequence[str]) -> set[str]:
    """Letters of weak claims; a claim may end before an "or" that goes on with another letter."""
    claims = weak_claims(text, short_label=False)
    named = _named(claims, choices)
    behind = [text[claim.end : claim.end + 60].partition("\n")[0] for claim in claims]
    goes_on = any(_MORE.match(words) or _ONE_MORE.match(words) for words in behind)
    return {HEDGE} if named and goes_on else named


def _letter(claim: str, choices: Sequence[str]) -> str | None:
    """The letter one claim names, `HEDGE` for several, None for none."""
    text = unwrap(claim[:_LONGEST])
    if by_text := _by_text(text, choices):
        return by_text
    if several := _SEVERAL.match(text):
        letters = set(re.findall(r"\b[A-Z]\b", several[0]))
        return HEDGE if len(letters) > 1 else letters.pop()
    if found := _ALONE.fullmatch(text):
        return found[1].upper()
    if found := _WITH_TEXT.match(text):
        return _with_words((found[1] or found[2]).upper(), found[3], choices)
    if found := _NAMED.match(text):
        return _with_words((found[1] or found[2]).upper(), found[3], choices)
    return None


def _with_words(letter: str, words: str, choices: Sequence[str]) -> str:
    """The letter that words follow, or `HEDGE` where they name another or take it back."""
    if named := _by_text(words, choices) or _bare(words, choices):
        return letter if named == letter else HEDGE
    place = string.ascii_uppercase.index(letter)
    own = choices[place].casefold() if place < len(choices) else ""
    says_own = words.casefold().startswith(own)
    rest = words[len(own) :] if says_own else words
    if _TAKEN_BACK.match(rest) or (choices and _DENIED.match(rest)):
        return HEDGE
    if own and (words.casefold() == f"not {own}" or (says_own and _joins_text(rest, choices))):
        return HEDGE
    rest = _INSTEAD.sub(" ", rest)
    found = (*_MORE.finditer(rest), *_MARKED.finditer(rest))
    others = {group for match in found for group in match.groups() if group} - {letter}
    return HEDGE if others & set(_allowed(choices)) else letter


def _joins_text(rest: str, choices: Sequence[str]) -> bool:
    """Whether what follows a choice's text goes on with the text of a choice: ``, fish``."""
    joint = re.match(r"\s*(?:[,;/&]|\bor\b|\band\b)[\s,;]*(?:or\b|and\b)?", rest, re.I)
    return joint is not None and _by_text(rest[joint.end() :], choices) is not None


def _bare(words: str, choices: Sequence[str]) -> str | None:
    """The letter that words are, without any more."""
    found = _ALONE.fullmatch(words.strip())
    return found[1].upper() if found and found[1].upper() in _allowed(choices) else None


def _own_lines(text: str, choices: Sequence[str]) -> set[str]:
    """The letter of lines that are nothing but a choice; several letters are a mere list."""
    lines = [line.strip() for line in text[-_LONGEST:].splitlines()]
    marked = (line for line in lines if _ALONE.fullmatch(line) or _WITH_TEXT.match(line))
    named = {_letter(line, choices) for line in marked if not re.fullmatch(r"[a-z]|I", line)}
    if named and any(map(_MORE.match, lines)):
        return {HEDGE}
    if not named and len(lines) == 1:
        named = {_by_text(text, choices)}
    return {letter for letter in named if letter is not None} if len(named) == 1 else set()
