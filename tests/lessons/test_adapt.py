"""Adapting without labels: each method against another way to the same number, and the seal kept."""

import copy
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import tiny
import torch
from scipy.special import softmax
from torch import nn

from tlkit import backbones, features
from tlkit.errors import UserError
from tlkit.plans import Plan, state
from tlkit.recipe import Recipe
from tlkit.tasks import Task, classification
from tlkit_lessons import adapt
from tlkit_lessons.adapt import feature_based, losses, selection, testtime, training
from tlkit_lessons.adapt.domains import Domains, hold_back

QUICK = Recipe(steps=4, epochs=1, batch=8)
CLASSES = ("a", "b", "c")
SKADA = ("linear ot", "ot", "subspace", "tca", "tsl", "kliep", "kmm", "mmd-tars")
FAST = {"tsl": {"iterations": 2}, "adabn": {"batch": 5}, "tent": {"batch": 5}}


def task(name, seed, n=36, test=15, sealed=False, classes=CLASSES, shift=0.0, groups=3) -> Task:
    """Pictures of tiny.py; `shift` dims and lifts them, which moves every feature."""
    (x, y), (tx, ty) = tiny.pictures(n, seed), tiny.pictures(test, seed + 50)
    x, tx = (images * (1 - shift) + shift / 2 for images in (x, tx))
    chosen, kept = np.flatnonzero(y < groups), np.flatnonzero(ty < groups)
    sides = tiny.items(x[chosen], "train"), y[chosen], tiny.items(tx[kept], "test"), ty[kept]
    return Task(name, classification(len(classes)), *sides, tuple(classes), sealed=sealed)


@pytest.fixture(scope="module")
def world():
    return task("source", 0), task("target", 7, sealed=True, shift=0.4), tiny.backbone()


def run(world, method, **settings) -> adapt.Adapted:
    return adapt.adapt(*world, method, recipe=QUICK, **{**FAST.get(method, {}), **settings})


def cloud(n, d, seed, spread=1.0, mean=0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ (np.eye(d) + spread * rng.standard_normal((d, d))) + mean


# ---- closed form


def test_after_coral_covariance_and_mean_are_the_targets():
    source, target = cloud(200, 6, 0), cloud(150, 6, 1, mean=3.0)
    moved = adapt.coral(source, target, reg=0.0)
    assert not np.allclose(np.cov(source.T), np.cov(target.T), atol=0.5)
    assert np.allclose(np.cov(moved.T), np.cov(target.T)) and np.allclose(moved.mean(0), target.mean(0))


@pytest.mark.parametrize("reg", [0.0, 0.1, 1.0])
def test_coral_is_two_matrix_square_roots(reg):
    source, target = cloud(60, 5, 2), cloud(80, 5, 3)
    added = reg * np.var(source, 0, ddof=1).mean() * np.eye(5)
    ours, theirs = (np.cov(x, rowvar=False) + added for x in (source, target))
    naive = (
        (source - source.mean(0)) @ scipy.linalg.inv(scipy.linalg.sqrtm(ours)) @ scipy.linalg.sqrtm(theirs)
    )
    assert np.allclose(adapt.coral(source, target, reg), naive + target.mean(0))


def test_coral_is_skadas_on_centred_features():
    skada = pytest.importorskip("skada")
    source, target = (x - x.mean(0) for x in (cloud(300, 4, 4), cloud(300, 4, 5)))
    theirs = skada.CORALAdapter(reg=1e-12).fit_transform(
        np.concatenate([source, target]), sample_domain=np.repeat([1, -2], 300)
    )
    moved = theirs[:300] if isinstance(theirs, np.ndarray) else theirs["X"][:300]
    assert np.allclose(adapt.coral(source, target, reg=0.0), moved, atol=1e-6)


def test_coral_of_one_domain_changes_nothing_whatever_the_rank():
    for source, reg in ((cloud(40, 5, 0), 0.0), (cloud(10, 30, 1), 1.0)):
        assert np.allclose(adapt.coral(source, source.copy(), reg), source)


def test_coral_says_when_a_covariance_cannot_be_inverted():
    few = cloud(10, 30, 0)
    for source in (few, np.c_[cloud(40, 3, 1), np.ones(40)]):
        with pytest.raises(UserError, match="reg above 0"):
            adapt.coral(source, source, reg=0.0)
    with pytest.raises(UserError, match="0 or more"):
        adapt.coral(few, few, reg=-1.0)


@pytest.mark.parametrize("method", SKADA)
def test_skadas_methods_are_skadas(method):
    """The same answers as from the library, called by hand on features of unit scale."""
    skada = pytest.importorskip("skada")
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = rng.standard_normal((60, 5)) + 2 * np.eye(3, 5)[y]
    target = rng.standard_normal((45, 5)) + 2 * np.eye(3, 5)[np.arange(45) % 3] + 0.5
    given = {"components": 2, "reg": 0.01, "gamma": 0.2, "iterations": 3}
    own = {k: v for k, v in given.items() if k in adapt.METHODS[method].settings}
    ours = feature_based.solve(method, x, y, target, 3, 0.5, seed=0, **own).outputs(target)

    base = LogisticRegression(C=0.5, max_iter=2000)
    weighed = LogisticRegression(C=0.5, max_iter=2000).set_fit_request(sample_weight=True)
    library = {
        "linear ot": lambda: skada.LinearOTMapping(base, reg=0.01),
        "ot": lambda: skada.OTMapping(base),
        "subspace": lambda: skada.SubspaceAlignment(base, n_components=2, random_state=0),
        "tca": lambda: skada.TransferComponentAnalysis(base, n_components=2),
        "tsl": lambda: skada.TransferSubspaceLearning(base, n_components=2, max_iter=3),
        "kliep": lambda: skada.KLIEPReweight(weighed, gamma=0.2, random_state=0),
        "kmm": lambda: skada.KMMReweight(weighed, gamma=0.2),
        "mmd-tars": lambda: skada.MMDTarSReweight(weighed, gamma=0.2),
    }[method]()
    scale = np.sqrt(((x - x.mean(0)) ** 2).mean())
    a, b = (x - x.mean(0)) / scale, (target - x.mean(0)) / scale
    numbers = 1000 * y if method == "mmd-tars" else y  # classes are names, not places on a line
    masked, domain = np.r_[numbers, np.full(45, -1)], np.r_[np.ones(60), np.full(45, -2)]
    library.fit(np.concatenate([a, b]), masked, sample_domain=domain)
    theirs = library.predict_proba(b, sample_domain=np.full(45, -2))
    assert np.allclose(softmax(ours, 1), theirs, atol=1e-7)


def test_weights_for_other_shares_do_not_depend_on_how_classes_are_numbered():
    pytest.importorskip("skada")
    rng = np.random.default_rng(0)
    y, there = np.arange(120) % 6, np.repeat(np.arange(6), (40, 20, 10, 10, 5, 5))
    x, target = (rng.standard_normal((len(rows), 8)) + 3 * np.eye(6, 8)[rows] for rows in (y, there))
    solve = lambda labels: feature_based.solve("mmd-tars", x, labels, target, 6, gamma=0.004).outputs(target)  # noqa: E731
    renamed = rng.permutation(6)
    assert np.allclose(solve(y), solve(renamed[y])[:, renamed], atol=1e-6)


def test_without_skada_its_methods_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skada", None)
    x, y = cloud(12, 3, 0), np.arange(12) % 2
    with pytest.raises(UserError, match=r"tlkit\[adapt\]"):
        feature_based.solve("kliep", x, y, x + 1, 2, gamma=None)
    assert feature_based.solve("coral", x, y, x + 1, 2, reg=1.0).outputs(x).shape == (12, 2)


def test_pseudo_labels_are_those_the_probe_is_sure_of():
    x, y = cloud(30, 3, 0), np.arange(30) % 2
    x[:, 0] += 4 * y
    target = x + np.array([1.0, 0, 0])
    solved, taken = feature_based.pseudo_labels(x, y, target, 0.5, 2, threshold=0.8, rounds=1)
    first = features.probe(x, y, 0.5, 2)
    odds = np.exp(first(target)) / np.exp(first(target)).sum(1, keepdims=True)
    sure = [i for i in range(30) if max(odds[i]) >= 0.8]
    again = features.probe(
        np.concatenate([x, target[sure]]), np.r_[y, [int(odds[i, 1] > odds[i, 0]) for i in sure]], 0.5, 2
    )
    assert 0 < len(sure) < 30 and taken == [len(sure)] and np.allclose(solved(target), again(target))
    none, taken = feature_based.pseudo_labels(x, y, target, 0.5, 2, threshold=1.0, rounds=2)
    assert taken == [0, 0] and np.array_equal(none.weight, first.weight)


# ---- terms of a loss


def test_coral_loss_is_the_mean_over_pairs_of_features():
    a, b = torch.tensor(cloud(9, 4, 0)), torch.tensor(cloud(7, 4, 1))
    total = 0.0
    for i in range(4):
        for j in range(4):
            both = [
                ((x[:, i] - x[:, i].mean()) * (x[:, j] - x[:, j].mean())).sum() / (len(x) - 1) for x in (a, b)
            ]
            total += float(both[0] - both[1]) ** 2
    assert losses.coral_loss(a, b).item() == pytest.approx(total / 64) and losses.coral_loss(a, a).item() == 0


def test_mmd_is_a_double_loop_over_kernels():
    a, b = cloud(6, 3, 0), cloud(5, 3, 1, mean=1.0)
    rows = np.concatenate([a, b])
    square = lambda p, q: float(((p - q) ** 2).sum())  # noqa: E731
    mean = np.mean([square(p, q) for i, p in enumerate(rows) for j, q in enumerate(rows) if i != j])
    kernel = lambda p, q: np.mean([np.exp(-square(p, q) / (s * mean)) for s in losses.SCALES])  # noqa: E731
    within = [
        np.mean([kernel(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if i != j]) for x in (a, b)
    ]
    across = np.mean([kernel(p, q) for p in a for q in b])
    found = losses.mmd_loss(torch.tensor(a), torch.tensor(b))
    assert found.item() == pytest.approx(sum(within) - 2 * across, abs=1e-12)
    same = torch.tensor(np.ones((4, 3)))
    assert losses.mmd_loss(same, same).item() == pytest.approx(0)


def test_a_reversed_gradient_has_the_other_sign_and_the_scale():
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    there = losses.reverse(x, 0.3)
    (there**2).sum().backward()
    assert torch.equal(there, x) and torch.allclose(x.grad, -0.3 * 2 * x.detach())


def test_the_discriminator_learns_what_the_features_unlearn():
    discriminator = losses.Discriminator(4, weight=2.0, steps=10)
    discriminator.seen = 5
    x = torch.randn(6, 4, requires_grad=True)
    losses.domains(discriminator(x), 3).backward()
    plain = x.detach().clone().requires_grad_()
    truth = torch.tensor([1.0, 1, 1, 0, 0, 0])
    own = discriminator.layers[0].weight.grad.clone()
    discriminator.zero_grad()
    odds = discriminator.layers(plain)[:, 0]
    (-(truth * odds.sigmoid().log() + (1 - truth) * (1 - odds.sigmoid()).log())).mean().backward()
    assert torch.allclose(x.grad, -2.0 * losses.ramp(0.5) * plain.grad, atol=1e-7)
    assert torch.allclose(own, discriminator.layers[0].weight.grad, atol=1e-7) and discriminator.seen == 6
    assert losses.ramp(0) == 0 and losses.ramp(0.1) == pytest.approx(np.tanh(0.5))
    discriminator.eval()(x)
    assert discriminator.seen == 6, "settling the batch norms is no step"


@pytest.mark.parametrize("method", ["deep coral", "mmd", "dann"])
def test_a_penalty_is_what_the_loss_adds(method, world):
    """One step's loss by hand: cross-entropy on the source half, the penalty on both halves."""
    pair, seen = Domains(*world), []
    loss = training._joint_loss(method, 0.5)

    def kept(output, wanted):
        seen.append(([o.detach().clone() for o in output], wanted, loss(output, wanted).item()))
        return loss(output, wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_joint_loss", lambda *_: kept)
        training.learn(pair, Plan.parse("last-1"), QUICK, method, 0.5)
    (scores, pooled, *odds), wanted, value = seen[0]
    n = len(wanted)
    assert len(scores) == len(pooled) == 2 * n
    expected = nn.functional.cross_entropy(scores[:n], wanted)
    halves = pooled[:n], pooled[n:]
    if method == "dann":
        truth = torch.cat([torch.ones(n), torch.zeros(n)])
        expected = expected + nn.functional.binary_cross_entropy_with_logits(odds[0], truth)
    else:
        expected = expected + 0.5 * {"deep coral": losses.coral_loss, "mmd": losses.mmd_loss}[method](*halves)
    assert value == pytest.approx(expected.item(), rel=1e-6)


def test_the_reversal_has_grown_to_its_end_when_the_descent_ends(world, monkeypatch):
    made = []

    class Kept(losses.Discriminator):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(losses, "Discriminator", Kept)
    steps = len(run(world, "dann", plan="last-1").losses)
    assert made[0].seen == made[0].steps == steps > 1


def test_source_and_target_rows_come_side_by_side_each_once():
    source, target = features.Batches.of(torch.arange(7)), features.Batches.of(torch.arange(100, 103))
    both = training.Beside(source, target, 0)
    for _ in range(2):
        both.turn()
        batches = [both.take(part) for part in ([6, 0, 3], [1, 2, 4, 5])]
        assert [b[: len(b) // 2].tolist() for b in batches] == [[6, 0, 3], [1, 2, 4, 5]]
        below = torch.cat([b[len(b) // 2 :] for b in batches]).tolist()
        assert set(below) == {100, 101, 102} and max(map(below.count, set(below))) <= 3


def test_a_penalty_brings_the_domains_together(world):
    """A long pull, and the features of the two sides end nearer than without it."""
    pair, recipe = Domains(*world), Recipe(steps=40, epochs=1, batch=16)
    gaps = []
    for weight in (0.0, 50.0):
        chain = training.learn(pair, Plan.parse("full"), recipe, "mmd", weight, 1e-2).chain
        chain.head = chain.head[:-1]
        sides = [training.outputs(pair, chain, t.train, np.arange(len(t.train))) for t in world[:2]]
        gaps.append(losses.mmd_loss(*map(torch.from_numpy, sides)).item())
    assert gaps[1] < 0.5 * gaps[0]


# ---- test time


def test_adabn_statistics_are_the_targets(world):
    """Layer by layer: mean and unbiased variance of what reaches each batch norm, over all target items."""
    found = run(world, "adabn", batch=None)
    source = training.learn(Domains(*world), Plan.parse("frozen"), QUICK).chain
    x = torch.stack([tiny.backbone().transform(raw) for raw in world[1].train.inputs])
    for name in source.names:
        conv, norm = source.stages[name][0], source.stages[name][1]
        with torch.no_grad():
            x = conv(x)
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            ours = found.model.stages[name][1]
            assert torch.allclose(ours.running_mean, mean, atol=1e-5)
            assert torch.allclose(ours.running_var, var, atol=1e-5)
            assert not torch.allclose(norm.running_mean, mean, atol=1e-2)
            biased = x.var((0, 2, 3), unbiased=False)[:, None, None]
            x = (x - mean[:, None, None]) / (biased + norm.eps).sqrt()
            x = (x * norm.weight[:, None, None] + norm.bias[:, None, None]).relu()
    assert found.read[-1] == "target training inputs"
    assert found.audit.moved and all("running" in k or "tracked" in k for k in found.audit.moved)


@pytest.mark.parametrize("batch", [1, 5])
def test_adabn_by_batches_answers_each_with_its_own_statistics(batch, world):
    """As plain torch does with its batch norms in train mode; a batch of one too."""
    pair = Domains(*world)
    answered = testtime.adabn(pair, training.learn(pair, Plan.parse("frozen"), QUICK), batch)
    scores = answered.answer(world[1].test, np.arange(15))
    order = np.random.default_rng(0).permutation(15)
    for part in np.array_split(order, 15 // batch):
        chain = training.learn(pair, Plan.parse("frozen"), QUICK).chain.eval()
        norms = [m for m in chain.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.train()
        x = torch.stack([tiny.backbone().transform(world[1].test.inputs[i]) for i in part])
        with torch.no_grad():
            assert np.allclose(scores[part], chain(x).numpy(), atol=1e-5)


def test_tent_lowers_entropy_and_moves_norm_layers_alone(world):
    entropy = {}
    for passes in (1, 15):
        found = run(world, "tent", batch=15, rate=0.02, passes=passes)
        entropy[passes] = found.losses[-1]
        assert len(found.losses) == passes
        norms = {f"stages.{s}.1.{t}" for s in tiny.STAGES for t in state(nn.BatchNorm2d(1))}
        assert set(found.audit.moved) <= norms and {k for k in norms if "weight" in k} <= set(
            found.audit.moved
        )
    assert entropy[15] < 0.8 * entropy[1]


def test_tents_first_answers_are_those_of_the_batch_statistics(world):
    """Before its first step TENT has changed nothing but where the statistics come from."""
    pair, plan = Domains(*world), Plan.parse("frozen")
    chain = training.learn(pair, plan, QUICK).chain
    scores = testtime.tent(pair, training.learn(pair, plan, QUICK), 15, 1e-3).answer(
        world[1].test, np.arange(15)
    )
    for norm in chain.eval().modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.train()
    with torch.no_grad():
        wanted = chain(torch.stack([tiny.backbone().transform(x) for x in world[1].test.inputs]))
    assert np.allclose(scores, wanted.numpy(), atol=1e-5)
    spread = torch.tensor([[0.0, 0.0], [100.0, 0.0]])
    assert torch.allclose(losses.entropy(spread), torch.tensor([np.log(2), 0.0], dtype=torch.float32))


def test_test_time_needs_norms_and_enough_items(world):
    plain = tiny.backbone(
        lambda: {"stem": nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), "top": nn.Conv2d(4, 8, 3)},
        name="plain",
    )
    with pytest.raises(UserError, match="no batch norm"):
        run((*world[:2], plain), "adabn")
    with pytest.raises(UserError, match="no norm to train"):
        run((*world[:2], plain), "tent")
    for method, settings in (("adabn", {"batch": 0}), ("tent", {"batch": 1}), ("tent", {"rate": 0.0})):
        with pytest.raises(UserError, match="give"):
            run(world, method, **settings)
    flat = tiny.backbone(
        lambda: {"stem": nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8))},
        nn.Identity, name="flat",
    )  # fmt: skip
    with pytest.raises(UserError, match="batch of 1"):
        run((*world[:2], flat), "adabn", batch=1)
    assert run(world, "adabn", batch=1).accuracy >= 0


# ---- choosing


def test_the_density_ratio_of_two_gaussians_is_exact():
    rng = np.random.default_rng(0)
    source, target = rng.normal(0, 1, (40000, 1)), rng.normal(1, 1, (40000, 1))
    at = np.linspace(-1.5, 2.5, 9)[:, None]
    found = adapt.density_ratio(source, target, at, strength=1e3)
    exact = np.exp(-((at - 1) ** 2) / 2 + at**2 / 2)[:, 0]
    assert np.allclose(np.log(found), np.log(exact), atol=0.05)
    halved = adapt.density_ratio(source, target[:20000], at, strength=1e3)
    assert np.allclose(halved, found, rtol=0.05), "how many items a side has is no likelihood"


def test_importance_weighting_gives_the_targets_accuracy():
    """Right where x > 0.5: 0.31 of the source, 0.69 of the target, and only source labels are looked at."""
    rng = np.random.default_rng(1)
    x, target = rng.normal(0, 1, (20000, 1)), rng.normal(1, 1, (20000, 1))
    scores = np.c_[x[:, 0] <= 0.5, x[:, 0] > 0.5].astype(float)
    weights = adapt.density_ratio(x, target, x, strength=1e3)
    evidence = adapt.Evidence(np.zeros((2, 2)), scores, np.ones(len(x), dtype=int), weights)
    assert selection.importance_weighted(evidence) == pytest.approx((target > 0.5).mean(), abs=0.02)
    assert abs((x > 0.5).mean() - (target > 0.5).mean()) > 0.3


def test_criteria_are_their_loops():
    scores = cloud(7, 3, 0)
    evidence = adapt.Evidence(scores, scores, np.zeros(7, dtype=int), np.ones(7))
    odds = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    entropies = [-sum(p * np.log(p) for p in row) for row in odds]
    assert selection.certainty(evidence) == pytest.approx(-np.mean(entropies))
    found = []
    for i in range(7):
        cosine = [
            odds[i] @ odds[j] / np.sqrt(odds[i] @ odds[i] * (odds[j] @ odds[j])) for j in range(7) if j != i
        ]
        near = np.exp(np.array(cosine) / 0.05)
        near /= near.sum()
        found.append(-sum(p * np.log(p) for p in near))
    assert selection.neighbourhood(evidence) == pytest.approx(np.mean(found))
    singular = np.sqrt(np.linalg.eigvalsh(odds.T @ odds).clip(0)).sum()
    assert selection.nuclear_norm(evidence) == pytest.approx(singular / 7)


def test_select_gives_every_criterion_and_the_oracle(world):
    candidates = [run(world, m) for m in ("source only", "coral", "adabn")]
    chosen = adapt.select(candidates)
    assert list(chosen) == [*adapt.CRITERIA, adapt.ORACLE] and adapt.ORACLE == "oracle"
    for name, winner in chosen.items():
        scores = [adapt.by_criterion(c)[name] for c in candidates]
        assert np.isfinite(scores).all() and adapt.by_criterion(winner)[name] == max(scores)
    assert chosen["oracle"].accuracy == max(c.accuracy for c in candidates)
    with pytest.raises(UserError, match="at least one"):
        adapt.select([])
    with pytest.raises(UserError, match="different"):
        adapt.select([candidates[0], adapt.adapt(*world, "coral", seed=1, recipe=QUICK)])


@pytest.mark.parametrize("method", ["tent", "adabn"])
def test_looking_at_the_evidence_moves_nothing(method, world):
    found = run(world, method)
    before = state(found.model)
    assert found.evidence.target.shape == (36, 3) and len(found.evidence.weights) == len(found.evidence.held)
    assert all(torch.equal(before[k], t) for k, t in state(found.model).items())


# ---- the seal, and what all methods share


@pytest.mark.parametrize("method", adapt.METHODS)
def test_target_labels_that_become_garbage_change_nothing(method, world):
    """Train and test labels alike, replaced behind the seal: model, answers and evidence stay bit by bit."""
    source, target, backbone = world
    spoilt = copy.deepcopy(target)
    spoilt._Task__train = np.full(36, 10**6)
    spoilt._Task__test = np.full(15, -7)
    spoilt.reads.clear()
    honest, blind = run(world, method), run((source, spoilt, backbone), method)
    assert np.array_equal(honest.evaluation.predicted, blind.evaluation.predicted)
    assert np.array_equal(honest.evidence.target, blind.evidence.target)
    assert np.array_equal(honest.evidence.weights, blind.evidence.weights)
    if honest.model is not None:
        theirs = state(blind.model)
        assert all(torch.equal(t, theirs[k]) for k, t in state(honest.model).items())
    assert blind.accuracy == 0 and len(spoilt.reads) == 1 and method in spoilt.reads[0]


@pytest.mark.parametrize("method", adapt.METHODS)
def test_the_result_says_what_was_read_and_what_moved(method, world):
    found = run(world, method)
    how = adapt.METHODS[method]
    assert "source labels" in found.read and not [r for r in found.read if "target" in r and "label" in r]
    assert (found.read == how.reads) and found.detail["items"] == {"learn": 30, "held": 6, "target": 36}
    assert len(found.evaluation.predicted) == 15 and 0 <= found.accuracy <= 1
    if method in SKADA:
        assert found.model is None and found.audit is None
    else:
        assert found.audit.ok and found.audit.moved
        again = state(found.model)
        assert set(again) == {*found.audit.moved, *found.audit.still}


def test_frozen_means_frozen_under_a_penalty(world):
    source = world[2].pretrained()
    for method in ("deep coral", "mmd", "dann"):
        found = run(world, method, plan="last-1")
        assert all(not k.startswith(("stages.stem", "stages.mid")) for k in found.audit.moved)
        assert any(k.startswith("stages.top") for k in found.audit.moved)
        for k, t in source.state_dict().items():
            if k.startswith(("stages.stem", "stages.mid")):
                assert torch.equal(found.model.state_dict()[k], t)
        with pytest.raises(UserError, match="freezes them"):
            run(world, method, plan="frozen")


def test_the_recomposed_model_gives_the_answers(world):
    for method in ("source only", "coral", "pseudo-labels", "deep coral"):
        found = run(world, method)
        x = torch.stack([world[2].transform(raw) for raw in world[1].test.inputs])
        with torch.no_grad():
            assert np.array_equal(found.model.eval()(x).argmax(1).numpy(), found.evaluation.predicted)


@pytest.mark.parametrize("method", ["coral", "pseudo-labels"])
def test_closed_forms_learn_from_what_was_not_held_alone(method, world):
    source, target, _ = world
    learn, _ = hold_back(np.asarray(source.targets), 0)
    pair = Domains(*world)
    x, t = pair.pooled(source.train)[learn], pair.pooled(target.train)
    settings = adapt.METHODS[method].settings
    by_hand = feature_based.solve(method, x, source.targets[learn], t, 3, 0.1, **settings).probe
    assert np.array_equal(run(world, method).model.head[-1].weight.detach(), by_hand.weight)


def test_source_only_is_a_probe_on_what_was_not_held(world):
    source, target, backbone = world
    found = run(world, "source only")
    at = features.Cut(backbone, 3, True)
    learn, held = hold_back(np.asarray(source.targets), 0)
    assert sorted([*learn, *held]) == list(range(36)) and np.bincount(source.targets[held]).tolist() == [
        2,
        2,
        2,
    ]
    x = at.run(source.train.inputs).numpy()[learn]
    by_hand = features.probe(x, source.targets[learn], 0.1, 3)
    wanted = by_hand(at.run(target.test.inputs).numpy()).argmax(1)
    assert np.array_equal(found.evaluation.predicted, wanted)


# ---- bad input


def test_a_sealed_task_gives_no_labels(world):
    with pytest.raises(UserError, match="its targets are hidden"):
        world[1].targets  # noqa: B018
    with pytest.raises(UserError, match="its targets are hidden"):
        world[1].draw(1, 0)
    with pytest.raises(UserError, match="its targets are hidden"):
        adapt.adapt(world[1], world[1], world[2], "coral")
    with pytest.raises(UserError, match=r"adapt\.sealed"):
        adapt.adapt(world[0], task("open", 7), world[2], "coral")
    source = task("twice", 3)
    twin = adapt.sealed(source)
    assert twin.sealed and not source.sealed and twin.reads is not source.reads


@pytest.mark.parametrize("method", ["source only", "coral", "kliep", "mmd", "adabn", "pseudo-labels"])
def test_a_class_may_be_missing_in_the_target(method, world):
    """Its name too: the target then numbers its classes otherwise, and an answer it lacks is never right."""
    source, _, backbone = world
    for classes in (CLASSES, CLASSES[:2]):
        less = task("less", 7, sealed=True, groups=2, classes=classes)
        found = adapt.adapt(source, less, backbone, method, recipe=QUICK)
        assert 0 <= found.accuracy <= 1 and len(found.evaluation.predicted) == 10
        assert set(found.evaluation.predicted) <= ({0, 1, -1} if len(classes) == 2 else {0, 1, 2})


def test_a_source_class_without_a_number_in_the_target_is_never_right(world):
    less = task("less", 7, sealed=True, groups=2, classes=("b", "a"))
    assert Domains(world[0], less, world[2]).to_target.tolist() == [1, 0, -1]


def test_classes_are_told_apart_by_name_not_by_number(world):
    source, _, backbone = world
    alike = task("as named", 7, sealed=True)
    turned = task("turned", 7, sealed=True, classes=("c", "a", "b"))
    turned._Task__test = (alike._Task__test + 1) % 3
    found = [adapt.adapt(source, t, backbone, "source only", recipe=QUICK) for t in (alike, turned)]
    assert found[0].accuracy == found[1].accuracy > 0.4


def test_classes_that_the_source_does_not_name_are_refused(world):
    strange = task("strange", 7, sealed=True, classes=("a", "b", "z"))
    with pytest.raises(UserError, match=r"\(z\)"):
        adapt.adapt(world[0], strange, world[2], "coral")
    line = tiny.line()[0]
    with pytest.raises(UserError, match="classification"):
        adapt.adapt(line, adapt.sealed(line), world[2], "coral")


@pytest.mark.parametrize("method", ["source only", "coral", "kliep", "pseudo-labels"])
def test_constant_features_are_refused(method):
    x, y = cloud(12, 3, 0), np.arange(12) % 2
    settings = dict(adapt.METHODS[method].settings)
    settings.pop("rate", None)
    for sides in ((np.ones((12, 3)), x), (x, np.ones((9, 3)))):
        with pytest.raises(UserError, match="same features"):
            feature_based.solve(method, sides[0], y, sides[1], 2, **settings)


@pytest.mark.parametrize("method", [m for m in adapt.METHODS if adapt.METHODS[m].family == "features"])
def test_fewer_samples_than_dimensions_are_enough(method):
    x, y = cloud(12, 40, 0, 0.1), np.arange(12) % 3
    x[:, 0] += 10 * y
    settings = {**adapt.METHODS[method].settings, **FAST.get(method, {})}
    found = feature_based.solve(method, x, y, x[:9] + 0.1, 3, **settings).outputs(x)
    assert found.shape == (12, 3) and np.isfinite(found).all()


def test_identical_domains_leave_nothing_to_adapt(world):
    """CORAL: the features are those of the source to the last digits, and so are the answers."""
    twin = adapt.sealed(world[0])
    pair = Domains(world[0], twin, world[2])
    x = pair.pooled(world[0].train)
    assert np.allclose(adapt.coral(x, pair.pooled(twin.train)), x, atol=1e-6)
    y, settings = pair.labels, {"strength": 0.1}
    plain = feature_based.solve("source only", x, y, x, 3, **settings).outputs(x)
    assert np.allclose(
        feature_based.solve("coral", x, y, x, 3, reg=1.0, **settings).outputs(x), plain, atol=1e-4
    )
    assert np.allclose(adapt.density_ratio(x, x, x), 1, atol=1e-5)


def test_one_class_is_refused(world):
    source = task("alone", 0, groups=1)
    with pytest.raises(UserError, match="one class"):
        adapt.adapt(source, world[1], world[2], "source only")
    with pytest.raises(UserError, match="one class"):
        task("single", 0, classes=("a",), groups=1)


def test_a_labelled_test_item_is_refused(world):
    source = world[0]
    tx = tiny.pictures(36, 0)[0][:5]
    sides = (
        tiny.items(tiny.pictures(10, 90)[0], "u"),
        np.arange(10) % 3,
        tiny.items(tx, "t"),
        np.arange(5) % 3,
    )
    with pytest.raises(UserError, match="5 test items"):
        adapt.adapt(source, Task("leaky", classification(3), *sides, CLASSES, sealed=True), world[2], "coral")


def test_what_does_not_go_together_is_refused(world):
    for method, settings, match in (
        ("corral", {}, "did you mean 'coral'"),
        ("coral", {"batch": 3}, "reg"),
        ("ot", {"reg": 1}, "no settings"),
        ("coral", {"plan": "full"}, "nothing but the head"),
        ("mmd", {"plan": "gradual"}, "does not go"),
        ("source only", {"plan": "pixels"}, "does not go"),
        ("mmd", {"weight": -1.0}, "weight=-1"),
        ("pseudo-labels", {"threshold": 2}, "threshold=2"),
    ):
        with pytest.raises(UserError, match=match):
            run(world, method, **settings)
    with pytest.raises(UserError, match="augment"):
        adapt.adapt(*world, "mmd", recipe=replace(QUICK, augment="shift", views=2))


def test_methods_say_who_proposed_them():
    for name, method in adapt.METHODS.items():
        assert method.name == name and method.updates and (method.paper or name == "source only")
        assert not any("target" in what and "label" in what for what in method.reads)
    assert backbones.names()
