"""A judge in the verifier's own process, as transformers loads it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from uuid import UUID

from adaqueue.adapters.control_tokens import ControlTokens
from adaqueue.adapters.judge_prompt import REPLY_TOKENS, SEED, TEMPERATURE, messages, said_yes
from adaqueue.adapters.language_model import LanguageModel
from adaqueue.adapters.transformers_engine import TransformersEngine
from adaqueue.core.query import Message
from adaqueue.core.records import Doubt, Unit
from adaqueue.core.specs import Sampling
from adaqueue.errors import EngineError, SettingsError, VerifierError


class TransformersJudge:
    """Asks a chat model, questions of similar length together; what it says depends on the question alone.

    Any number of threads may share it: they take turns.

    Args:
        model: one with a chat template that answers at once, without thinking aloud first.
        batch: questions of one pass.

    Attributes:
        name: the model's.
        revision: digest of its weights, or the hub's commit.

    Raises:
        SettingsError: the model has no chat template.
    """

    def __init__(self, model: LanguageModel, batch: int = 32) -> None:
        if model.tokenizer.chat_template is None:
            raise SettingsError(f"judge_model: {model.name} has no chat template: give a chat model")
        self.name = model.name
        self.revision = model.revision
        self._control = ControlTokens(model.tokenizer)
        self._engine = TransformersEngine(model, Sampling(model.name, TEMPERATURE, REPLY_TOKENS), batch)
        self._turn = Lock()

    def equal(self, doubts: Sequence[Doubt]) -> list[bool]:
        """Returns the judge's words, see `Judge`."""
        try:
            with self._turn:
                return self._equal(doubts)
        except EngineError as error:
            raise VerifierError(f"the judge {self.name}: {error}") from error

    def question(self, doubt: Doubt) -> tuple[Message, ...]:
        """Returns what the model is asked, without a control token of its own in it."""
        return tuple(map(self._control.disarm_message, messages(doubt)))

    def _equal(self, doubts: Sequence[Doubt]) -> list[bool]:
        units = [
            Unit(UUID(int=place), 0, SEED, self.question(doubt), None) for place, doubt in enumerate(doubts)
        ]
        samples = [sample for response in self._engine.draw(units) for sample in response]
        said = {sample.query_id.int: said_yes(str(sample.text)) for sample in samples}
        return [said[place] for place in range(len(doubts))]
