"""Encoders (BERT and kin) and decoders (GPT-2, Llama and kin) of transformers as chains of stages."""

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tlkit import backbones, env, files
from tlkit.backbones.chain import Backbone, Chain, alike
from tlkit.backbones.weights import file_digest, from_hub, hub_source
from tlkit.errors import UserError
from tlkit_lessons import downloads

SETS = ("minilm", "smollm2")  # of the registry
CARD = {"recipe": "photos"}  # whose rates are the nearest
SUFFIXES = (".json", ".safetensors", ".bin", ".gguf", ".txt", ".model")  # what a network is read from
State = dict[str, torch.Tensor]  # of a text: "hidden", N x T x D, and "mask", N x T, true where there is text


def register() -> None:
    """Register the networks of the registry, and `transformers:`; an entry point of this package."""
    for name in SETS:
        backbones.register(name, partial(load, name))
    backbones.register("transformers:", load, ("transformers:FOLDER", "transformers:NAME"))


def load(source: str, /, *, spec: str, length: int = 64) -> Backbone:
    """A network of the registry, of a folder or of the hub; nothing is read before a text or the chain is.

    Stages: embeddings, layer0, layer1, ..., each giving a `State`; the last has the norm behind it. Pooled:
    the mean of an encoder's tokens, the last token of a decoder, whose source head scores every next token, N
    x T x vocabulary. length: tokens an item. Raises UserError for a bad length.
    """
    if not isinstance(length, int) or length < 3:
        raise UserError(f"length={length} of {spec}: give a whole number of tokens, 3 or more.")
    digest, text = _digest(source), Tokens(source, length)
    build, key = partial(_build, source), f"{digest} {length} tokens"
    card = CARD | (downloads.card(source) if source in SETS else {})
    return Backbone(spec, digest, build, text, key, card, {"own": spec})


@dataclass(frozen=True)
class Tokens:
    """A text, cut or padded to `length`, as {"words": token numbers, "mask": true where there is text}.

    A tensor of token numbers is taken as it is.
    """

    source: str
    length: int
    takes = "texts"

    def __call__(self, raw: str | torch.Tensor) -> State:
        if torch.is_tensor(raw) and raw.ndim == 1 and not raw.is_floating_point():
            return {"words": raw, "mask": torch.ones(len(raw), dtype=torch.bool)}
        tokenizer = _tokenizer(self.source, self.length)
        found = tokenizer(raw, truncation=True, max_length=self.length)["input_ids"]
        words = torch.full((self.length,), tokenizer.pad_token_id or 0)
        words[: len(found)] = torch.tensor(found, dtype=torch.long)
        # attention needs one token, also where a text has none
        return {"words": words, "mask": torch.arange(self.length) < max(1, len(found))}

    def ids(self, text: str) -> torch.Tensor:
        """All token numbers of a text, without those that mark its ends."""
        found = _tokenizer(self.source, self.length)(text, add_special_tokens=False, verbose=False)
        return torch.tensor(found["input_ids"], dtype=torch.long)


class Part(nn.Module):
    """A model of transformers with some of its layers: its own code makes masks and positions for them."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: State) -> State:
        given = {"input_ids": x["words"]} if "words" in x else {"inputs_embeds": x["hidden"]}
        return {"hidden": self.body(attention_mask=x["mask"], **given).last_hidden_state, "mask": x["mask"]}


class Hidden(nn.Module):
    """Every token, nothing pooled: N x T x D."""

    def forward(self, x: State) -> torch.Tensor:
        return x["hidden"]


class MeanToken(nn.Module):
    """The mean of the tokens that are text: N x D."""

    def forward(self, x: State) -> torch.Tensor:
        return (x["hidden"] * x["mask"][..., None]).sum(1) / x["mask"].sum(1, keepdim=True)


class LastToken(nn.Module):
    """The last token that is text: N x D."""

    def forward(self, x: State) -> torch.Tensor:
        last = x["mask"].sum(1)[:, None, None] - 1
        return x["hidden"].take_along_dim(last, 1)[:, 0]


class Passed(nn.Module):
    """In the place of embeddings that an earlier stage made: what it is given of them, or nothing to add."""

    def forward(self, *args: Any, **more: Any) -> torch.Tensor:
        given = (x for x in (*args, *more.values()) if torch.is_tensor(x) and x.is_floating_point())
        return next(given, torch.zeros(()))


def split(model: nn.Module) -> tuple[Chain, nn.Module]:
    """(chain, pool) of an encoder or of a decoder with its head, sharing its tensors.

    The chain must give the model's own output to within 1e-5 of its scale. Its head may share a tensor with
    the embeddings, as the model's does; `Backbone.source_head` copies it. Raises UserError for another model.
    """
    body, head = model.eval().base_model, model.get_output_embeddings()
    count = getattr(model.config, "num_hidden_layers", 0)
    paths = [n for n, m in body.named_modules() if isinstance(m, nn.ModuleList) and len(m) == count > 0]
    if paths:
        parts = [_part(body, paths[0].split("."), i, i == count - 1) for i in range(-1, count)]
        stages = dict(zip(["embeddings", *(f"layer{i}" for i in range(count))], parts, strict=True))
        chain = Chain(stages, head and nn.Sequential(Hidden(), head)).eval()
        if _agrees(chain, model):
            return chain, LastToken() if head else MeanToken()
    kind = type(model).__name__
    raise UserError(f"{kind} cannot be split into layers: choose a network such as BERT, GPT-2 or Llama.")


def _part(body: nn.Module, path: list[str], layer: int, last: bool) -> Part:
    """The body with one layer (the last: and the norm behind it), or with its embeddings alone (-1)."""

    def beside(child: nn.Module | None, behind: bool) -> nn.Module | None:
        norm, drop = "norm" in type(child).__name__.lower(), isinstance(child, nn.Dropout)
        learns = child is not None and next(child.parameters(), None) is not None
        if child is None or (behind and learns and not norm):
            return None  # a pooler: no token's own output
        if not learns and not drop:
            return copy.deepcopy(child)  # rotary positions: buffers that no two stages share
        mine = last if behind else layer < 0
        return child if mine else nn.Identity() if norm or drop else Passed()

    kept = slice(max(layer, 0), layer + 1)
    shell = _shell(body, path, body.get_submodule(".".join(path))[kept], beside)
    shell.config = copy.copy(body.config)
    shell.config.use_cache = False
    if getattr(body.config, "layer_types", None):  # global or local attention, in turn
        shell.config.layer_types = body.config.layer_types[kept]
    return Part(shell)


def _shell(module: nn.Module, path: list[str], layers: nn.ModuleList, beside: Callable) -> nn.Module:
    """The module with other parts: `layers` at `path`, and beside(part, behind) for all that is not on it."""
    shell, names = copy.copy(module), list(module._modules)
    at, inner = names.index(path[0]), module._modules[path[0]]
    shell._modules = {name: beside(module._modules[name], i > at) for i, name in enumerate(names) if i != at}
    shell._modules[path[0]] = _shell(inner, path[1:], layers, beside) if path[1:] else layers
    return shell


def _agrees(chain: Chain, model: nn.Module) -> bool:
    words = torch.arange(16).view(2, 8) * 7919 % model.config.vocab_size
    mask = torch.arange(8) < torch.tensor([[8], [6]])
    with torch.no_grad():
        want = model(input_ids=words, attention_mask=mask)
        try:
            got = chain({"words": words, "mask": mask})
        except (RuntimeError, TypeError, AttributeError, ValueError):
            return False  # more is passed from layer to layer
    got, want = (got["hidden"], want.last_hidden_state) if isinstance(got, dict) else (got, want.logits)
    return alike(got, want)


def _build(source: str, pretrained: bool) -> tuple[Chain, nn.Module]:
    with _reading(source) as (hf, folder):
        config = hf.AutoConfig.from_pretrained(folder)
        # transformers has a decoder of every encoder too; only encoders fill gaps
        auto = hf.AutoModel if type(config) in hf.MODEL_FOR_MASKED_LM_MAPPING else hf.AutoModelForCausalLM
        made = partial(auto.from_pretrained, folder) if pretrained else partial(auto.from_config, config)
        return split(made(dtype=torch.float32))


@lru_cache(maxsize=4)
def _tokenizer(source: str, length: int) -> Any:
    with _reading(source) as (hf, folder):
        tokenizer, config = (kind.from_pretrained(folder) for kind in (hf.AutoTokenizer, hf.AutoConfig))
    most = min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", length))
    if length > most:
        raise UserError(f"length={length}: {source} takes at most {most} tokens; give {most} or fewer.")
    if (largest := max(tokenizer.get_vocab().values())) >= config.vocab_size:
        raise UserError(
            f"the tokenizer of {source} is another model's: it numbers tokens to {largest}, and there are "
            f"{config.vocab_size} embeddings; put the model's own beside it."
        )
    return tokenizer


@contextmanager
def _reading(source: str) -> Iterator[tuple[Any, str]]:
    """transformers, without its bars and remarks, and what it is to read; one sentence where it cannot."""
    try:
        import transformers as hf
    except ImportError as error:
        raise UserError(f"{source} needs the extra `text`: pip install 'tlkit[text]'.") from error
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    place = downloads.get(source) if source in SETS else Path(source)
    try:
        with nullcontext() if place.is_dir() else from_hub(hub_source(source, "config.json")):
            yield hf, _unpacked(hf, place, source) if place.is_dir() else source
    except UserError:
        raise
    except Exception as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"transformers cannot load {source} ({why}): check its name or folder.") from error


def _unpacked(hf: Any, folder: Path, source: str) -> str:
    """The folder; of one with a GGUF alone its tensors as safetensors, kept: to unpack takes far longer."""
    packed = next(iter(sorted(folder.glob("*.gguf"))), None)
    if packed is None or (folder / "config.json").is_file():
        return str(folder)
    place = env.computed_dir() / "networks" / _digest(source)
    if not place.is_dir():
        model = hf.AutoModelForCausalLM.from_pretrained(folder, gguf_file=packed.name, dtype=torch.float32)
        vars(model.config).pop("quantization_config", None)  # with which nothing is saved
        plain = hf.AutoModelForCausalLM.from_config(model.config)
        plain.load_state_dict(model.state_dict())
        with files.draft(place) as part:
            plain.save_pretrained(part)
            hf.AutoTokenizer.from_pretrained(folder, gguf_file=packed.name).save_pretrained(part)
    return str(place)


def _digest(source: str) -> str:
    """Of all that a network and its tokenizer are read from; of its name, where nothing may be here yet."""
    parts = source
    if source in SETS:
        parts = [(row.file, row.sha256) for row in downloads.rows(source)]
    elif Path(source).is_dir():
        parts = [(p.name, file_digest(p)) for p in sorted(Path(source).iterdir()) if p.suffix in SUFFIXES]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
