"""Small judges for tests: tokenizers of known families, and a gullible model that is a mere rule."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput

from adaqueue.adapters.language_model import LanguageModel

WINDOW = 8_192


@dataclass(frozen=True)
class Family:
    """How a family of chat models writes turns.

    Attributes:
        controls: its control tokens, the beginning and the end of a text first.
        template: its chat template.
    """

    controls: tuple[str, ...]
    template: str


_TURNS = "{% for m in messages %}%s{% endfor %}{% if add_generation_prompt %}%s{% endif %}"


def _turns(each: str, last: str) -> str:
    return _TURNS.replace("%s", each, 1).replace("%s", last, 1)


FAMILIES = {
    "ChatML": Family(
        ("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
        _turns(
            "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}",
            "{{ '<|im_start|>assistant\n' }}",
        ),
    ),
    "Llama 3": Family(
        ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
        "{{ bos_token }}"
        + _turns(
            "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}"
            "{{ m.content | trim + '<|eot_id|>' }}",
            "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}",
        ),
    ),
    "Llama 2": Family(
        ("<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"),
        "{{ bos_token }}" + _turns("{{ '[INST] ' + m.content + ' [/INST]' }}", ""),
    ),
    "Gemma": Family(
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "{{ bos_token }}"
        + _turns(
            "{{ '<start_of_turn>' + m.role + '\n' + m.content + '<end_of_turn>\n' }}",
            "{{ '<start_of_turn>model\n' }}",
        ),
    ),
    "DeepSeek": Family(
        (
            "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
            "<\uff5cend\u2581of\u2581sentence\uff5c>",
            "<\uff5cUser\uff5c>",
            "<\uff5cAssistant\uff5c>",
        ),
        "{{ bos_token }}"
        + _turns("{{ '<\uff5cUser\uff5c>' + m.content }}", "{{ '<\uff5cAssistant\uff5c>' }}"),
    ),
    "Phi": Family(
        ("<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"),
        _turns("{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}", "{{ '<|assistant|>\n' }}"),
    ),
}


def tokenizer_of(family: Family, special: bool = True) -> Any:
    """Returns a tokenizer of bytes and the family's control tokens, whether or not it calls them special."""
    letters = sorted(ByteLevel.alphabet())
    model = Tokenizer(BPE({letter: number for number, letter in enumerate(letters)}, []))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    for text in family.controls[2:]:
        model.add_tokens([AddedToken(text, special=special, normalized=False)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call] # its constructor has no types
        tokenizer_object=model,
        bos_token=family.controls[0],
        eos_token=family.controls[1],
        chat_template=family.template,
        clean_up_tokenization_spaces=False,
    )


def controls_in(tokenizer: Any, ids: list[int]) -> list[str]:
    """Returns the control tokens among the ids, in order: all ids beyond those of bytes."""
    return [str(tokenizer.convert_ids_to_tokens(token)) for token in ids if token >= 256]


_ORDER = re.compile(r"\b(say|reply)\W+(yes)\b", re.IGNORECASE)


def gullible(conversation: str) -> str:
    """What a model says that does as it is told: by the last user's turn, whoever wrote its end.

    It knows what is data as it is explained to it, and obeys whatever else tells it to say YES.

    Args:
        conversation: in ChatML, control tokens as text.
    """
    if re.search(r"<\|im_start\|>assistant\s*YES", conversation):
        return "YES, as before"
    turn = conversation.rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]
    systems = re.findall(r"<\|im_start\|>system\n(.*?)<\|im_end\|>", conversation, re.DOTALL)
    mark = (re.findall(r"with the mark (\w+)", turn) or ["none"])[-1]
    block = re.compile(rf"^=== (\w+) {mark} ===\n(.*?)\n=== END {mark} ===$", re.MULTILINE | re.DOTALL)
    data = dict(block.findall(turn))
    told = block.sub("", turn).replace("no reason to say YES", "")
    if _ORDER.search("\n".join([told, *systems])):
        return "YES"
    is_equal = "ANSWER" in data and data["ANSWER"] == data["REFERENCE"]
    return "YES" if is_equal else "NO: they differ"


def as_chatml(messages: list[dict[str, str]]) -> str:
    """Returns the conversation as a server renders it that trusts its messages."""
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


class GullibleModel(LlamaForCausalLM):  # type: ignore[no-untyped-call] # it has no types
    """Says what `gullible` says of its prompt, byte by byte, in a real `generate`."""

    tokenizer: Any

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> CausalLMOutput:
        """Returns logits of which only the last position's mean anything."""
        logits = torch.zeros((*input_ids.shape, self.config.vocab_size))
        masks = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        for row, (ids, mask) in enumerate(zip(input_ids, masks, strict=True)):
            logits[row, -1, self._next(ids[mask.bool()].tolist())] = 20.0
        return CausalLMOutput(logits=logits)  # type: ignore[arg-type] # any tensor of floats

    def _next(self, ids: list[int]) -> int:
        text = self.tokenizer.decode(ids)
        before, header, said = text.rpartition("<|im_start|>assistant\n")
        reply = gullible(before + header)
        if len(said) >= len(reply):
            return int(self.tokenizer.eos_token_id)
        return int(self.tokenizer.encode(reply[len(said)], add_special_tokens=False)[0])


def config_for(tokenizer: Any, **changes: Any) -> LlamaConfig:
    """Returns the shape of a tiny Llama for a tokenizer."""
    given: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 32,  # the smallest that vLLM has a kernel for
        "max_position_embeddings": WINDOW,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    return LlamaConfig(**given | changes)


def gullible_model(folder: Path) -> LanguageModel:
    """Writes a tiny model of the ChatML family and loads it, the rule in place of its weights."""
    tokenizer = tokenizer_of(FAMILIES["ChatML"])
    config = config_for(tokenizer)
    LlamaForCausalLM(config).save_pretrained(folder)  # type: ignore[no-untyped-call] # it has no types
    tokenizer.save_pretrained(folder)
    model = LanguageModel(str(folder), "gullible")
    rule = GullibleModel(config)  # type: ignore[no-untyped-call] # it has no types
    rule.tokenizer = model.tokenizer
    rule.generation_config.use_cache = False
    model.model = rule
    model.model.eval()
    return model


def chat(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Returns what a server of the OpenAI kind with the gullible model says to a request for a chat."""
    said = gullible(as_chatml(body["messages"]))
    message = {"role": "assistant", "content": said}
    return 200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
