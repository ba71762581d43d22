"""The grammar of a sentence: known words to clauses with what is mentioned, how strongly, on which side, denied or not, in which order."""

import re
from dataclasses import replace

from controllers.clock_times import clock_time, closed, count_or_share
from controllers.expression import parse_codes
from controllers.lexicon import NEAR, Match, Meaning
from controllers.mentions import Clause, Loose, Mention, Modifiers, Window, without_empty
from controllers.sequences import in_turn, repeated, with_beginning
from controllers.states import Concept, actions
from controllers.understanding import Understanding
from emohead.errors import InputError

EMPHASIS = 1.15
"""Factor of capitals and of two or more exclamation marks."""
NOT_VERY = 0.3
"""Intensity of `not very happy`: a denied intensity word weakens instead of denying."""
_STRONG = 0.75
_SPEEDS = {"fast": "fast", "slow": "slow", "turn": "turn", "burst": "fast"}
_WINDOWS = {
    "at_start": Window(0.0, 0.25), "at_middle": Window(0.375, 0.625), "at_end": Window(0.75, 1.0), "throughout": Window(0.0, 1.0),
}  # fmt: skip
_LENGTHS = {"brief": 0.8, "second": 1.0, "long": 3.0}
BREAKS, PAUSES = frozenset(".!?;"), frozenset(",:()\u2014")
_REGIONS = {"eyes": "upper", "eye": "upper", "gaze": "upper", "mouth": "lower", "lips": "lower"}
_SUBJECTS, _ALTERNATIVES = frozenset({"he", "she", "they"}), frozenset({"and", "or"})
_STOPPING = ("stop", "quit", "cease")
_COPULAS, _OWNERS = frozenset({"is", "are", "was", "were"}), frozenset({"his", "her", "their", "its", "the", "both"})
CODE = re.compile(r"au\d{1,2}[lr]?(?:\s*=\s*\d*\.?\d+)?", re.IGNORECASE)
"""An action unit by its number, with or without an intensity."""
_USUAL = 0.6
"""Its intensity without one."""


class Reader:
    """Walks over the tokens once; lives for one sentence."""

    def __init__(self, understanding: Understanding, spelt: list[str]) -> None:
        self.understanding, self.lexicon = understanding, understanding.lexicon
        self.spelt, self.tokens = spelt, [token.lower() for token in spelt]
        self.clauses: list[Clause] = [Clause()]
        self.place = self.segment = self.cursor = 0
        self.unknown: list[tuple[str, str, str]] = []
        self.guessed: list[tuple[str, str]] = []
        self.loose: list[Loose] = []
        self.begun = self.denied = 0
        """Index of the segment's first token, and of the last negator."""
        self.listed: set[int] = set()
        """Segments that a comma begins."""
        self.first_side = ""
        self.negated = self.denies = self.describes_thing = self.from_pending = self.swap_pending = self.subordinate = False
        self.held_back = False
        self.mixture = 1.0
        self.shouting = any(word.islower() for word in spelt)
        self._forget_modifiers()
        self.window: Window | None = None
        self.length: float | None = None
        self.repeated = False
        self.alternating = self.at_first = False

    @property
    def clause(self) -> Clause:
        return self.clauses[self.place]

    def read(self, *, loud: bool) -> list[Clause]:
        """All clauses; `unknown` and `first_side` are filled on the way."""
        while self.cursor < len(self.tokens):
            self.cursor = self._step(self.cursor)
        self._end_segment()
        self.clause.stop = len(self.tokens)
        if len(self.clauses) == 1 and not (self.clause.mentions or self.denies or self.describes_thing):
            self._ask_again()
        if self.at_first and sum(bool(clause.mentions) for clause in self.clauses) == 1:
            self.cursor -= 1
            self._undo()  # `Smiling at first`: not to the end.
        self._close_windows()
        self.clauses = with_beginning(in_turn(self.clauses, self.listed), stops=self._stops())
        if self.alternating:
            self.clauses += repeated(self.clauses[-2:])
        for clause in self.clauses:
            self._reread(clause)
        clauses = without_empty(self.clauses)
        if loud:
            for mention in (mention for clause in clauses for mention in clause.mentions):
                mention.gain *= EMPHASIS
        return clauses

    def _step(self, index: int) -> int:
        token = self.tokens[index]
        after = self._clock(index) or self._number(index)
        if after is not None:
            return after
        if token in BREAKS or token in PAUSES:
            self._punctuation(index)
            return index + 1
        if CODE.fullmatch(token):
            self._code(index)
            return index + 1
        found = self.lexicon.match(self.tokens, index)
        if found is None:
            self._unknown_word(index)
            return index + 1
        if self.from_pending and token == "to" and self.clause.mentions and found.meaning.kind == "ignore":
            self._next_clause("turn")
            self.from_pending = False
        self.from_pending = self.from_pending or token == "from"
        self._apply(found.meaning, index, found)
        return found.stop

    def _apply(self, meaning: Meaning, index: int, found: Match) -> None:
        kind, value = meaning.kind, meaning.value
        if kind in ("negator", "intensity", "comparative", "side", "mixture") and self.since is None:
            self.since = index
        if kind in ("state", "action"):
            self._mention(meaning, index, found)
        elif kind == "time" and self._is_ordinal(index):
            self._leave_loose(index, "plain")
        elif kind == "time":
            self._time(str(value))
        elif kind == "negator":
            self.negated, self.denied, self.denies = True, index, True
        elif kind == "held back":
            self.held_back = True
        elif kind == "intensity":
            self.intensities.append(float(value))
        elif kind == "comparative":
            self.factor *= float(value)
        elif kind == "side":
            self._side(str(value))
        elif kind == "mixture":
            self.mixture = float(value)
        elif kind == "with" and self.alternating and self.tokens[index] in _ALTERNATIVES and self.clause.mentions:
            self._next_clause("turn")
        elif kind == "with":
            self._end_segment()
            if meaning.phrase in self.lexicon.scope_end:
                self.negated = False
        elif kind == "ignore":
            self._pass_over(self.tokens[index])
        elif kind in ("people", "scenery"):
            self._leave_loose(index, "plain")

    def _stops(self) -> bool:
        """Whether the last denial is an ending."""
        return self.denies and self.tokens[self.denied].startswith(_STOPPING)

    def _is_ordinal(self, index: int) -> bool:
        """`First` as a number of things: `takes the first steps`."""
        return self.tokens[index] == "first" and bool(_OWNERS & set(self.tokens[max(index - 1, 0) : index]))

    def _code(self, index: int) -> None:
        """`AU12=0.6`, `AU4L`: an action unit by its number."""
        code, _, value = "".join(self.tokens[index].split()).partition("=")
        try:
            expression = parse_codes(f"{code}={value or _USUAL}")
        except InputError:
            self.unknown.append((self.spelt[index], "", ""))
            return
        self._add(Concept(code.upper(), expression, is_state=False), 1.0, "", "", (index, index + 1))

    def _pass_over(self, token: str) -> None:
        """A word that means nothing by itself: a part of the face, or the subject of a clause that begins here."""
        if token not in _SUBJECTS:
            self.region = _REGIONS.get(token, self.region)
            return
        self.region = ""
        if self.subordinate and self.clause.mentions:
            # After being sad [she] is happy: the main clause begins, with or without a comma.
            self._end_segment()
            self._end_subordinate()

    def _end_subordinate(self) -> None:
        self._next_clause("")
        if self.swap_pending:
            self.clauses.insert(self.place - 1, self.clauses.pop(self.place))
            self.place -= 1

    def _mention(self, meaning: Meaning, index: int, found: Match) -> None:
        concept = meaning.concept
        assert concept is not None
        if meaning.phrase in self.lexicon.ambiguous and self.lexicon.is_thing(self.tokens, found.stop):
            self.describes_thing = True
            return self._leave_loose(index, "thing")  # A blue coat, a warm room: the word is about the thing.
        if meaning.phrase in self.lexicon.doings and self.lexicon.is_object(self.tokens, found.stop):
            return self._leave_loose(index, "event")  # Lost the keys, moved the chair: the word is about what was done.
        for inner in found.inside:
            inner_match = self.lexicon.match(self.tokens[: inner + 1], inner)
            if inner_match and inner_match.meaning.kind in ("side", "intensity"):
                self._apply(inner_match.meaning, inner, inner_match)
            elif inner_match and inner_match.meaning.value in ("fast", "slow"):
                self.clause.speed = self.clause.speed or str(inner_match.meaning.value)
        if concept.side:
            self._side(concept.side)
        shouted = self.shouting and any(word.isupper() and len(word) > 2 for word in self.spelt[index : found.stop])
        region = _REGIONS.get(self.tokens[found.stop] if found.stop < len(self.tokens) else "", self.region) if concept.is_state else ""
        side = concept.side or self.side or self._one_of_two(index, found)
        gain = float(meaning.value) * (EMPHASIS if shouted else 1.0)
        first = index if self.since is None else min(index, self.since)
        if self.negated and self.held_back:
            self.negated = self.held_back = False  # Not holding back her laughter.
        self._add(concept, gain, side, region, (first, found.stop))
        mention = self.clause.mentions[-1]
        mention.weak, mention.held_back, self.held_back = meaning.phrase in self.lexicon.doings, self.held_back, False

    def _add(self, concept: Concept, gain: float, side: str, region: str, place: tuple[int, int]) -> None:
        """A mention, with what was said before it."""
        negated = self.negated
        if negated and self.intensities and max(self.intensities) >= _STRONG:
            negated, self.intensities = False, [NOT_VERY]
        mention = Mention(concept, 0.0, negated, side, region, self.segment, *place)
        mention.gain = gain * self.factor * self.mixture * self._intensity(concept)
        self.clause.mentions.append(mention)
        if self.window is not None:
            self.clause.windows[self.segment] = self.window
        if self.length is not None:
            self.clause.lengths[self.segment] = self.length
        if self.repeated:
            self.clause.repeated.add(self.segment)
        self.window, self.length, self.repeated = None, None, False
        self._forget_modifiers()

    def _one_of_two(self, index: int, found: Match) -> str:
        """`one` for a single eyebrow that is not said to be the left or the right one."""
        words = self.tokens[max(index - 1, 0) : found.stop]
        return "one" if "eyebrow" in words and not {"a", "an"}.isdisjoint(words) else ""

    def _intensity(self, concept: Concept) -> float:
        """The multiplier of the intensity words before a mention: the last one counts, further strong ones add a little."""
        bare = self.lexicon.bare_intensity
        intensity = self.intensities[-1] + 0.03 * sum(value >= _STRONG for value in self.intensities[:-1]) if self.intensities else bare
        return intensity if concept.is_state else intensity / bare

    def _time(self, operation: str) -> None:
        if self.loose and self._last_in_segment() is None:
            self._guess()
        current = self._last_in_segment()
        if operation == "ending":
            operation = "next" if self.clause.mentions else "at_end"
        if operation in _WINDOWS:
            self._pin(_WINDOWS[operation], current)
        elif operation == "alternating":
            self.alternating = True
        elif operation == "undone":
            self._undo()
        elif operation in _LENGTHS and current is None:
            self.length = _LENGTHS[operation]
        elif operation in _LENGTHS and current is not None:
            self.clause.lengths[current.segment] = _LENGTHS[operation]
        elif operation == "repeated":
            if current is None:
                self.repeated = True
            else:
                self.clause.repeated.add(current.segment)
        elif operation in ("fast", "slow"):
            if self.clause.mentions and (current is None or self._goes_on()):
                self._next_clause(operation)
            else:
                self.clause.speed = operation
        elif operation in ("after", "previous", "before") and not self.clause.mentions:
            # The subordinate clause comes first in the sentence; the main one follows its comma.
            self.subordinate, self.swap_pending = True, operation == "before"
        elif operation == "previous":
            self._next_clause("")
            self.clauses.insert(self.place - 1, self.clauses.pop(self.place))
            self.place -= 1
        else:
            self.at_first = self.at_first or operation == "at_first"
            self._next_clause(_SPEEDS.get(operation, ""))

    def _undo(self) -> None:
        """`Smiles, then drops it`: what was asked for last ends."""
        last = next((mention for clause in reversed(self.clauses) for mention in reversed(clause.mentions)), None)
        if last is not None and not last.negated:
            self._next_clause("")
            self.clause.mentions.append(replace(last, negated=True, segment=self.segment, first=self.cursor, stop=self.cursor + 1))
            self._next_clause("")

    def _goes_on(self) -> bool:
        """Whether another mention, or a change, follows the current word before the next pause."""
        for index in range(self.cursor + 1, len(self.tokens)):
            found = None if self.tokens[index] in BREAKS | PAUSES else self.lexicon.match(self.tokens, index)
            if found is not None and found.meaning.value in ("turn", "burst"):
                return True
            if found is None or found.meaning.kind in ("with", "time", "people", "scenery"):
                return False
            if found.meaning.kind in ("state", "action"):
                return True
        return False

    def _clock(self, index: int) -> int | None:
        """A time in seconds, for the mention just made or for the next one; the index after it, or nothing when none stands here."""
        found = clock_time(self.tokens, index)
        current = self._last_in_segment()
        if found is None or (current is None and self.tokens[index] == "("):
            return None
        if found.kind == "later":
            self._next_clause("")
        elif found.kind == "window":
            self._pin(found.window, current)
        elif current is None:
            self.length = found.window.last
        else:
            self.clause.lengths[current.segment] = found.window.last
        return index + found.n_tokens

    def _number(self, index: int) -> int | None:
        """`70 percent` of the next mention, or of the last one; `twice`, `three times`, of the last one; the index after it."""
        found, current = count_or_share(self.tokens, index), self._last_in_segment()
        if found is None or (found.times and current is None):
            return None
        if current is not None and found.times:
            self.clause.counts[current.segment] = found.times
        else:
            self.intensities.append(found.share)
            self.since = index if self.since is None else self.since
        return index + found.n_tokens

    def _close_windows(self) -> None:
        placed = [(clause, segment) for clause in self.clauses for segment in clause.windows]
        for (clause, segment), window in zip(placed, closed([clause.windows[segment] for clause, segment in placed]), strict=True):
            clause.windows[segment] = window

    def _pin(self, window: Window, current: Mention | None) -> None:
        """A window for the mention just made or for the next one."""
        if current is None:
            self.window = window
        else:
            self.clause.windows[current.segment] = window

    def _side(self, value: str) -> None:
        side = {"R1": "one", "both": ""}.get(value, value)
        if side == "one" and self.side:
            return  # The right one.
        if {side, self.side} == {"L", "R"}:
            side = ""  # The left and the right eyebrow.
        if side in ("L", "R") and not self.first_side:
            self.first_side = side
        self.side = side
        self.sided = True

    def _punctuation(self, index: int) -> None:
        self._end_segment()
        self.negated = self.held_back = False
        if self.tokens[index] == ",":
            self.listed.add(self.segment)
        if self.subordinate and self.clause.mentions:
            self._end_subordinate()
        elif self.tokens[index] in BREAKS and not self._describes(index + 1):
            self._next_clause("")

    def _describes(self, index: int) -> bool:
        """Whether the next sentence goes on describing (`Her eyes are wet.`) instead of going on in time."""
        stop = next((i for i in range(index, len(self.tokens)) if self.tokens[i] in BREAKS), len(self.tokens))
        words = self.tokens[index:stop]
        return bool(words) and words[0] in _OWNERS and not _COPULAS.isdisjoint(words)

    def _next_clause(self, speed: str) -> None:
        self._end_segment()
        self.negated = self.subordinate = self.held_back = False
        self.mixture = 1.0
        if self.clause.mentions:
            self.clause.stop = self.cursor
            self.place += 1
            self.clauses.insert(self.place, Clause())
        self.clause.first = self.cursor
        if speed and not (speed == "turn" and self.clause.speed):
            # `Slowly becomes sad`: the adverb outweighs the verb.
            self.clause.speed = speed

    def _end_segment(self) -> None:
        """What was said after a mention (`smiles slightly`, `winks on the left`) belongs to it; loose words may have a meaning together."""
        if self.loose:
            self._guess()
            self._list_unknown()
        self.begun = self.cursor
        last = self._last_in_segment()
        if last is not None:
            if self.intensities or self.factor != 1.0:
                last.gain *= self.factor * self._intensity(last.concept) / (self.lexicon.bare_intensity if last.concept.is_state else 1.0)
            if self.sided and not last.concept.side:
                last.side = self.side
            if self.since is not None:
                last.stop = max(last.stop, self.cursor)
            self._forget_modifiers()
        elif self.sided and self.clause.mentions and not self.clause.mentions[-1].side:
            # `Winks with the left eye`: the side stands in a stretch of its own.
            self.clause.mentions[-1].side = self.side
            self.clause.mentions[-1].stop = self.cursor
            self._forget_modifiers()
        elif self.sided and self.clause.mentions and self.clause.mentions[-1].concept.side:
            if self._repeat_to_other_side(self.clause.mentions[-1]):
                self.listed.add(self.segment)  # Left and right: not at once.
        elif self.sided and not self.clause.mentions and self.place and self.clauses[self.place - 1].mentions:
            self._repeat_to_other_side(self.clauses[self.place - 1].mentions[-1])
        self.segment += 1

    def _repeat_to_other_side(self, previous: Mention) -> bool:
        """`Looks left, then right`, `the left eyebrow, then the right one`, `then both`: the side alone repeats the movement."""
        if not self.side:
            return self._repeat_on_both_sides(previous)
        word = {"L": "left", "R": "right"}.get(self.side, "")
        concept = actions().get(re.sub(r"\b(left|right)\b", word, previous.concept.name))
        if concept is None or {previous.side, self.side} != {"L", "R"} or concept.side != (previous.concept.side and self.side):
            return False
        self._repeat(replace(previous, concept=concept, side=self.side))
        return True

    def _repeat_on_both_sides(self, previous: Mention) -> bool:
        if not previous.side or previous.concept.side or previous.concept.gesture:
            return False
        self._repeat(replace(previous, side=""))
        return True

    def _repeat(self, mention: Mention) -> None:
        first = self.cursor - 1 if self.since is None else self.since
        self.clause.mentions.append(replace(mention, negated=self.negated, segment=self.segment, first=first, stop=self.cursor))
        self._forget_modifiers()

    def _last_in_segment(self) -> Mention | None:
        mentions = self.clause.mentions
        return mentions[-1] if mentions and mentions[-1].segment == self.segment else None

    def _unknown_word(self, index: int) -> None:
        token, spelt = self.tokens[index], self.spelt[index]
        near = self.lexicon.nearest(token) if len(token) >= 4 else None
        opposite = self.lexicon.match([token[2:]], 0) if token.startswith("un") and len(token) > 5 else None
        if opposite and opposite.meaning.kind in ("state", "action"):
            was_negated, self.negated = self.negated, True
            self._apply(opposite.meaning, index, replace(opposite, stop=index + 1))
            self.negated = was_negated
        elif near and near[1] >= NEAR and token not in self.understanding.english:
            self.unknown.append((spelt, near[0].phrase, ""))
            self._apply(near[0], index, Match(near[0], index + 1, ()))
        elif not self._is_name(index):
            self._leave_loose(index, "unknown")

    def _leave_loose(self, index: int, kind: str) -> None:
        self.loose.append(Loose(index, kind, self._modifiers()))
        self._forget_modifiers()

    def _guess(self) -> None:
        """Loose words may have a meaning together; here they have none."""

    def _list_unknown(self) -> None:
        self.unknown += [(self.spelt[loose.index], "", "") for loose in self.loose if loose.kind == "unknown"]
        self.loose = []

    def _ask_again(self) -> None:
        """A sentence without a known word may mean something as a whole; here it does not."""

    def _reread(self, clause: Clause) -> None:
        """A whole clause may mean more than its words; here it does not."""

    def _modifiers(self) -> Modifiers:
        return Modifiers(tuple(self.intensities), self.factor, self.side, self.region, self.since)

    def _remember(self, modifiers: Modifiers) -> None:
        self.intensities, self.factor = list(modifiers.intensities), modifiers.factor
        self.side, self.sided, self.region, self.since = modifiers.side, bool(modifiers.side), modifiers.region, modifiers.since

    def _is_name(self, index: int) -> bool:
        """A number, or a capitalised word within a sentence: names say nothing about a face."""
        spelt = self.spelt[index]
        inside = index > 0 and self.tokens[index - 1] not in BREAKS
        return spelt[0].isdigit() or (inside and spelt[0].isupper() and spelt[1:].islower())

    def _forget_modifiers(self) -> None:
        self.intensities: list[float] = []
        self.factor = 1.0
        self.side = ""
        self.sided = False
        self.region = ""
        self.since: int | None = None
