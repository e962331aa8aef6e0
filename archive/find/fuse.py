"""Scores of words, vectors and literals to one order. Pure. docs/adr/0027-hybrid-search.md has what was tried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

Key = tuple[str, str]
"""Exchange and session."""

BEST = 200
"""Exchanges of each side whose scores are made comparable, by the least and the most of them."""
BOOST = 3.0
"""Of a literal that is found, against 1.0 for the best of the other two sides."""
SESSION = (1.0, 0.3, 0.15)
"""What the best exchanges of a session count."""
TOGETHER, TOGETHER_WITHIN = 0.15, 0.4
"""What the words that the best exchanges of a session hold together add to it, in the whole archive and among the rows
that pass the filters: a question is often answered in several turns, none of which has all of its words. Nothing for a
query that names something literally: that stands in one place."""
PROSE, WITHIN, CODE = 0.5, 0.3, 0.2
"""Weight of the vectors: for queries in prose, for those whose words were counted among the rows that pass the filters,
and for those that name something literally."""
COVERED = 0.3
"""Part of the weight of a query's words from which on they count fully: where the best exchange has only the commonest
of them, the order by words tells little."""


class Lexical(msgspec.Struct, frozen=True):
    """An exchange by its words: its score, and what each word of the query gives, saturated and without its idf."""

    score: float
    parts: Sequence[float]


class Scored(msgspec.Struct, frozen=True):
    """An exchange with its score, and what each side has given."""

    exchange_id: str
    session_id: str
    score: float
    words: float = 0.0
    meaning: float = 0.0
    exact: float = 0.0

    @property
    def why(self) -> list[str]:
        """The sides that found it, the strongest first."""
        sides = {"exact": self.exact, "words": self.words, "meaning": self.meaning}
        return sorted((name for name, value in sides.items() if value > 0), key=lambda name: -sides[name])


def normalised(scores: Mapping[Key, float]) -> dict[Key, float]:
    """The best of them between 0 and 1: the best has 1, the last of a full list 0."""
    top = sorted(scores.items(), key=lambda item: -item[1])[:BEST]
    if not top:
        return {}
    low, high = (top[-1][1] if len(top) == BEST else 0.0), top[0][1]
    return {key: (score - low) / (high - low) if high > low else 1.0 for key, score in top}


def weight(*, code: bool, within: bool, covered: float) -> float:
    """Share of the vectors in the sum; `covered` is the best score by words against the weight of all words.

    >>> [round(weight(code=False, within=False, covered=covered), 2) for covered in (1.0, 0.15, 0.0)]
    [0.5, 0.75, 1.0]
    """
    return 1 - (1 - (CODE if code else WITHIN if within else PROSE)) * min(1.0, covered / COVERED)


def fused(
    words: Mapping[Key, float], meaning: Mapping[Key, float], exact: Mapping[Key, float], share: float
) -> list[Scored]:
    """All exchanges, best first; `share` is the weight of the vectors."""
    lexical, vectors = normalised(words), normalised(meaning)
    found = []
    for key in lexical.keys() | vectors.keys() | exact.keys():
        parts = (1 - share) * lexical.get(key, 0.0), share * vectors.get(key, 0.0), BOOST * exact.get(key, 0.0)
        found.append(Scored(*key, sum(parts), *parts))
    return sorted(found, key=lambda one: (-one.score, one.exchange_id, one.session_id))


def together(exchanges: Iterable[Scored], lexical: Mapping[Key, Lexical], idf: Sequence[float]) -> dict[str, float]:
    """What the best exchanges of each session give together, each word where it is given most: the session with most of
    it has 1, the one with least 0. Of `exchanges`, the best first, those count that hold words."""
    of: dict[str, list[Sequence[float]]] = defaultdict(list)
    for one in exchanges:
        held = lexical.get((one.exchange_id, one.session_id))
        if held and len(of[one.session_id]) < len(SESSION):
            of[one.session_id].append(held.parts)
    sums = {
        session: sum(weight_ * max(parts) for weight_, *parts in zip(idf, *found, strict=True))
        for session, found in of.items()
        if found
    }
    low, high = min(sums.values(), default=0.0), max(sums.values(), default=0.0)
    return {session: (value - low) / (high - low) for session, value in sums.items()} if high > low else {}


def by_session(exchanges: Iterable[Scored], held: Mapping[str, float], share: float) -> list[Scored]:
    """The best exchange of each session, with the score of the session, best first; `held` is what its exchanges hold
    together, and `share` the weight of that."""
    of: dict[str, list[Scored]] = defaultdict(list)
    for one in exchanges:
        of[one.session_id].append(one)
    best = []
    for session, found in of.items():
        score = sum(one.score * part for one, part in zip(found, SESSION, strict=False))
        best.append(msgspec.structs.replace(found[0], score=score + share * held.get(session, 0.0)))
    return sorted(best, key=lambda one: (-one.score, one.session_id))


def by_exchange(exchanges: Iterable[Scored]) -> list[Scored]:
    """Each exchange once."""
    once: dict[str, Scored] = {}
    for one in exchanges:
        once.setdefault(one.exchange_id, one)
    return list(once.values())
