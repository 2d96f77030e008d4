"""An objective says everything about its numbers, and evaluation holds no more than it must."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from tlkit import compare, plans, study
from tlkit.compare import conclude
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.plans import Plan, Row
from tlkit.records import Record, Store, scale
from tlkit.tasks import LAST_VALUE, TFIDF, Metric, Task, classification, multilabel, regression
from tlkit.tasks.metrics import mae, mean_of, rmse
from tlkit.tasks.objective import Objective
from tlkit_lessons.language_modelling import perplexity

KEY = ("t", "d", "b", "w")


def table(store: Store, metric: Metric, values: dict[str, list[float]]) -> list[Record]:
    """A record a seed for each plan, with per-item scores scattered about the value."""
    targets = np.zeros(4)
    for plan, column in values.items():
        for seed, value in enumerate(column):
            detail = {"scale": metric.declared(targets)} if metric.declared(targets) else {}
            store.append([Record(*KEY, plan, 5, seed, "r", "test", metric.name, value, detail=detail)])
    return store.read()


@pytest.mark.parametrize("metric", [tiny.error_rate, perplexity(0.1), mae(0.5, "euro")], ids=lambda m: m.name)
def test_where_lower_is_better_the_words_say_so(tmp_path, metric):
    store, rng = Store(tmp_path / "r.jsonl"), np.random.default_rng(0)
    low, high = rng.normal(1, 0.01, 6), rng.normal(9, 0.01, 6)
    rows = table(
        store, metric, {"scratch": list(high), "frozen": list(low), "full": list(high + 3 + low / 9)}
    )
    words = {p.plan: p.verdict.word for p in compare.pairs(store)}
    assert words == {"frozen": "better", "full": "worse"}
    assert {p.verdict.delta for p in compare.pairs(store)} == {metric.delta}
    sentence, *_ = conclude(store, rows, compare.pairs(store))
    assert "frozen has the" in sentence and "is better than scratch" in sentence


def test_a_difference_that_does_not_matter_is_the_metrics_own(tmp_path):
    values = {"scratch": [9.0, 9.1, 9.0, 9.1, 9.0, 9.1], "frozen": [9.2, 9.1, 9.2, 9.1, 9.1, 9.2]}
    for delta, word in ((0.001, "cannot tell"), (5.0, "equal")):
        store = Store(tmp_path / f"{delta}.jsonl")
        table(store, mae(delta), values)
        assert [p.verdict.word for p in compare.pairs(store)] in ([word], ["worse"] if delta < 1 else [word])


def test_scales_that_differ_are_not_mixed(tmp_path):
    rows = table(Store(tmp_path / "r.jsonl"), mae(0.5), {"full": [1.0]})
    more = table(Store(tmp_path / "s.jsonl"), mae(0.7), {"full": [1.0]})
    with pytest.raises(UserError, match="records of one metric are needed"):
        scale([*rows, *more])


def test_a_metric_without_a_direction_is_refused():
    with pytest.raises(UserError, match="say 'higher' or 'lower'"):
        Metric("f1", lambda kept, targets: 0.0, "", 0.02)
    with pytest.raises(UserError, match="does not say which way is better"):
        Objective("x", None, None, None, {"f1": lambda kept, targets: 0.0})
    with pytest.raises(UserError, match="has no metric"):
        Objective("x", None, None, None, {})


def test_numbers_of_each_metric_by_hand():
    kept, targets = np.array([1, 2, 2, 0]), np.array([1, 2, 0, 0])
    assert tiny.error_rate(kept, targets) == 0.25 and tiny.error_rate.chance(targets) == 0.5
    assert mae(0.1)(np.array([[1.0], [3.0]]), np.array([2.0, 1.0])) == 1.5
    assert mae(0.1).by_item(np.array([[1.0], [3.0]]), np.array([2.0, 1.0])).tolist() == [1.0, 2.0]
    assert rmse(0.1)(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == pytest.approx(2**0.5)
    assert perplexity(0.1)(np.array([[2.0, 1.0], [4.0, 2.0]]), None) == pytest.approx(np.exp(2.0))


def test_scores_by_item_are_kept_and_their_mean_is_the_metric(tmp_path):
    task, backbone = tiny.line()
    task.objective = regression(metrics=(mae(0.1, "steps"),))
    store = Store(tmp_path / "r.jsonl")
    grid = study.Grid(task, backbone, ("scratch", "frozen", "pixels"), (6,), tuple(range(5)), tiny.QUICK)
    study.run(grid, store)
    tests = [r for r in store.read() if r.split == "test"]
    assert all(store.scores(r.fit_key).mean() == pytest.approx(r.value) for r in tests)
    told = scale(tests)
    assert (told.sign, told.delta, told.unit) == (-1, 0.1, "steps") and told.chance > 0
    assert not any(p.items for p in compare.pairs(store)), "new items are covered where scores are shares"


def test_intervals_cover_new_items_where_scores_are_shares(tmp_path):
    task, backbone = tiny.classifier()
    task.objective = classification(3, metrics=(tiny.error_rate,))
    store = Store(tmp_path / "r.jsonl")
    study.run(study.Grid(task, backbone, ("scratch", "frozen"), (6,), tuple(range(5)), tiny.QUICK), store)
    (pair,) = compare.pairs(store)
    assert pair.items and pair.metric == "error rate"


def several() -> Task:
    """Two things that may both hold of a picture."""
    (x, y), (tx, ty) = tiny.pictures(30, 0), tiny.pictures(12, 1)
    both = [np.stack([one == 0, one != 1], 1).astype(np.int64) for one in (y, ty)]
    exact = mean_of("exact match", lambda kept, t: ((kept > 0.5) == t).all(1), "higher", 0.02)
    return Task("several", multilabel(2, (exact,)), tiny.items(x, "a"), both[0], tiny.items(tx, "b"), both[1])


def test_several_classes_may_hold_at_once():
    longer = tiny.Recipe(steps=150, epochs=1, batch=8, rates=(1e-2,), strengths=(1.0,), baselines=("1-nn",))
    done = fit(several(), tiny.backbone(), "full", 20, 0, longer)
    assert done.test.metrics["exact match"] > 0.8 and done.test.predicted.shape == (12, 2)


@pytest.mark.parametrize("plan", tiny.PLANS)
def test_several_classes_by_every_plan(plan):
    done = fit(several(), tiny.backbone(), plan, 10, 0, tiny.QUICK)
    assert done.audit.ok and done.audit.moved and len(done.tried) == 3
    assert 0 <= done.test.predicted.min() <= done.test.predicted.max() <= 1


# --- baselines on raw inputs


def test_words_have_their_own_baseline():
    texts = [f"{'good fine' if i % 2 else 'bad poor'} {i}" for i in range(40)]
    labels = np.arange(40) % 2
    sides = tiny.items(texts[:24], "a"), labels[:24], tiny.items(texts[24:], "b"), labels[24:]
    task = Task("words", classification(2, baseline=TFIDF), *sides, ("bad", "good"))
    done = fit(task, tiny.backbone(), "tfidf", 5, 0, tiny.QUICK)
    assert done.test.metrics["accuracy"] == 1.0 and done.model is None
    with pytest.raises(
        UserError, match="plan pixels has no baseline for a classification task: take tfidf instead"
    ):
        fit(task, tiny.backbone(), "pixels", 5, 0, tiny.QUICK)


def test_the_naive_forecast_is_the_last_value():
    rng = np.random.default_rng(0)
    series = torch.from_numpy(rng.normal(size=(40, 12)).cumsum(1).astype(np.float32))
    x, y = series[:, :-1], series[:, -1].numpy()
    sides = tiny.items(x[:28], "a"), y[:28], tiny.items(x[28:], "b"), y[28:]
    task = Task("walk", regression(metrics=(mae(0.1),), baseline=LAST_VALUE), *sides)
    done = fit(task, tiny.backbone(), "last-value", 5, 0, tiny.QUICK)
    assert done.test.metrics["mae"] == pytest.approx(np.abs(x[28:, -1].numpy() - y[28:]).mean())


# --- targets of any shape


def ragged(n: int) -> list[dict]:
    rng = np.random.default_rng(n)
    return [{"boxes": rng.normal(size=(1 + i % 3, 4)), "labels": np.arange(1 + i % 3)} for i in range(n)]


def counting(targets: list[dict]) -> Objective:
    """How many boxes: the loss and the metric see targets of different shapes."""
    return Objective(
        name="counting", head=lambda features, pool: nn.Sequential(pool, nn.Linear(pool(features).shape[1],
        1)), loss=lambda out, wanted: ((out[:, 0] - torch.tensor([float(len(w["boxes"])) for w in wanted])) **
        2).mean(), decode=lambda out: [{"count": float(one)} for one in out[:, 0]], metrics={"off":
        mean_of("off", lambda kept, t: np.array( [abs(k["count"] - len(w["boxes"])) for k, w in zip(kept, t,
        strict=True)]), "lower", 0.1)}, collate=lambda pairs: (torch.stack([x for x, _ in pairs]), [t for _, t
        in pairs]),
    )  # fmt: skip


def test_targets_and_predictions_may_differ_in_shape(tmp_path):
    (x, _), (tx, _) = tiny.pictures(24, 0), tiny.pictures(9, 1)
    y, ty = ragged(24), ragged(9)
    task = Task("boxes", counting(y), tiny.items(x, "a"), y, tiny.items(tx, "b"), ty)
    store = Store(tmp_path / "r.jsonl")
    grid = study.Grid(task, tiny.backbone(), ("scratch", "frozen", "full"), (6,), (0,), tiny.QUICK)
    assert study.run(grid, store).ran == 3
    row = store.read()[-1]
    assert store.scores(row.fit_key).shape == (9,)
    y[0]["boxes"] = y[0]["boxes"] + 1
    again = Task("boxes", counting(y), tiny.items(x, "a"), y, tiny.items(tx, "b"), ty)
    assert again.digest != task.digest, "hashed by content"
    same = Task("boxes", counting(y), tiny.items(x, "a"), ragged(24), tiny.items(tx, "b"), ragged(9))
    assert same.digest == task.digest
    array = np.array([{"a": np.arange(i + 1)} for i in range(24)], dtype=object)
    other = np.array([{"a": np.arange(i + 1)} for i in range(24)], dtype=object)
    both = [
        Task("o", counting(y), tiny.items(x, "a"), t, tiny.items(tx, "b"), ty).digest for t in (array, other)
    ]
    assert both[0] == both[1], "objects are hashed by what they hold, not by where they lie"


def test_ragged_targets_without_a_collate_are_refused():
    (x, _), (tx, _) = tiny.pictures(6, 0), tiny.pictures(3, 1)
    with pytest.raises(UserError, match="its targets differ in shape: give the objective a collate"):
        Task("boxes", classification(3), tiny.items(x, "a"), ragged(6), tiny.items(tx, "b"), ragged(3))


STREAMED = """
import numpy as np, torch
from torch import nn
import tiny
from tlkit.fit import fit
from tlkit.tasks import Objective, Task
from tlkit_lessons.language_modelling import perplexity

WORDS, LENGTH = 50_000, 64

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, WORDS)
    def forward(self, x):
        return self.linear(x)

def surprise(output, targets):
    odds, wanted = output.log_softmax(-1), torch.as_tensor(targets)
    told = -odds.gather(-1, wanted[..., None])[..., 0].sum(1)
    return torch.stack([told, torch.full_like(told, LENGTH)], 1).numpy()

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024

def use(n):
    rng = np.random.default_rng(n)
    words = rng.integers(0, WORDS, (n + 12, LENGTH))
    loss = lambda output, target: nn.functional.cross_entropy(output.flatten(0, 1), target.flatten())
    decode = lambda output: output.argmax(-1).numpy()
    kept = dict(metrics={"perplexity": perplexity(1.0)}, keep=surprise)
    objective = Objective("language", lambda features, pool: Head(), loss, decode, **kept)
    stages = lambda: {"stem": nn.Linear(1, 4), "top": nn.Linear(4, 4)}
    source = tiny.backbone(stages, nn.Identity, lambda raw: raw[:, None] / WORDS, f"words{n}")
    x = torch.from_numpy(words).float()
    sides = tiny.items(x[:12], "a"), words[:12], tiny.items(x[12:], "b"), words[12:]
    lists = dict(rates=(1e-3,), strengths=(1.0,), baselines=("1-nn",))
    quick = tiny.Recipe(steps=1, epochs=1, batch=2, **lists)
    return fit(Task("language", objective, *sides), source, "last-1", 2, 0, quick).test

use(20)
before = peak()
found = use(1000)
assert found.predicted.shape == (1000, 2) and np.isfinite(found.metrics["perplexity"])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_a_language_model_of_fifty_thousand_words_is_scored_in_little_memory(tmp_path):
    paths = {"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path]), "TLKIT_COMPUTED": str(tmp_path)}
    import os

    done = subprocess.run(
        [sys.executable, "-c", STREAMED], capture_output=True, text=True, env={**os.environ, **paths}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 200, "MiB beyond what twenty items take; all outputs at once are 12.8 GB"


# --- plans as rows of a table


@pytest.fixture
def table_back():
    kept = dict(plans.TABLE)
    yield
    plans.TABLE.clear()
    plans.TABLE.update(kept)


def test_a_plan_from_outside_enters_by_a_row(table_back):
    """An adapter is inserted, a penalty is added, and only the intended tensors move."""

    class Beside(nn.Module):
        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner, self.extra_scale = inner, nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.inner(x) * self.extra_scale

    called = []

    def prepare(chain, plan):
        for name in plan.tuned(chain.names):
            chain.stages[name] = Beside(chain.stages[name])

    def penalty(chain, plan):
        called.append(str(plan))
        return lambda: sum((p - 1).square().sum() for n, p in chain.named_parameters() if "extra" in n)

    movable = lambda chain, plan: {n for n, _ in chain.named_parameters() if "extra" in n}  # noqa: E731
    row = Row("scales", prepare=prepare, penalty=penalty, movable=movable, learners=lambda chain, plan: [])
    plans.register("scales", row)
    assert Plan.parse("scales@decay=0.5") == Plan("scales", decay=0.5)
    task, backbone = tiny.classifier()
    done = fit(task, backbone, "scales", 6, 0, tiny.QUICK)
    moved = {name for name in done.audit.moved if not name.startswith("head.")}
    assert moved == {f"stages.{name}.extra_scale" for name in tiny.STAGES}
    assert len(called) == 4, "three tries and the last training"
    with pytest.raises(UserError, match="'scales' exists already"):
        plans.register("scales", row)
    with pytest.raises(UserError, match="another plan trains all from random"):
        plans.register("anew", Row("all", "random"))
