"""Every score beside a twin written the long way, what may not change it, and what it refuses."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.cluster import KMeans
from sklearn.model_selection import StratifiedKFold
from tiny import classifier, items, line, pictures

from tlkit import backbones, tasks
from tlkit.errors import UserError
from tlkit.tasks import Task, classification
from tlkit_lessons import scores

# items, features, classes, shift of the class means, seed; two have fewer items than features
PROBLEMS = [
    (40, 6, 2, 1.0, 0),
    (60, 12, 3, 0.5, 1),
    (30, 50, 5, 1.0, 2),
    (90, 20, 10, 0.7, 3),
    (120, 80, 4, 0.4, 4),
    (24, 40, 2, 0.6, 5),
]
BY_FEATURES = list(scores.BY_FEATURES)
BY_HEAD = list(scores.BY_HEAD)


def problem(n: int, d: int, classes: int, shift: float, seed: int):
    """Features of unequal spread, off centre; labels of unequal shares; probabilities of 7 classes."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate(
        [np.repeat(np.arange(classes), 3), rng.choice(classes, n - 3 * classes, p=shares(classes))]
    )
    labels = rng.permutation(labels)
    means = rng.normal(scale=shift, size=(classes, d))
    features = 0.3 + (rng.normal(size=(n, d)) + means[labels]) * rng.uniform(0.2, 3, d)
    features = features @ rng.normal(size=(d, d)) / math.sqrt(d)
    odds = rng.normal(size=(n, 7)) + 2 * np.eye(7)[labels % 7]
    odds[:, 5] = -2000  # a class of the source that never occurs
    return features, labels, np.exp(odds) / np.exp(odds).sum(1, keepdims=True)


def shares(classes: int) -> np.ndarray:
    weights = np.arange(1, classes + 1) + classes
    return weights / weights.sum()


# The twins: explicit loops and matrices, nothing shared with tlkit_lessons.scores.


def naive_logme(x, y):
    gram, evidence = x @ x.T, []
    for c in range(y.max() + 1):
        target = (y == c).astype(float)

        def lost(log, target=target):
            cov = gram * np.exp(-log[0]) + np.eye(len(x)) * np.exp(-log[1])
            return (np.linalg.slogdet(2 * np.pi * cov)[1] + target @ np.linalg.solve(cov, target)) / 2

        best = np.inf
        for start in ((0, 0), (4, 2)):
            options = {"xatol": 1e-5, "fatol": 1e-10}
            found = minimize(lost, np.array(start, float), method="Nelder-Mead", options=options)
            best = min(best, found.fun)
        evidence.append(-best / len(x))
    return np.mean(evidence)


def covariance(rows):
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for row in rows - sum(rows) / len(rows):
        total += np.outer(row, row)
    return total / len(rows)


def class_mean_rows(x, y):
    return np.stack([np.mean([x[j] for j in range(len(x)) if y[j] == y[i]], axis=0) for i in range(len(x))])


def naive_h_score(x, y):
    return np.trace(np.linalg.pinv(covariance(x), rcond=1e-10) @ covariance(class_mean_rows(x, y)))


def naive_shrinkage(x, y):
    n, d = x.shape
    centred, plain = x - x.mean(0), covariance(x)
    mean_variance = np.trace(plain) / d
    far = ((plain - mean_variance * np.eye(d)) ** 2).sum()
    noise = sum(((np.outer(row, row) - plain) ** 2).sum() for row in centred) / n**2
    amount = min(noise, far) / far
    shrunk = (1 - amount) * plain + amount * mean_variance * np.eye(d)
    return np.trace(np.linalg.inv(shrunk) @ ((1 - amount) * covariance(class_mean_rows(x, y))))


def naive_leep(p, y):
    n, sources = p.shape
    joint = {(c, z): sum(p[i, z] for i in range(n) if y[i] == c) / n for c in set(y) for z in range(sources)}
    marginal = [sum(joint[c, z] for c in set(y)) for z in range(sources)]
    total = 0.0
    for i in range(n):
        total += math.log(sum(joint[y[i], z] / marginal[z] * p[i, z] for z in range(sources) if marginal[z]))
    return total / n


def naive_nce(p, y):
    z, n = [max(range(p.shape[1]), key=lambda s: row[s]) for row in p], len(y)
    total = 0.0
    for c, s in itertools.product(set(y), set(z)):
        both = sum(y[i] == c and z[i] == s for i in range(n))
        if both:
            total += both / n * math.log(both / z.count(s))
    return total


def components(x):
    values, vectors = np.linalg.eigh(covariance(x))
    return values[::-1], (x - x.mean(0)) @ vectors[:, ::-1]


def naive_nleep(x, y):
    values, parts = components(x)
    keep = next(k for k in range(1, len(values) + 1) if values[:k].sum() / values.sum() > 0.8)
    z = parts[:, :keep]
    z = z / z.std()
    n, clusters = len(z), min(5 * (y.max() + 1), len(z) // 5)
    start = KMeans(clusters, n_init=1, random_state=np.random.RandomState(0)).fit(z).labels_
    shares, last = np.eye(clusters)[start], -np.inf
    for step in range(101):
        logs = np.zeros((n, clusters))
        for k in range(clusters):
            weight = shares[:, k].sum() + 10 * np.finfo(float).eps
            mean = (shares[:, k, None] * z).sum(0) / weight
            variance = (shares[:, k, None] * z**2).sum(0) / weight - mean**2 + 1e-6
            for i in range(n):
                logs[i, k] = math.log(weight / n) - 0.5 * sum(
                    math.log(2 * math.pi * v) + (a - m) ** 2 / v
                    for a, m, v in zip(z[i], mean, variance, strict=True)
                )
        top = logs.max(1, keepdims=True)
        total = top + np.log(np.exp(logs - top).sum(1, keepdims=True))
        shares = np.exp(logs - total)
        if step and abs(total.mean() - last) < 1e-3:
            # the mixture is settled once more from these shares before it speaks
            return naive_leep(settle(z, shares), y)
        last = total.mean()
    raise AssertionError("the mixture does not settle")


def settle(z, shares):
    weight = shares.sum(0)
    mean = shares.T @ z / weight[:, None]
    variance = shares.T @ z**2 / weight[:, None] - mean**2 + 1e-6
    logs = np.log(weight / len(z)) - 0.5 * (
        np.log(2 * np.pi * variance).sum(1) + ((z[:, None] - mean) ** 2 / variance).sum(2)
    )
    odds = np.exp(logs - logs.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def naive_transrate(x, y):
    centred = x - x.mean(0)
    z = centred / math.sqrt(np.trace(centred @ centred.T))

    def rate(rows):
        return np.linalg.slogdet(np.eye(z.shape[1]) + rows.T @ rows / (len(rows) * 1e-4))[1] / 2

    return rate(z) - sum((y == c).sum() / len(y) * rate(z[y == c]) for c in set(y))


def naive_gbc(x, y):
    values, parts = components(x)
    z, total = parts[:, : min(64, int((values > 1e-10 * values[0]).sum()))], 0.0
    axes = z.shape[1]
    for a, b in itertools.permutations(set(y), 2):
        one, two = z[y == a], z[y == b]
        mean_a, mean_b = one.mean(0), two.mean(0)
        var_a = ((one - mean_a) ** 2).sum() / (len(one) - 1) / axes * np.eye(axes)
        var_b = ((two - mean_b) ** 2).sum() / (len(two) - 1) / axes * np.eye(axes)
        both = (var_a + var_b) / 2
        log = [np.linalg.slogdet(v)[1] for v in (both, var_a, var_b)]
        gap = mean_a - mean_b
        total += math.exp(-(gap @ np.linalg.inv(both) @ gap / 8 + (log[0] - (log[1] + log[2]) / 2) / 2))
    return -total


def naive_neighbour(x, y):
    right = 0
    for i in range(len(x)):
        apart = {j: math.dist(x[i], x[j]) for j in range(len(x)) if j != i}
        right += y[min(apart, key=apart.get)] == y[i]
    return right / len(x)


def naive_probe(x, y):
    right, classes = 0, y.max() + 1
    folds = StratifiedKFold(min(5, np.bincount(y).min()), shuffle=True, random_state=0)
    for learn, ask in folds.split(x, y):
        mean, spread = x[learn].mean(0), x[learn].std(0)
        z, new, target = (x[learn] - mean) / spread, (x[ask] - mean) / spread, np.eye(classes)[y[learn]]

        # two classes have one row of weights, as in a binary logistic regression
        def odds(w, z):
            rows = w.reshape(-1, z.shape[1] + 1)
            out = z @ rows[:, 1:].T + rows[:, 0]
            return out if classes > 2 else np.column_stack([np.zeros(len(z)), out])

        def lost(w, z=z, target=target):
            out = odds(w, z)
            log = out - np.log(np.exp(out).sum(1, keepdims=True))
            grad = (np.exp(log) - target).T @ np.column_stack([np.ones(len(z)), z])
            grad = grad if classes > 2 else grad[1:]
            rows = w.reshape(grad.shape)
            grad[:, 1:] += rows[:, 1:]
            return (rows[:, 1:] ** 2).sum() / 2 - (log * target).sum(), grad.ravel()

        start = np.zeros((classes if classes > 2 else 1) * (x.shape[1] + 1))
        found = minimize(lost, start, jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-14})
        right += (odds(found.x, new).argmax(1) == y[ask]).sum()
    return right / len(x)


TWINS = {
    "LogME": naive_logme,
    "H-score": naive_h_score,
    "shrinkage H-score": naive_shrinkage,
    "NLEEP": naive_nleep,
    "TransRate": naive_transrate,
    "GBC": naive_gbc,
    "kNN": naive_neighbour,
    "linear probe": naive_probe,
    "LEEP": naive_leep,
    "NCE": naive_nce,
}


def test_every_score_has_a_twin():
    assert {*TWINS, "source accuracy"} == set(scores.NAMES)
    assert len(scores.NAMES) == len(set(scores.NAMES)) == 11


@pytest.mark.parametrize("given", PROBLEMS, ids=str)
@pytest.mark.parametrize("name", BY_FEATURES)
def test_a_score_of_features_is_its_twin(name, given):
    x, y, _ = problem(*given)
    assert scores.score(name, x, y) == pytest.approx(TWINS[name](x, y), abs=1e-6)


@pytest.mark.parametrize("given", PROBLEMS, ids=str)
@pytest.mark.parametrize("name", BY_HEAD)
def test_a_score_of_probabilities_is_its_twin(name, given):
    x, y, p = problem(*given)
    assert scores.score(name, x, y, p) == pytest.approx(TWINS[name](p, y), abs=1e-6)


def test_leep_and_nce_by_hand():
    """Four items, two source classes that know two of the four: worked out on paper."""
    p, y = np.array([[1, 0], [1, 0], [0, 1], [0, 1]]), np.array([0, 0, 0, 1])
    assert scores.leep(p, y) == pytest.approx((2 * math.log(1) + 2 * math.log(1 / 2)) / 4)
    assert scores.nce(p, y) == pytest.approx(-0.5 * math.log(2))


@pytest.mark.parametrize("name", BY_HEAD)
def test_a_head_that_knows_nothing_scores_minus_the_entropy(name):
    y = np.array([0] * 6 + [1] * 3 + [2])
    share = np.bincount(y) / len(y)
    flat = np.full((len(y), 4), 0.25)
    assert scores.score(name, None, y, flat) == pytest.approx((share * np.log(share)).sum())


# What may not change a score.


@pytest.mark.parametrize("given", PROBLEMS[1:4], ids=str)
@pytest.mark.parametrize("name", [n for n in BY_FEATURES if n not in ("NLEEP", "linear probe")])
def test_the_order_of_items_does_not_matter(name, given):
    """Not so for the two that draw by a seed: where a cluster starts, and who is in which fold."""
    x, y, _ = problem(*given)
    order = np.random.default_rng(7).permutation(len(y))
    assert scores.score(name, x[order], y[order]) == pytest.approx(scores.score(name, x, y), abs=1e-7)


@pytest.mark.parametrize("given", PROBLEMS[1:4], ids=str)
@pytest.mark.parametrize("name", [n for n in BY_FEATURES if n != "linear probe"])
def test_turning_the_features_does_not_matter(name, given):
    """Not so for the probe, which scales each feature by itself."""
    x, y, _ = problem(*given)
    turn = np.linalg.qr(np.random.default_rng(8).normal(size=(x.shape[1],) * 2))[0]
    assert scores.score(name, x @ turn, y) == pytest.approx(scores.score(name, x, y), abs=1e-6)


@pytest.mark.parametrize("name", BY_FEATURES)
def test_one_scale_for_all_features_does_not_matter(name):
    x, y, _ = problem(*PROBLEMS[1])
    assert scores.score(name, 1000 * x, y) == pytest.approx(scores.score(name, x, y), abs=1e-6)


@pytest.mark.parametrize("name", [n for n in BY_FEATURES if n != "LogME"])
def test_moving_all_features_does_not_matter(name):
    """Not so for LogME, which has no intercept."""
    x, y, _ = problem(*PROBLEMS[1])
    assert scores.score(name, x + 5, y) == pytest.approx(scores.score(name, x, y), abs=1e-6)


@pytest.mark.parametrize("name", BY_HEAD)
def test_the_order_of_source_classes_does_not_matter(name):
    _, y, p = problem(*PROBLEMS[3])
    assert scores.score(name, None, y, p[:, ::-1]) == pytest.approx(scores.score(name, None, y, p))


@pytest.mark.parametrize("name", [*BY_FEATURES, *BY_HEAD])
def test_what_classes_are_called_does_not_matter(name):
    x, y, p = problem(*PROBLEMS[1])
    other = np.array([2, 0, 1])[y]
    assert scores.score(name, x, other, p) == pytest.approx(scores.score(name, x, y, p), abs=1e-9)


# What a score should say.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", [*BY_FEATURES, *BY_HEAD])
def test_features_that_know_the_classes_score_above_noise(name, seed):
    """Ten features, of which the good source carries the class in four."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(4), 25)
    noise = rng.normal(size=(100, 10))
    good = noise + 3 * np.eye(10)[y]
    odds = {"good": np.exp(2 * good[:, :4]), "noise": np.exp(2 * noise[:, :4])}
    p = {source: o / o.sum(1, keepdims=True) for source, o in odds.items()}
    assert scores.score(name, good, y, p["good"]) > scores.score(name, noise, y, p["noise"])


@pytest.mark.parametrize("name", BY_FEATURES)
def test_fewer_items_than_features_give_a_number(name):
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    assert math.isfinite(scores.score(name, rng.normal(size=(12, 500)), y))


def test_h_score_is_blind_with_fewer_items_than_features():
    """Whatever the features mean; the shrinkage still tells them apart."""
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(4), 5)
    noise = rng.normal(size=(20, 60))
    good = noise + 6 * np.eye(60)[y]
    assert scores.h_score(noise, y) == 3 == scores.h_score(good, y)
    assert scores.shrinkage_h_score(good, y) > 2 * scores.shrinkage_h_score(noise, y)


@pytest.mark.parametrize("name", BY_FEATURES)
def test_dead_features_and_exact_ones_give_a_number(name):
    """Most columns always 0, as in a network that mostly died; the others are the labels themselves."""
    y = np.arange(30) % 3
    exact = np.concatenate([np.eye(3)[y], np.zeros((30, 9))], 1)
    assert math.isfinite(scores.score(name, exact, y))


def test_many_items_in_one_place_gain_nothing_by_their_order():
    """A dead network sends all but two items to one point: the share of the right ones counts."""
    y = np.repeat([0, 1], 10)
    x = np.zeros((20, 2))
    x[[0, 10]] = [[1.0, 0], [0, 1.0]]
    shuffled = np.random.default_rng(0).permutation(20)
    expected = (18 * 8 / 17 + 2 * 9 / 18) / 20
    assert scores.nearest_neighbour(x, y) == pytest.approx(expected)
    assert scores.nearest_neighbour(x[shuffled], y[shuffled]) == pytest.approx(expected)


def test_a_few_items_are_too_few_for_clusters():
    y = np.array([0, 0, 0, 1, 1, 1])
    x = np.random.default_rng(0).normal(size=(6, 4))
    assert scores.nleep(x, y) == pytest.approx(-math.log(2))


# Bad input: one sentence, whatever the score.


def broken(what: str):
    x, y, p = problem(*PROBLEMS[1])
    x, y, p = x.copy(), y.copy(), p.copy()
    if what == "nan":
        x[3, 2] = p[3, 2] = np.nan
    elif what == "constant":
        x[:] = 4.2
    elif what == "one class":
        y[:] = 0
    elif what == "gap":
        y[y == 1] = 5
    elif what == "from one":
        y += 1
    elif what == "fractions":
        y = y + 0.5
    elif what == "short":
        y = y[:-1]
    elif what == "names":
        y = np.array(list("abc"))[y]
    elif what == "nothing":
        x, y, p = x[:0], y[:0], p[:0]
    elif what == "flat":
        x, p = x[:, 0], p[:, 0]
    return x, y, p


REFUSED = {
    "nan": "NaN|sum to 1",
    "constant": "same for every item",
    "one class": "one class",
    "gap": "without a gap",
    "from one": "without a gap",
    "fractions": "whole numbers",
    "short": "shape",
    "names": "whole numbers",
    "nothing": "shape",
    "flat": "shape",
}


# LEEP and NCE do not look at the features
@pytest.mark.parametrize(
    ("name", "what"),
    [
        *itertools.product(BY_FEATURES, REFUSED),
        *itertools.product(BY_HEAD, [w for w in REFUSED if w != "constant"]),
    ],
)
def test_what_says_nothing_is_refused(name, what):
    x, y, p = broken(what)
    with pytest.raises(UserError, match=REFUSED[what]):
        scores.score(name, x, y, p)


@pytest.mark.parametrize("name", ["GBC", "kNN", "linear probe"])
def test_a_class_of_one_item_is_refused_where_it_has_to_be_two(name):
    x, y, _ = problem(*PROBLEMS[0])
    y = np.where(np.arange(len(y)) == 0, 2, y)
    with pytest.raises(UserError, match="class 2 has 1 item; this score needs 2: give"):
        scores.score(name, x, y)


@pytest.mark.parametrize("name", [n for n in BY_FEATURES if n not in ("GBC", "kNN", "linear probe")])
def test_a_class_of_one_item_is_fine_elsewhere(name):
    x, y, _ = problem(*PROBLEMS[0])
    y = np.where(np.arange(len(y)) == 0, 2, y)
    assert scores.score(name, x, y) == pytest.approx(TWINS[name](x, y), abs=1e-6)


@pytest.mark.parametrize("name", BY_HEAD)
def test_probabilities_must_be_some(name):
    x, y, p = problem(*PROBLEMS[0])
    with pytest.raises(UserError, match="give `probabilities`"):
        scores.score(name, x, y)
    with pytest.raises(UserError, match="rows that sum to 1"):
        scores.score(name, x, y, np.log(p + 1e-9))  # log odds given for probabilities
    with pytest.raises(UserError, match="rows that sum to 1"):
        scores.score(name, x, y, p * 0.99)
    with pytest.raises(UserError, match="2 or more"):
        scores.score(name, x, y, np.ones((len(y), 1)))
    assert math.isfinite(scores.score(name, x, y, p.astype(np.float32)))


def test_names_are_checked():
    x, y, _ = problem(*PROBLEMS[0])
    with pytest.raises(UserError, match="did you mean 'LogME'"):
        scores.score("logm", x, y)
    with pytest.raises(UserError, match="card"):
        scores.score("source accuracy", x, y)


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ({"source_accuracy": 0.7}, 0.7),
        ({"source_accuracy": {"fresh_glyphs": 0.2, "memorised": 1.0}}, 0.2),
        ({"source_accuracy": 1}, 1.0),
    ],
)
def test_source_accuracy_is_on_the_card(card, value):
    assert scores.source_accuracy(card) == value


@pytest.mark.parametrize(
    "card", [{}, {"source_accuracy": {}}, {"source_accuracy": "good"}, {"source_accuracy": math.nan}]
)
def test_a_card_without_source_accuracy_is_refused(card):
    with pytest.raises(UserError, match="source_accuracy"):
        scores.source_accuracy(card)


# A source for a task.


class Untouchable:
    """Items of a test split that may not be looked at."""

    def __len__(self):
        return 15

    def __getitem__(self, i):
        raise AssertionError("the test split was read")


def test_score_source_counts_every_label_and_leaves_the_test_split_alone(computed):
    (x, y), backbone = pictures(60, 0), classifier()[1]
    sealed = items(pictures(15, 1)[0], "test")
    sealed = type(sealed)(Untouchable(), sealed.names, sealed.digests)
    task = Task("t", classification(3), items(x, "train"), y, sealed, y[:15], ("a", "b", "c"))
    found = scores.score_source(task, backbone, labels=10, seed=3)
    drawn = task.draw(10, 3)
    assert len(drawn.select) > 0 and len(drawn.all) == 30
    with torch.inference_mode():
        pooled = backbone.pool(
            backbone.pretrained().run(torch.stack([backbone.transform(x[i]) for i in drawn.all]))
        )
    for name in BY_FEATURES:
        assert found[name] == pytest.approx(scores.score(name, pooled, y[drawn.all]), abs=1e-4)
    assert list(found) == list(scores.NAMES)
    assert math.isnan(found["LEEP"]) and math.isnan(found["NCE"]) and math.isnan(found["source accuracy"])
    assert task.reads == []


def test_score_source_asks_the_head_and_the_card(computed):
    task, backbone = tasks.load("digits"), backbones.load("letters")
    found = scores.score_source(task, backbone, 5, 0, ("LEEP", "NCE", "source accuracy"))
    drawn = task.draw(5, 0).all
    with torch.inference_mode():
        odds = backbone.pretrained()(torch.stack([backbone.transform(task.train.inputs[i]) for i in drawn]))
    p, y = odds.double().softmax(-1).numpy(), np.asarray(task.targets)[drawn]
    assert list(found) == ["LEEP", "NCE", "source accuracy"]
    assert found["LEEP"] == pytest.approx(naive_leep(p, y), abs=1e-4)
    assert found["NCE"] == pytest.approx(naive_nce(p, y), abs=1e-4)
    assert found["source accuracy"] == backbone.card["source_accuracy"]["fresh_glyphs"]
    with pytest.raises(UserError, match="did you mean 'LEEP'"):
        scores.score_source(task, backbone, 5, 0, ("leap",))


def test_a_source_without_classes_is_not_asked_for_them(computed):
    """The head of a source that learnt by a contrast is a projection: its softmax would mean nothing."""
    task, backbone = tasks.load("digits"), backbones.load("letters-ssl")
    found = scores.score_source(task, backbone, 5, 0, ("LEEP", "NCE", "source accuracy", "kNN"))
    assert [math.isnan(value) for value in found.values()] == [True, True, True, False]
    with pytest.raises(UserError, match="letters-ssl was pretrained without classes"):
        scores.source_accuracy(backbone.card)
    untaught = scores.score_source(task, backbones.load("random"), 5, 0, ("LEEP", "source accuracy"))
    assert all(map(math.isnan, untaught.values()))


def test_score_source_refuses():
    task, backbone = classifier()
    with pytest.raises(UserError, match="at least 2"):
        scores.score_source(task, backbone, 1, 0)
    with pytest.raises(UserError, match="or fewer"):
        scores.score_source(task, backbone, 500, 0)
    with pytest.raises(UserError, match="no classes"):
        scores.score_source(*line(), 5, 0)
    x, y = pictures(36, 0)
    other = pictures(15, 1)
    task = Task(
        "t",
        classification(3),
        items(x, "train"),
        y,
        items(other[0], "test"),
        other[1],
        ("a", "b", "c"),
        sealed=True,
    )
    with pytest.raises(UserError, match="its targets are hidden"):
        scores.score_source(task, backbone, 5, 0)
