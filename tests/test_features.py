"""The frozen prefix: run once, kept on disk, true to the uncached forward; convex probes."""

import copy
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from tlkit import backbones, env, features, tasks
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.features import Batches, Cut, Probe, activation_cache, activations, probe
from tlkit.fit import descend
from tlkit.plans import Plan
from tlkit.tasks.objective import pixels

EVERY = np.arange(36)


pytestmark = pytest.mark.usefixtures("computed")


@pytest.fixture
def world():
    return tiny.classifier()


def count_runs(monkeypatch) -> list[int]:
    """How many items went through `Cut.run`, call by call."""
    ran, run = [], Cut.run

    def counted(self, inputs):
        inputs = list(inputs)
        ran.append(len(inputs))
        return run(self, inputs)

    monkeypatch.setattr(Cut, "run", counted)
    return ran


@pytest.mark.parametrize("cut", range(4))
def test_kept_activations_are_those_of_a_plain_forward(world, cut):
    task, backbone = world
    batch = torch.stack([backbone.transform(raw) for raw in task.train.inputs])
    with torch.no_grad():
        plain = backbone.pretrained().run(batch, 0, cut)
    rows = np.array([3, 0, 35, 3, 17])
    found = activations(Cut(backbone, cut), task.train, rows)
    assert torch.allclose(found, plain[rows], atol=1e-6, rtol=0)
    assert found.is_leaf and not found.requires_grad and not found.is_inference()


def test_the_same_for_our_own_network():
    task, backbone = tasks.load("digits"), backbones.load("letters")
    rows = np.arange(0, 400, 9)
    batch = torch.stack([backbone.transform(task.train.inputs[i]) for i in rows])
    with torch.no_grad():
        plain = backbone.pretrained().run(batch)
    assert torch.allclose(activations(Cut(backbone, 4), task.train, rows), plain, atol=1e-6, rtol=1e-5)


def test_pooled_is_the_pool_of_the_last_stage(world):
    task, backbone = world
    last = activations(Cut(backbone, 3), task.train, EVERY)
    pooled = activations(Cut(backbone, 3, pooled=True), task.train, EVERY)
    assert pooled.shape == (36, tiny.WIDTH) and torch.allclose(pooled, backbone.pool(last), atol=1e-6)


def test_an_example_takes_gradients_whoever_asked_first(world):
    task, backbone = world
    with torch.inference_mode():
        seen = features.example(Cut(backbone, 2), task.train)
    assert not seen.is_inference() and features.example(Cut(backbone, 2), task.train) is seen


def test_a_pytree_keeps_its_shape():
    task, backbone = tiny.language()
    found = activations(Cut(backbone, 2), task.train, np.array([1, 4]))
    assert set(found) == {"h", "keep"} and found["h"].shape == (2, tiny.LENGTH, tiny.WIDTH)
    raw = activations(Cut(backbone, 0), task.train, np.array([4]))
    assert raw["words"].dtype == torch.int64 and torch.equal(raw["words"][0], task.train.inputs[4])


def test_an_item_is_computed_once(world, monkeypatch):
    task, backbone = world
    ran = count_runs(monkeypatch)
    activations(Cut(backbone, 1), task.train, EVERY)
    assert sum(ran) == 36 + 1, "every item, and one for the shapes"
    monkeypatch.setattr(features, "_KEPT", {})  # as in another process
    activations(Cut(backbone, 1), task.train, EVERY[::2])
    assert sum(ran) == 37


def test_whoever_asks_first_the_bits_are_the_same(world, tmp_path, monkeypatch):
    """The order of fits must not change a digit: items are computed in the same company."""
    task, backbone = world
    at = Cut(backbone, 3, pooled=True)
    whole = activations(at, task.train, EVERY)
    monkeypatch.setenv("TLKIT_COMPUTED", str(tmp_path / "other"))
    parts = [activations(at, task.train, np.array([i])) for i in (35, 2, 9, 10, 0)]
    assert torch.equal(torch.cat(parts), whole[[35, 2, 9, 10, 0]])
    assert torch.equal(activations(at, task.train, EVERY), whole)


def test_only_the_blocks_asked_for_are_computed(world, monkeypatch):
    task, backbone = world
    activations(Cut(backbone, 1), task.train, np.array([0]))
    ran = count_runs(monkeypatch)
    activations(Cut(backbone, 1), task.train, np.array([35]))
    assert ran == [36 % activation_cache.BLOCK]


def test_what_changes_the_activations_changes_the_key(world):
    task, backbone = world
    at = Cut(backbone, 2)
    others = [
        Cut(replace(backbone, digest="other"), 2),
        Cut(replace(backbone, name="other"), 2),
        Cut(replace(backbone, transform_key="other"), 2),
        Cut(backbone, 1),
        Cut(backbone, 3),
        Cut(backbone, 2, pooled=True),
    ]
    assert len({at.key, *(other.key for other in others)}) == 7
    assert Cut(replace(backbone, digest="other"), 0).key == Cut(backbone, 0).key, "no weights, no difference"
    assert task.train.digest != task.test.digest
    first = task.train.digests
    assert replace(task.train, digests=(*first[1:], first[0])).digest != task.train.digest, (
        "nor another order"
    )


def test_other_data_is_another_entry(world, computed):
    task, backbone = world
    activations(Cut(backbone, 1), task.train, EVERY[:1])
    activations(Cut(backbone, 1), task.test, EVERY[:1])
    assert len([path for path in computed.iterdir() if path.is_dir()]) == 2


def entry(computed: Path) -> Path:
    (folder,) = (path for path in computed.iterdir() if path.is_dir())
    return folder


def test_a_killed_fill_is_done_again(world, computed, monkeypatch):
    """Values without their mask are not believed; nor is a mask whose values were lost."""
    task, backbone = world
    at = Cut(backbone, 1)
    whole = activations(at, task.train, EVERY).clone()
    done = np.lib.format.open_memmap(entry(computed) / "done.npy", mode="r+")
    leaf = np.lib.format.open_memmap(entry(computed) / "leaf0.npy", mode="r+")
    done[1], leaf[activation_cache.BLOCK : 2 * activation_cache.BLOCK] = False, 7.0
    done.flush(), leaf.flush()
    monkeypatch.setattr(features, "_KEPT", {})
    assert torch.equal(activations(at, task.train, EVERY), whole)


def test_another_precision_is_not_read_as_this_one(tmp_path):
    """The same rows in as many bytes of another kind: numbers of one would pass for numbers of the other."""
    rows = torch.arange(20.0)
    for kind in (torch.float32, torch.int32, torch.float32):
        entry = activation_cache.ActivationCache(
            tmp_path / "entry", 20, rows[:1].to(kind), lambda at, k=kind: rows[list(at)].to(k)
        )
        found = entry.take(np.arange(20))
        assert found.dtype == kind and torch.equal(found, rows.to(kind))


@pytest.mark.parametrize("name", ["leaf0.npy", "done.npy"])
@pytest.mark.parametrize("harm", ["gone", "short", "empty", "other"])
def test_a_damaged_entry_is_made_again(world, computed, monkeypatch, name, harm):
    task, backbone = world
    at = Cut(backbone, 1)
    whole = activations(at, task.train, EVERY).clone()
    file = entry(computed) / name
    monkeypatch.setattr(features, "_KEPT", {})
    if harm == "gone":
        file.unlink()
    elif harm == "other":
        np.save(file, np.zeros((3, 2)))
    else:
        os.truncate(file, 0 if harm == "empty" else file.stat().st_size // 2)
    assert torch.equal(activations(at, task.train, EVERY), whole)


def test_a_kill_while_an_entry_is_made_again(world, computed, monkeypatch):
    """New, empty arrays beside the old mask would be believed."""
    task, backbone = world
    at = Cut(backbone, 1)
    whole = activations(at, task.train, EVERY).clone()
    os.truncate(entry(computed) / "leaf0.npy", 1000)
    monkeypatch.setattr(features, "_KEPT", {})
    replace_file = os.replace

    def stopped(source, target):
        replace_file(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", stopped)
        activations(at, task.train, EVERY)
    assert torch.equal(activations(at, task.train, EVERY), whole)


KILLED = """
import numpy as np, os, signal, sys
sys.path.insert(0, {tests!r})
import tiny
from tlkit.features import Cut, activations
task, backbone = tiny.classifier()
run, count = Cut.run, 0
def dying(self, inputs):
    global count
    count += 1
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, inputs)
Cut.run = dying
activations(Cut(backbone, 1), task.train, np.arange(36))
"""


def test_kill_while_filling(world, computed):
    task, backbone = world
    code = KILLED.format(tests=str(Path(__file__).parent))
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert entry(computed).is_dir(), "it had begun"
    batch = torch.stack([backbone.transform(raw) for raw in task.train.inputs])
    with torch.no_grad():
        plain = backbone.pretrained().run(batch, 0, 1)
    assert torch.allclose(activations(Cut(backbone, 1), task.train, EVERY), plain, atol=1e-6)


def test_a_folder_that_cannot_be_written(world, computed):
    task, backbone = world
    computed.mkdir(parents=True)
    computed.chmod(0o555)
    try:
        with pytest.raises(UserError, match=r"cannot be written \(Permission denied\).*TLKIT_COMPUTED"):
            activations(Cut(backbone, 1), task.train, EVERY)
    finally:
        computed.chmod(0o755)
    assert list(computed.iterdir()) == []


def test_what_is_there_is_read_from_a_read_only_folder(world, computed, monkeypatch):
    task, backbone = world
    whole = activations(Cut(backbone, 1), task.train, EVERY)
    monkeypatch.setattr(features, "_KEPT", {})
    entry(computed).chmod(0o555)
    try:
        assert torch.equal(activations(Cut(backbone, 1), task.train, EVERY), whole)
    finally:
        entry(computed).chmod(0o755)


def test_a_file_in_the_way_of_the_folder(world, computed):
    task, backbone = world
    computed.parent.mkdir(parents=True)
    computed.write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        activations(Cut(backbone, 1), task.train, EVERY)


FULL = """
import numpy as np, resource, signal, sys
sys.path.insert(0, {tests!r})
import tiny
from tlkit.errors import UserError
from tlkit.features import Cut, activations
task, backbone = tiny.classifier()
activations(Cut(backbone, 1), task.train, np.arange(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    activations(Cut(backbone, 1), task.train, np.arange(36))
except UserError as error:
    print(error)
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing_wrong(world, computed):
    """A limit on the size of files stands in for the disk: the write fails, not the process."""
    task, backbone = world
    row = tiny.WIDTH * 8 * 8 * 4
    code = FULL.format(tests=str(Path(__file__).parent), limit=activation_cache.BLOCK * row + 4096)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "cannot be written" in done.stdout and "free some space" in done.stdout
    batch = torch.stack([backbone.transform(raw) for raw in task.train.inputs])
    with torch.no_grad():
        plain = backbone.pretrained().run(batch, 0, 1)
    assert torch.allclose(activations(Cut(backbone, 1), task.train, EVERY), plain, atol=1e-6)


def test_room_is_taken_only_for_what_is_computed(computed, monkeypatch):
    """Ten thousand items, ten of them asked for: the file is long, its blocks on the disk are few."""
    x = torch.zeros(10_000, 1, 8, 8)
    items = tiny.items(x[:1], "zero")
    many = replace(items, inputs=x, names=range(len(x)), digests=("0",) * len(x))
    activations(Cut(tiny.backbone(), 1), many, np.arange(10))
    file = entry(computed) / "leaf0.npy"
    assert file.stat().st_size > 10_000 * tiny.WIDTH * 64 * 4 > 100 * file.stat().st_blocks * 512


def test_a_digest_is_taken_once(world, monkeypatch):
    """It is asked for with every batch: hashing ten thousand names each time would cost more."""
    task, _ = world
    known = task.train.digest, task.digest
    monkeypatch.setattr(hashlib, "sha256", None)
    assert (task.train.digest, task.digest) == known


def test_a_suffix_on_kept_activations_trains_the_same_model(world):
    """Once with the prefix run and kept, once the whole chain in every step: the same weights to 1e-5."""
    task, backbone = world
    for text in ("last-1", "last-2", "frozen"):
        plan = Plan.parse(text)
        short, whole = (head(task, backbone) for _ in range(2))
        kept_inputs = activations(Cut(backbone, plan.cut(backbone.stages)), task.train, EVERY)
        raw = activations(Cut(backbone, 0), task.train, EVERY)
        targets, loss = torch.as_tensor(task.targets), task.objective.loss
        one = descend(short, plan, Batches.of(kept_inputs), targets, loss, 1e-2, tiny.QUICK, seed=3)
        two = descend(Whole.of(whole), plan, Batches.of(raw), targets, loss, 1e-2, tiny.QUICK, seed=3)
        assert np.allclose(one, two, atol=1e-5)
        for (name, a), b in zip(short.state_dict().items(), whole.state_dict().values(), strict=True):
            assert torch.allclose(a, b, atol=1e-5), (text, name)


def head(task, backbone) -> Chain:
    chain = backbone.fresh()
    torch.manual_seed(7)
    chain.head = task.objective.head(torch.zeros(1, tiny.WIDTH, 8, 8), copy.deepcopy(backbone.pool))
    return chain


class Whole(Chain):
    """A chain that always starts from the raw inputs: what a loop without kept activations does."""

    @classmethod
    def of(cls, chain: Chain) -> "Whole":
        other = cls(dict(chain.stages), chain.head)
        for (name, tensor), known in zip(other.named_parameters(), chain.parameters(), strict=True):
            assert tensor is known, name
        return other

    def run(self, x, start=0, stop=None):
        return super().run(x, 0, stop)


def test_pixels_are_vectors_in_the_unit_range(world):
    task, _ = world
    found = pixels([task.train.inputs[i] for i in (4, 2)])
    assert found.shape == (2, 64) and np.array_equal(found[1], task.train.inputs[2].flatten().numpy())
    digits = tasks.load("digits")
    found = pixels(digits.train.inputs[:3])
    assert found.shape == (3, 64) and found.min() >= 0 and found.max() == 1


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_pixels_of_pictures_are_shrunk_to_one_size(mode):
    shapes = [(40, 20), (64, 64), (9, 33)]
    drawn = [Image.effect_noise(shape, 50).convert("RGB").convert(mode) for shape in shapes]
    items = replace(tiny.items(np.zeros(3), "x"), inputs=drawn)
    found = pixels([items.inputs[i] for i in range(3)])
    assert found.shape == (3, 3 * 32 * 32) and found.dtype == np.float32
    assert found.min() >= 0 and 0.2 < found.max() <= 1


@pytest.fixture
def blobs():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 12)
    return (rng.normal(size=(48, 10)) + np.eye(4, 10)[y] * 3 + 5).astype(np.float32) * 40, y


def scaled(x):
    x = x.astype(np.float64)
    centre = x.mean(0)
    return (x - centre) / np.sqrt(((x - centre) ** 2).mean())


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_probe_is_scikit_learns_logistic_regression(blobs, strength, classes):
    x, y = blobs[0][blobs[1] < classes], blobs[1][blobs[1] < classes]
    found = probe(x, y, strength, classes)
    model = LogisticRegression(C=strength, max_iter=2000).fit(scaled(x), y)
    odds = torch.from_numpy(found(x.astype(np.float64))).softmax(-1).numpy()
    # float32 weights on features around 200: the odds carry about six digits
    assert np.allclose(odds, model.predict_proba(scaled(x)), atol=1e-6 if classes == 2 else 1e-5)
    assert np.array_equal(found(x).argmax(-1), model.predict(scaled(x)))


def test_a_probe_does_not_care_for_scale_or_shift(blobs):
    x, y = blobs
    one, other = probe(x, y, 0.1, 4), probe(x * 1000 - 7, y, 0.1, 4)
    assert np.allclose(one(x), other(x * 1000 - 7), atol=1e-2)


def test_a_class_without_an_example_is_never_chosen(blobs):
    x, y = blobs
    seen = y != 2
    found = probe(x[seen], y[seen], 1.0, 5)
    assert found(x).shape == (48, 5)
    odds = found(x)
    assert odds[:, [2, 4]].max() < odds[:, [0, 1, 3]].min() - 100 and np.isfinite(odds).all()


def test_a_probe_of_one_class_is_refused(blobs):
    x, y = blobs
    with pytest.raises(UserError, match="two classes"):
        probe(x[y == 1], y[y == 1], 1.0, 4)


def test_a_probe_of_equal_features_does_not_divide_by_zero():
    found = probe(np.ones((4, 3), np.float32), np.array([0, 1, 0, 1]), 1.0, 2)
    assert np.isfinite(found(np.ones((1, 3)))).all()


@pytest.mark.parametrize("shape", [(48,), (48, 1), (48, 3)])
def test_ridge_is_scikit_learns(blobs, shape):
    x, _ = blobs
    y = np.random.default_rng(1).normal(size=shape)
    found = probe(x, y, 0.5, int(np.prod(shape[1:])), "ridge")
    want = Ridge(alpha=2.0).fit(scaled(x), y.reshape(48, -1)).predict(scaled(x)).reshape(48, -1)
    assert found(x).shape == want.shape and np.allclose(found(x), want, atol=1e-4)


def test_a_probe_in_the_head_gives_the_same_logits(world):
    task, backbone = world
    pooled = activations(Cut(backbone, 3, pooled=True), task.train, EVERY).numpy()
    solved = probe(pooled, task.targets, 1.0, 3)
    net = head(task, backbone)
    assert solved.into(net.head) is net.head
    with torch.no_grad():
        last = activations(Cut(backbone, 3), task.train, EVERY)
        assert np.allclose(net.head.eval()(last).numpy(), solved(pooled), atol=1e-5)


def test_a_probe_goes_into_the_last_linear_layer():
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    Probe(np.ones((2, 6), np.float32), np.array([1, 2], np.float32)).into(net)
    assert net[2].bias.tolist() == [1, 2] and not torch.equal(net[0].weight, torch.ones(6, 4))


def test_another_kind_of_processor_has_entries_of_its_own(monkeypatch):
    at, bare = (features.Cut(backbones.load("letters"), cut) for cut in (2, 0))
    keys = at.key, bare.key
    monkeypatch.setattr(env, "device", lambda *_: torch.device("cuda"))
    assert at.key != keys[0], "its last digits are others"
    assert bare.key == keys[1], "no network has run yet"
