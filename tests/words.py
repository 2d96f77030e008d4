"""Language networks of a few thousand numbers, with a tokenizer of whole words, as folders."""

from pathlib import Path

import numpy as np
import tiny
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, DistilBertConfig, GPT2Config, LlamaConfig, Qwen2Config, RobertaConfig

from tlkit.tasks import TFIDF, Task, classification

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
THINGS, PEOPLE, PLACES = ("sun", "moon", "drum"), ("man", "king", "aunt"), ("city", "river", "land")
VOCABULARY = (*SPECIAL, "how", "what", "who", "is", "far", "old", "the", "a", *THINGS, *PEOPLE, *PLACES)
SIZE = len(VOCABULARY)
COMMON = {
    "vocab_size": SIZE,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    **COMMON,
}
LOCAL = {
    "layer_types": ["full_attention", "sliding_attention"],
    "sliding_window": 4,
    "use_sliding_window": True,
}
CONFIGS = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL),
    "distilbert": DistilBertConfig(n_layers=2, dim=16, n_heads=2, hidden_dim=32, **COMMON),
    "gpt2": GPT2Config(n_layer=2, n_embd=16, n_head=2, **COMMON),
    "llama": LlamaConfig(num_key_value_heads=1, tie_word_embeddings=True, **SMALL),
    "qwen2": Qwen2Config(num_key_value_heads=1, tie_word_embeddings=False, **LOCAL, **SMALL),
}
DECODERS = ("gpt2", "llama", "qwen2")


def model(kind: str) -> torch.nn.Module:
    """A tiny network of large weights: each layer does something."""
    torch.manual_seed(0)
    auto = transformers.AutoModelForCausalLM if kind in DECODERS else transformers.AutoModel
    made = auto.from_config(CONFIGS[kind])
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made.eval()


def tokenizer(vocabulary: tuple[str, ...] = VOCABULARY) -> transformers.PreTrainedTokenizerFast:
    """Word by word; [CLS] in front of a text and [SEP] behind it."""
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    named = dict(
        zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True)
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **named)


def folder(place: Path, kind: str, vocabulary: tuple[str, ...] = VOCABULARY) -> Path:
    """A network and its tokenizer on disk."""
    model(kind).save_pretrained(place)
    tokenizer(vocabulary).save_pretrained(place)
    return place


def questions(train: int = 36, test: int = 15) -> Task:
    """What is asked for: a thing, a person or a place."""
    rng = np.random.default_rng(0)
    asked = [(t, c) for c, names in enumerate((THINGS, PEOPLE, PLACES)) for t in names]
    texts, labels = [], []
    while len(texts) < train + test:
        name, label = asked[len(texts) % len(asked)]
        fill = " ".join(rng.choice(["how", "what", "who", "is", "far", "old", "the", "a"], 6))
        texts, labels = [*texts, f"{fill} {name}"], [*labels, label]
    y = np.array(labels)
    sides = tiny.items(texts[:train], "train"), y[:train], tiny.items(texts[train:], "test"), y[train:]
    return Task("tiny-questions", classification(3, baseline=TFIDF), *sides, ("thing", "person", "place"))


def story(place: Path, count: int = 400) -> Path:
    """A text in which every word but one in ten follows from the one before."""
    rng, ordinary, word = np.random.default_rng(0), VOCABULARY[len(SPECIAL) :], 0
    told = []
    for jump in rng.uniform(size=count) < 0.1:
        word = int(rng.integers(len(ordinary))) if jump else (3 * word + 1) % len(ordinary)
        told.append(ordinary[word])
    place.write_text(" ".join(told), "utf-8")
    return place
