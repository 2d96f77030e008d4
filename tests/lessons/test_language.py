"""Networks of transformers as chains: the model's own output, every plan, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
import tiny
import torch

pytest.importorskip("transformers", reason="needs the extra `text`")
import transformers
import words

from tlkit import backbones, saved_model
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit_lessons import language
from tlkit_lessons.language_modelling import from_text

TEXTS = ["how far is the moon", "who is the man", ""]
PLANS = [plan.replace("mid", "layer0") for plan in tiny.PLANS]


@pytest.fixture
def source(tmp_path, computed):
    """A backbone of a folder; `more` follows its name."""

    def load(kind: str, more: str = "", **folder) -> backbones.Backbone:
        return backbones.load(f"transformers:{words.folder(tmp_path / kind, kind, **folder)}{more}")

    return load


def batch(backbone: backbones.Backbone, texts=TEXTS) -> dict[str, torch.Tensor]:
    return torch.utils.data.default_collate([backbone.transform(text) for text in texts])


@pytest.mark.parametrize("kind", words.CONFIGS)
def test_a_chain_gives_the_models_own_output(kind):
    model = words.model(kind)
    ids = torch.randint(5, words.SIZE, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(12) < torch.tensor([[12], [7], [1]])
    with torch.no_grad():
        want, hidden = (m(input_ids=ids, attention_mask=mask) for m in (model, model.base_model))
        chain, pool = language.split(model)
        state = chain.run({"words": ids, "mask": mask})
    hidden = hidden.last_hidden_state
    assert chain.names == ["embeddings", "layer0", "layer1"]
    assert torch.allclose(state["hidden"], hidden, atol=1e-5) and torch.equal(state["mask"], mask)
    if kind in words.DECODERS:
        assert torch.allclose(chain.head(state), want.logits, atol=1e-5)
        pooled = [hidden[0, 11], hidden[1, 6], hidden[2, 0]]
    else:
        pooled = [hidden[0].mean(0), hidden[1, :7].mean(0), hidden[2, 0]]
    assert torch.allclose(pool(state), torch.stack(pooled), atol=1e-5)
    held = {id(p) for p in chain.parameters()}
    left = [name for name, p in model.named_parameters() if id(p) not in held]
    assert all("pooler" in name for name in left), "every tensor of the model is in a stage"
    owners = [{id(t) for t in (*s.parameters(), *s.buffers())} for s in chain.stages.values()]
    assert not any(a & b for i, a in enumerate(owners) for b in owners[:i]), "and in no other"


def test_a_chain_that_is_not_the_model_is_refused(monkeypatch):
    monkeypatch.setattr(language.Passed, "forward", lambda self, *args, **more: torch.arange(16.0))
    with pytest.raises(UserError, match="GPT2LMHeadModel cannot be split into layers"):
        language.split(words.model("gpt2"))


@pytest.mark.parametrize("kind", ["distilbert", "llama"])
def test_a_folder_is_read_with_its_tokenizer(source, kind):
    backbone = source(kind, ",length=8")
    seen, chain = batch(backbone), backbone.pretrained()
    assert seen["words"].shape == seen["mask"].shape == (3, 8)
    assert seen["mask"].sum(1).tolist() == [7, 6, 2] and seen["words"][1, :3].tolist() == [2, 7, 8]
    long = backbone.transform("the moon " * 30)
    assert long["mask"].all() and long["words"][-1] == 3, "cut, with its end mark"
    assert torch.equal(backbone.transform.ids("the moon"), long["words"][1:3])
    with torch.no_grad():
        whole = chain.run(seen)["hidden"]
        for cut in range(4):
            assert torch.equal(chain.run(chain.run(seen, 0, cut), cut)["hidden"], whole)
    again = backbones.from_blueprint(backbone.blueprint)
    assert again.digest == backbone.digest and again.transform == backbone.transform
    other = backbone.fresh("random").state_dict()
    assert any(not torch.equal(t, other[n]) for n, t in chain.state_dict().items() if n in other)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama"])
@pytest.mark.parametrize("text", [*PLANS, "select", "tfidf"])
def test_every_plan_runs_and_is_audited(source, kind, text):
    task, backbone = (
        words.questions(),
        source(kind, ",length=10,features=all" if text == "select" else ",length=10"),
    )
    if (kind, text) == ("llama", "bias"):
        with pytest.raises(UserError, match="this backbone has no bias to train"):
            fit(task, backbone, text, 6, 0, tiny.QUICK)
        return
    done = fit(task, backbone, text, 6, 0, tiny.QUICK)
    assert len(task.reads) == 1 and 0 <= done.test.metrics["accuracy"] <= 1
    plan = Plan.parse(text)
    if plan.raw:
        return
    assert done.audit.ok and done.audit.moved
    free = {"head", *plan.tuned(backbone.stages)}
    assert {n.split(".")[1] if n.startswith("stages") else "head" for n in done.audit.moved} <= free


def test_features_until_a_layer_are_pooled_as_those_of_the_last(source):
    backbone, until = source("bert", ",length=8"), source("bert", ",length=8,until=layer0")
    seen = batch(backbone)
    with torch.no_grad():
        state = backbone.pretrained().run(seen, 0, 2)
        pooled = until.pool(until.pretrained().run(seen))
    assert until.stages == ["embeddings", "layer0"]
    assert torch.equal(pooled, backbone.pool(state)) and pooled.shape == (3, 16)


@pytest.mark.parametrize("text", ["scratch", "frozen", "last-1", "full", "lp-ft"])
def test_a_decoder_learns_a_language_and_its_head_is_its_own(source, tmp_path, text):
    backbone = source("llama")
    task = from_text(words.story(tmp_path / "story.txt"), backbone, length=8)
    chain, head = backbone.pretrained(), backbone.source_head()
    (table,) = chain.stages["embeddings"].parameters()
    assert (
        chain.head[1].weight is table and head[1].weight is not table and torch.equal(head[1].weight, table)
    )
    before = table.clone()
    longer = tiny.Recipe(steps=120, epochs=1, batch=8, rates=(1e-2,), strengths=(1.0,), baselines=("1-nn",))
    little = tiny.Recipe(steps=1, epochs=1, batch=32, rates=(1e-6,), strengths=(1.0,), baselines=("1-nn",))
    first, done = (fit(task, backbone, text, 32, 0, recipe) for recipe in (little, longer))
    assert done.audit.ok and torch.equal(table, before)
    assert done.test.metrics["perplexity"] < 0.8 * first.test.metrics["perplexity"]
    start = first.model.head[1].weight
    assert torch.allclose(start, before, atol=1e-4) == (text != "scratch"), "a baseline knows nothing of it"
    assert done.test.predicted.shape == (len(task.test), 2) and (done.test.predicted[:, 1] == 8).all()


def test_perplexity_is_the_models_own(source, tmp_path):
    backbone = source("gpt2")
    task = from_text(words.story(tmp_path / "story.txt"), backbone, length=8)
    still = tiny.Recipe(steps=1, epochs=1, batch=32, rates=(1e-12,), strengths=(1.0,), baselines=("1-nn",))
    done = fit(task, backbone, "frozen", 5, 0, still)
    model = words.model("gpt2")
    with torch.no_grad():
        losses = [model(input_ids=x[None]).logits[0].log_softmax(-1) for x in task.test.inputs]
    told = [
        -odds[torch.arange(8), torch.tensor(y)] for odds, y in zip(losses, done.test.targets, strict=True)
    ]
    assert done.test.metrics["perplexity"] == pytest.approx(np.exp(torch.stack(told).mean().item()), rel=1e-4)


def test_a_saved_model_is_asked_about_a_text(source, tmp_path):
    task, backbone = words.questions(), source("llama", ",length=10")
    done = fit(task, backbone, "last-1", 6, 0, tiny.QUICK)
    how = {"reader": "text", "decoder": task.objective.decoder}
    folder = saved_model.save(
        tmp_path / "m", done.model, backbone.blueprint, task.classes, {"plan": "last-1"}, **how
    )
    answers = list(saved_model.load(folder).predict(task.test.inputs))
    assert [task.classes.index(one.label) for one in answers] == done.test.predicted.tolist()


def test_a_digest_is_of_weights_and_tokenizer(source, tmp_path):
    first = source("bert")
    (tmp_path / "bert" / ".note").write_text("x")
    assert language._digest(str(tmp_path / "bert")) == first.digest
    words.tokenizer(words.VOCABULARY[:-1]).save_pretrained(tmp_path / "bert")
    assert language._digest(str(tmp_path / "bert")) != first.digest
    assert first.transform_key != source("bert", ",length=8").transform_key


def test_what_does_not_belong_together_is_refused(source, tmp_path):
    other = source("bert", vocabulary=(*words.VOCABULARY, "comet"))
    with pytest.raises(UserError, match=r"tokenizer of .*bert is another model's: it numbers tokens to 22"):
        other.transform("the comet")
    for options, says in (("length=1", "length=1 of .* 3 or more"), ("width=3", "unknown key of backbone")):
        with pytest.raises(UserError, match=says):
            source("gpt2", f",{options}")
    with pytest.raises(UserError, match=r"length=81: .*bert takes at most 80 tokens; give 80 or fewer"):
        source("bert", ",length=81").transform("the moon")
    (tmp_path / "gpt2" / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"transformers cannot load .*gpt2 \(.*\): check its name"):
        source("gpt2").pretrained() if False else backbones.load(
            f"transformers:{tmp_path / 'gpt2'}"
        ).pretrained()
    transformers.T5Config(d_model=16, d_ff=16, num_layers=2, num_heads=2).save_pretrained(tmp_path / "t5")
    with pytest.raises(UserError, match=r"transformers cannot load .*t5 "):
        backbones.load(f"transformers:{tmp_path / 't5'}").pretrained()
    with pytest.raises(UserError, match="transformers cannot load nobody/nothing"):
        backbones.load("transformers:nobody/nothing").pretrained()


def test_without_transformers_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="minilm needs the extra `text`: pip install"):
        backbones.load("minilm").pretrained()


def test_transformers_is_imported_when_it_is_needed():
    code = "import sys; from tlkit import backbones; backbones.load('minilm')"
    told = subprocess.run([sys.executable, "-c", f"{code}; sys.exit('transformers' in sys.modules)"])
    assert told.returncode == 0
