"""What the words mean that the grammar does not know: asked of a network, alone or with what is known as evidence."""

from dataclasses import replace

from controllers.expression import Expression, merged, scaled
from controllers.mentions import Clause, Loose, Mention, Modifiers, runs
from controllers.states import actions, states
from controllers.text_reader import BREAKS, PAUSES, Reader

_NOT_BEING, _DOING = frozenset({"isn't", "aren't", "wasn't", "weren't"}), frozenset("do does did has have had can could will would".split())
_FRAMING = frozenset("look looks seem seems appear appears feel feels sound sounds show shows be get".split())


class GuessingReader(Reader):
    """A reader that asks the network about what it does not know."""

    def _guess(self) -> None:
        """Asks what the loose words mean: together with the whole stretch, or each run of them for itself beside a known wish."""
        if self._last_in_segment() is None:
            kinds = {loose.kind for loose in self.loose}
            # Plain words may tell something too (`just got the job`), but not with a thing among them (`a warm room`).
            if "thing" in kinds and kinds <= {"plain", "thing"}:
                return
            if self._take_for(self.loose, self._stretch(), plain=kinds == {"plain"}):
                self.loose = []
            return
        weak = [mention for mention in self.clause.mentions if mention.segment == self.segment]
        if all(mention.weak for mention in weak) and self._take_for(self.loose, self._stretch()):
            # His team lost in the last minute: not the mood `lost`, but what happened.
            self.clause.mentions = [mention for mention in self.clause.mentions if mention not in weak]
            self.loose = []
            return
        if len(weak) == 1 and self._colour(weak[0]):
            return
        for run in runs([loose for loose in self.loose if loose.kind == "unknown"]):
            text = " ".join(self.tokens[loose.index] for loose in run)
            if self.understanding.names(text) and self._take_for(run, text):
                self.loose = [loose for loose in self.loose if loose not in run]

    def _colour(self, mention: Mention) -> bool:
        """Whether other words change what a known wish looks like: jealous `of his brother's new car`."""
        kinds = {loose.kind for loose in self.loose}
        if kinds in ({"thing"}, {"thing", "plain"}):
            return False
        if mention.negated or mention.held_back or mention.side or mention.concept.gesture:
            return False
        text = self._stretch()
        meant = None if self.understanding.is_scenery(self._rest(), plain=kinds == {"plain"}) else self.understanding.guess(text)
        if meant is None:
            return False
        mention.known = scaled(mention.concept.expression, min(mention.gain, 1.0))
        named = Expression() if mention.concept.is_state else mention.known
        mention.concept, mention.gain = replace(mention.concept, expression=meant.beside(mention.known, named)), 1.0
        self.guessed.append((text, mention.concept.name))
        self.loose = []
        return True

    def _ask_again(self) -> None:
        """Asks about the whole sentence, less strictly than about a part of one: there is no wish that the guess could spoil."""
        words = [Loose(index, "plain", Modifiers()) for index, token in enumerate(self.tokens) if token not in BREAKS | PAUSES]
        is_english = any(self.tokens[word.index] in self.understanding.english for word in words)
        if is_english and self._take_for(words, self._between(0, len(self.tokens)), alone=True):
            self.unknown = []

    def _take_for(self, words: list[Loose], text: str, *, plain: bool = False, alone: bool = False) -> bool:
        """Mentions what a stretch is taken for; whether it was taken for anything."""
        meant = self.understanding.guess(text, plain=plain, alone=alone)
        if meant is None:
            return False
        self.negated = self.negated and not self._denies_doing()
        held, begun = self._modifiers(), next((loose for loose in words if loose.kind != "plain"), words[0])
        first, stop, given = words[0].index, words[-1].index + 1, begun.modifiers
        start = first if given.since is None else min(first, given.since)
        name = meant.guesses[0].concept
        concept = states().get(name) or actions()[name]
        gain = 1.0 / self.lexicon.bare_intensity if concept.is_state else 1.0
        self.intensities, self.factor = list(given.intensities), given.factor
        self._add(replace(concept, expression=meant.face, side=self._named_side(text)), gain, given.side, given.region, (start, stop))
        self.clause.mentions[-1].known = Expression()
        self._remember(held)
        self.guessed.append((text, name))
        return True

    def _reread(self, clause: Clause) -> None:
        """A clause with a guess or an unknown word in it is asked about as a whole: taken anew, or a guess about a part of it trimmed."""
        if not self._take_anew(clause):
            self._trim(clause)

    def _take_anew(self, clause: Clause) -> bool:
        """Takes a whole clause for what the network says, with what is known as evidence; whether it did."""
        wishes = [mention for mention in clause.mentions if mention.known is not None or not mention.concept.gesture]
        if not wishes or not (clause.unclear or any(mention.known is not None for mention in wishes)):
            return False
        if clause.windows or clause.lengths or clause.repeated or any(mention.negated or mention.held_back for mention in clause.mentions):
            return False
        text = self._between(clause.first, clause.stop)
        if any(mention.region or (mention.side and mention.known is None) for mention in wishes) or text in dict(self.guessed):
            return False
        meant = self.understanding.guess(text)
        if meant is None:
            return False
        known = named = Expression()
        for mention in wishes:
            own = scaled(mention.concept.expression, min(mention.gain, 1.0)) if mention.known is None else mention.known
            known, named = merged(known, own), named if mention.concept.is_state else merged(named, own)
        first = next((mention for mention in wishes if mention.known is None), wishes[0])
        face = meant.beside(known, named) if known.au else meant.face
        concept = replace(first.concept, expression=face, side=self._named_side(text), is_state=True)
        span = (min(mention.first for mention in wishes), max(mention.stop for mention in wishes))
        whole = Mention(concept, 1.0, False, "", "", wishes[0].segment, *span, known=known)
        clause.mentions = [whole, *(mention for mention in clause.mentions if mention not in wishes)]
        self.guessed.append((text, concept.name))
        # What the network has read is not left out.
        read = {word for word in self.tokens[clause.first : clause.stop] if word in self.understanding.english}
        self.unknown = [entry for entry in self.unknown if entry[1] or entry[0].lower() not in read]
        return True

    def _trim(self, clause: Clause) -> None:
        """Beside something known, what was guessed of a part shows no unit that the clause as a whole does not ask for."""
        guesses = [mention for mention in clause.mentions if mention.known is not None and not mention.negated]
        if not guesses or len(guesses) == len(clause.mentions):
            return
        likely = self.understanding.likely(self._between(clause.first, clause.stop))
        for mention in guesses:
            kept = {name: value for name, value in mention.concept.expression.au.items() if name in likely}
            mention.concept = replace(mention.concept, expression=replace(mention.concept.expression, au=kept))

    def _named_side(self, text: str) -> str:
        """The first side of a sentence when a stretch of it names one: it has been read with it and must not be moved again."""
        return self.first_side if {"left", "right"} & set(text.split()) else ""

    def _denies_doing(self) -> bool:
        """Whether the negator belongs to what happened (`hasn't slept`, `did not get the job`): then it is part of what is guessed."""
        word, before = self.tokens[self.denied], self.tokens[self.denied - 1 : self.denied]
        verbal = (word.endswith("n't") and word not in _NOT_BEING) or word == "cannot" or not _DOING.isdisjoint(before)
        return verbal and _FRAMING.isdisjoint(self.tokens[self.denied + 1 : self.denied + 2])

    def _stretch(self) -> str:
        """The segment so far, without what joins it to the one before, and without what denies it as a whole."""
        return self._between(self.begun, self.cursor)

    def _rest(self) -> str:
        """The segment so far without the wishes in it."""
        ends = [(mention.first, mention.stop) for mention in self.clause.mentions if mention.segment == self.segment]
        starts = [self.begun, *(stop for _, stop in ends)]
        return " ".join(self._between(*span) for span in zip(starts, [*(first for first, _ in ends), self.cursor], strict=True))

    def _between(self, start: int, stop: int) -> str:
        while start < stop:
            found = self.lexicon.match(self.tokens[:stop], start)
            if self.tokens[start] not in BREAKS | PAUSES and (found is None or found.meaning.kind not in ("with", "time")):
                break
            start = found.stop if found else start + 1
        left_out = self.denied if self.negated and not self._denies_doing() else -1
        words = [self.tokens[index] for index in range(start, stop) if index != left_out]
        return " ".join(word for word in words if word not in BREAKS | PAUSES)

    def _list_unknown(self) -> None:
        unknown = [loose.index for loose in self.loose if loose.kind == "unknown"]
        # Of what is no English word the network knows nothing.
        readable = [index for index in unknown if self.tokens[index] in self.understanding.english]
        for index in unknown:
            near = self.understanding.nearest(self.tokens[index]) if index in readable else ""
            self.unknown.append((self.spelt[index], "", near))
        if readable and not self.understanding.is_scenery(self._rest(), plain=True):
            self.clause.unclear = True
        self.loose = []
