"""Real networks of language, where the wheels are here: what they say, and every plan."""

import csv

import numpy as np
import pytest
import tiny
import torch

pytest.importorskip("transformers", reason="needs the extra `text`")
import transformers

from tlkit import backbones, compare, env, report, study
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.records import Store
from tlkit.tasks import TFIDF, Task, classification
from tlkit.tasks.text import from_csv
from tlkit_lessons import downloads, language
from tlkit_lessons.language_modelling import from_text

TEXTS = ["A man is eating food.", "Someone is having a meal.", "The stock market fell sharply today."]
QUICK = Recipe(steps=2, epochs=1, batch=4)
WHOLE = ("scratch", "full", "lp-ft", "gradual", "block:layer1", "norm", "bias")


def batch(backbone, texts=TEXTS):
    return torch.utils.data.default_collate([backbone.transform(text) for text in texts])


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-4 * other.abs().max())


@pytest.mark.real("minilm")
def test_minilm_gives_its_own_output_and_knows_what_is_alike():
    backbone = backbones.load("minilm,length=16")
    model = transformers.AutoModel.from_pretrained(downloads.folder("minilm")).eval()
    seen = batch(backbone)
    with torch.no_grad():
        want = model(input_ids=seen["words"], attention_mask=seen["mask"]).last_hidden_state
        state = backbone.pretrained().run(seen)
    assert len(backbone.stages) == 7 and close(state["hidden"], want)
    vectors = torch.nn.functional.normalize(backbone.pool(state), dim=1)
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.5 > 0.2 > alike[0, 2].abs(), "as its card has it: a meal is food, a market is none"


@pytest.mark.slow
@pytest.mark.real("smollm2")
def test_smollm2_gives_its_own_output_and_names_a_capital():
    backbone = backbones.load("smollm2,length=12")
    seen = batch(backbone, ["The capital of France is", "Two and two make"])
    folder = env.computed_dir() / "networks" / backbone.digest
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        want = model(input_ids=seen["words"], attention_mask=seen["mask"]).logits
        got = backbone.pretrained()(seen)
    assert len(backbone.stages) == 31 and close(got, want)
    said = got[0, int(seen["mask"][0].sum()) - 1].argmax()
    assert language._tokenizer("smollm2", 12).decode(said) == " Paris"


def opinions(train: int = 24, test: int = 8) -> Task:
    texts = [f"{'A fine' if i % 2 else 'A dull'} film, number {i}." for i in range(train + test)]
    y = np.arange(train + test) % 2
    sides = tiny.items(texts[:train], "a"), y[:train], tiny.items(texts[train:], "b"), y[train:]
    return Task("opinions", classification(2, baseline=TFIDF), *sides, ("dull", "fine"))


def plans_of(wheel: str, name: str, texts: tuple[str, ...]) -> list:
    return [pytest.param(name, text, marks=pytest.mark.real(wheel)) for text in texts]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        *plans_of("minilm", "minilm,length=12", (*WHOLE, "frozen", "last-1")),
        # of the whole of smollm2 two layers move at most; its first two layers stand for it where all would
        *plans_of("smollm2", "smollm2,length=12,until=layer1", WHOLE),
        *plans_of("smollm2", "smollm2,length=12", ("frozen", "last-1", "last-2", "block:layer29")),
    ],
)
def test_every_plan_runs_and_is_audited(name, text, computed):
    task, backbone, plan = opinions(), backbones.load(name), Plan.parse(text)
    if "smollm2" in name and text == "bias":
        with pytest.raises(UserError, match="this backbone has no bias to move"):
            fit(task, backbone, plan, 2, 0, QUICK)
        return
    done = fit(task, backbone, plan, 2, 0, QUICK)
    free = {"head", *plan.tuned(backbone.stages)}
    assert done.audit.ok and done.audit.moved and len(done.test.predicted) == 8
    assert {n.split(".")[1] if n.startswith("stages") else "head" for n in done.audit.moved} <= free


@pytest.mark.slow
@pytest.mark.real("smollm2", "tinyshakespeare")
@pytest.mark.parametrize("text", ["frozen", "last-1"])
def test_smollm2_goes_on_with_a_language(text, tmp_path, computed):
    """Plans that move little begin where the source stands: perplexity far below that of a guess."""
    words = (downloads.folder("tinyshakespeare") / "input.txt").read_text("utf-8")[:4000]
    (tmp_path / "play.txt").write_text(words, "utf-8")
    task = from_text(tmp_path / "play.txt", backbones.load("smollm2"), length=32)
    recipe = Recipe(steps=2, epochs=1, batch=4, rates=(1e-6, 1e-5, 1e-4))
    done = fit(task, backbones.load("smollm2"), text, 4, 0, recipe)
    assert done.audit.ok and 5 < done.test.metrics["perplexity"] < 500, "of 49,152 tokens"


@pytest.mark.slow
@pytest.mark.real("minilm", "trec")
def test_from_a_table_of_questions_to_verdicts_and_a_report(tmp_path, computed):
    """The whole way, on kinds of questions; which plan wins is for a grid of size to say."""
    kinds = ("description", "thing", "abbreviation", "person", "place", "number")
    lines = (downloads.folder("trec") / "TREC.train.all").read_text("latin-1").splitlines()
    with open(tmp_path / "trec.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("text", "label"), *((line[2:], kinds[int(line[0])]) for line in lines[:700])]
        )
    store = Store(tmp_path / "trec.jsonl")
    recipe = Recipe(steps=4, epochs=1, batch=8, rates=(3e-4, 1e-3, 3e-3))
    task = from_csv(tmp_path / "trec.csv")
    study.run(study.Grid(task, "minilm,length=16", ("tfidf", "frozen"), (4,), tuple(range(5)), recipe), store)
    (pair,) = compare.pairs(store, baselines=("tfidf",))
    assert (pair.plan, pair.against, pair.metric) == ("frozen", "tfidf", "accuracy")
    page = report.compare_html(store.path, tmp_path / "trec.html", "trec").read_text("utf-8")
    assert "csv:trec, from minilm,length=16" in page and pair.verdict.word in page
