"""The glyph net, its weights file, the committed backbones with their cards, and the tool that makes them."""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from tlkit.errors import UserError
from tlkit_lessons.material import SIBLINGS, glyphs
from tlkit_lessons.material.glyphnet import (
    STAGES,
    GlyphNet,
    glyph_head,
    glyph_input,
    glyph_stages,
    load_glyph_net,
    save_glyph_net,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "data" / "backbones"
FIRST = ["letters", "letters-early", "letters-nolookalikes", "letters-s1", "letters-s2", "memorised"]
FAR = ["greek", "cyrillic", "symbols", "textures", "strokes", "fractals"]
LADDER = [f"letters-at-{step}" for step in (10, 30, 100, 300, 1000)]
MADE = [*FIRST, *FAR, *LADDER, "letters-ssl"]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("pretrain", ROOT / "tools" / "pretrain.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pretrain"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["pretrain"]


@pytest.fixture
def workshop(tool, tmp_path, monkeypatch):
    """The tool with a recipe of a second and folders of its own."""
    size = {"seed": 3, "steps": 8, "batch": 16, "pool_per_class": 5}
    recipes = {
        "small": tool.Recipe("symbols-a", **size),
        "alone": tool.Recipe("symbols-a", contrast=0.2, settled=True, stored="float16", **size),
        "drawn": tool.Recipe(None, family="strokes", **size),
    }
    monkeypatch.setattr(tool, "RECIPES", recipes)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "FOLDER", tmp_path / "backbones")
    return tool


def test_stages_have_the_promised_shapes_and_size():
    stages = glyph_stages()
    x, shapes = torch.rand(2, 1, 16, 16), {}
    for name, stage in stages.items():
        x = stage(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes == {"stem": (24, 16, 16), "block1": (32, 8, 8), "block2": (64, 4, 4), "block3": (128, 4, 4)}
    assert tuple(shapes) == STAGES == tuple(dict(GlyphNet().named_children()))
    convolutions = 9 * (1 * 24 + 24 * 32 + 32 * 64 + 64 * 64 + 64 * 128 + 128 * 128)
    norms = 2 * (24 + 32 + 64 + 64 + 128 + 128)
    assert sum(p.numel() for p in GlyphNet(10).parameters()) == convolutions + norms + 129 * 10


def test_features_are_what_the_head_reads():
    net, x = GlyphNet(7).eval(), torch.rand(3, 1, 16, 16)
    assert net.features(x).shape == (3, 128)
    torch.testing.assert_close(net.head.linear(net.features(x)), net(x))
    assert GlyphNet()(x).shape == (3, 128, 4, 4)
    assert [n for n, _ in glyph_head(7).named_parameters()] == ["linear.weight", "linear.bias"]


def test_one_item_a_batch_and_a_picture_agree():
    counts = torch.randint(0, 17, (4, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    raw = counts / 16
    batch = glyph_input(raw)
    assert batch.shape == (4, 1, 16, 16) and batch.dtype == torch.float32
    assert torch.equal(batch[2], glyph_input(raw[2]))
    picture = Image.fromarray((raw[2, 0] * 255).round().byte().numpy())
    assert torch.allclose(glyph_input(picture), batch[2], atol=1 / 255)
    assert torch.equal(glyph_input(raw.numpy()), batch)


def test_input_is_bilinear_and_keeps_the_range():
    ramp = torch.arange(8.0).div(7).expand(1, 8, 8)
    out = glyph_input(ramp)
    assert out.min() >= 0 and out.max() <= 1
    # half-pixel centres: the point 2i+1 lies a quarter of the way from i to i+1
    torch.testing.assert_close(out[0, 5, 1:15:2], (torch.arange(7) + 0.25) / 7)


def test_a_large_picture_is_averaged_to_the_resolution_of_the_source():
    large = np.random.default_rng(0).integers(0, 256, (160, 160)).astype(np.uint8)
    small = torch.from_numpy(large.reshape(8, 20, 8, 20).mean((1, 3)) / 255)[None]
    got = glyph_input(Image.fromarray(large).convert("RGB"))
    torch.testing.assert_close(got, glyph_input(small), atol=1e-4, rtol=0)
    assert glyph_input(Image.fromarray(large[:50, :31])).shape == (1, 16, 16)


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (2, 3, 8, 8), (1, 1, 1, 8, 8)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(UserError, match="1x8x8"):
        glyph_input(torch.zeros(shape))


def test_weights_survive_the_file(tmp_path):
    net = GlyphNet(3)
    net(torch.rand(8, 1, 16, 16))  # moves the batch-norm statistics away from their start
    save_glyph_net(net, tmp_path / "net.safetensors", ["a", "б", "γ"])
    back, classes = load_glyph_net(tmp_path / "net.safetensors")
    assert classes == ["a", "б", "γ"] and not back.training
    assert all(torch.equal(t, back.state_dict()[k]) for k, t in net.state_dict().items())
    assert {k.split(".")[0] for k in load_file(tmp_path / "net.safetensors")} == {*STAGES, "head"}
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    save_glyph_net(GlyphNet(3), path, list("abc"))
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(UserError, match=r"net\.safetensors cannot be written .disk full"):
        save_glyph_net(GlyphNet(3), path, list("xyz"))
    assert path.read_bytes() == before


def test_unusable_weights_are_named(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(UserError, match=r"w\.safetensors"):
        load_glyph_net(path)
    path.write_bytes(b"no tensors here")
    with pytest.raises(UserError, match="cannot read"):
        load_glyph_net(path)
    save_file(nn.Linear(128, 3).state_dict(), path, {"classes": "[]"})
    with pytest.raises(UserError, match="no glyph net"):
        load_glyph_net(path)
    save_file(
        {f"head.linear.{k}": v for k, v in nn.Linear(128, 3).state_dict().items()}, path, {"classes": "[]"}
    )
    with pytest.raises(UserError, match="another architecture"):
        load_glyph_net(path)


@pytest.mark.parametrize("name", MADE)
def test_committed_weights_are_what_their_card_says(name, tool):
    card = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    weights = FOLDER / f"{name}.safetensors"
    content = weights.read_bytes()
    assert hashlib.sha256(content).hexdigest() == card["sha256"]
    assert len(content) == card["bytes"] <= (1_200_000 if name in FIRST else 620_000)
    recipe = tool.RECIPES[name]
    net, classes = load_glyph_net(weights)
    assert classes == card["classes"] == recipe.classes
    assert card["stages"] == list(STAGES) and card["never_saw_a_digit"] is True
    assert card["flops"] == tool.step_flops(recipe) * card["steps"] and card["seconds"] > 0
    images, labels = recipe.draw(8, 99_000_000)
    pictures, truth = glyph_input(images), torch.from_numpy(labels)
    if recipe.contrast:
        share, claimed = (
            tool.asked_afterwards(net, pictures, truth)["twin_found"],
            card["source_accuracy"]["twin_found"],
        )
    else:
        share, claimed = tool.measure(net, pictures, truth), next(iter(card["source_accuracy"].values()))
    assert abs(share - claimed) < 4 * np.sqrt(max(claimed * (1 - claimed), 0.01) / len(labels))


@pytest.mark.parametrize("name", [*FAR, *LADDER, "letters-ssl"])
def test_rounded_weights_say_so_and_compute_as_any_others(name):
    card = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    stored = load_file(FOLDER / f"{name}.safetensors")
    assert {t.dtype for t in stored.values() if t.is_floating_point()} == {torch.float16}
    assert card["stored"].startswith("float16") and card["same_answers_as_before_rounding"] > 0.99
    net, _ = load_glyph_net(FOLDER / f"{name}.safetensors")
    assert {t.dtype for t in net.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert all(torch.equal(t, stored[k].to(t.dtype)) for k, t in net.state_dict().items())


def test_the_cards_tell_the_sources_apart():
    cards = {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in FIRST}
    fresh = {name: card["source_accuracy"]["fresh_glyphs"] for name, card in cards.items()}
    assert (
        min(fresh["letters"], fresh["letters-s1"], fresh["letters-s2"], fresh["letters-nolookalikes"]) > 0.8
    )
    assert fresh["letters-early"] < 0.6
    assert fresh["memorised"] < 2 * cards["memorised"]["source_chance"]
    assert cards["memorised"]["source_accuracy"]["memorised_images_with_their_random_labels"] > 0.99
    assert cards["letters-early"]["steps"] * 20 == cards["letters"]["steps"]
    early, letters = cards["letters-early"]["pretraining"], cards["letters"]["pretraining"]
    assert early | {"stop_after": None} == letters
    assert {cards[name]["seed"] for name in ("letters", "letters-s1", "letters-s2")} == {0, 1, 2}


def test_the_later_sources_have_learnt_their_own_tasks():
    cards = {
        name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        for name in [*FAR, *LADDER, "letters-ssl", "letters"]
    }
    for name in FAR:
        (accuracy,) = cards[name]["source_accuracy"].values()
        assert accuracy > 5 * cards[name]["source_chance"]
        assert bool(cards[name]["fonts"]) == (name in ("greek", "cyrillic", "symbols"))
    rungs = [cards[name]["source_accuracy"]["fresh_glyphs"] for name in [*LADDER, "letters"]]
    assert rungs == sorted(rungs) and rungs[0] < 0.1 < 0.8 < rungs[-2]
    rest = {"stop_after": None, "settled": None, "stored": None}
    of_letters = rest | cards["letters"]["pretraining"]
    assert all(
        cards[name]["pretraining"] | rest == of_letters | {"family": None, "contrast": None}
        for name in LADDER
    )
    alone = cards["letters-ssl"]
    assert alone["source_accuracy"]["twin_found"] > 0.5 and "no classes" in alone["head"]
    assert 0.5 < alone["source_accuracy"]["linear_probe"] < rungs[-1]


def test_twins_are_found_by_the_loss_of_simclr(tool):
    """Against Chen et al. 2020, equation 1, written out view by view."""
    net, views = GlyphNet(6).eval(), torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, twin = tool.similarities(net, views)
        z = net(views)
    terms = []
    for i in range(8):
        alike = [torch.cosine_similarity(z[i], z[k], dim=0) / 0.2 for k in range(8)]
        rest = sum(torch.exp(alike[k]) for k in range(8) if k != i)
        terms.append(-torch.log(torch.exp(alike[(i + 4) % 8]) / rest))
    torch.testing.assert_close(torch.nn.functional.cross_entropy(logits / 0.2, twin), sum(terms) / 8)


def test_views_repeat_by_their_seed_and_stay_pictures(tool):
    images = glyph_input(glyphs("symbols-a", 4, 0).images)
    one, again, other = (tool.augmented(images, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert one.shape == images.shape and one.min() >= 0 and one.max() <= 1
    assert torch.equal(one, again) and not torch.equal(one, other)
    # a view is nearer to its own picture than to most others
    apart = torch.cdist(one.flatten(1), images.flatten(1))
    assert (apart < apart.diagonal()[:, None]).float().mean() < 0.2


def test_the_tool_checks_and_repeats_bit_for_bit(workshop, monkeypatch, capsys):
    monkeypatch.setattr(workshop, "RECIPES", {"small": workshop.RECIPES["small"]})
    monkeypatch.setattr(sys, "argv", ["pretrain.py", "--all"])
    assert workshop.main() == 0
    weights = workshop.FOLDER / "small.safetensors"
    first, moment = weights.read_bytes(), weights.stat().st_mtime_ns
    assert workshop.main() == 0 and weights.stat().st_mtime_ns == moment  # finished: not made again
    monkeypatch.setattr(sys, "argv", ["pretrain.py", "--all", "--again"])
    assert workshop.main() == 0 and weights.stat().st_mtime_ns != moment
    assert weights.read_bytes() == first
    monkeypatch.setattr(sys, "argv", ["pretrain.py", "--check"])
    assert workshop.main() == 0
    weights.write_bytes(first[:-1] + bytes([first[-1] ^ 1]))
    capsys.readouterr()
    assert workshop.main() == 1
    assert "checksum" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["small", "alone", "drawn"])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(workshop, monkeypatch, name):
    workshop.pretrain(name)
    weights = workshop.FOLDER / f"{name}.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    save = workshop.Run.save

    def save_then_stop(self, *args):
        save(self, *args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(workshop.Run, "save", save_then_stop)
        workshop.pretrain(name)
    run = workshop.Run(workshop.RECIPES[name])
    assert run.resume(workshop.ROOT / "build" / "pretrain" / f"{name}.pt") == 1 and 0 < run.step < 8
    workshop.pretrain(name)
    assert weights.read_bytes() == whole


def test_a_partial_run_of_another_recipe_is_not_continued(workshop, tmp_path):
    run = workshop.Run(workshop.RECIPES["small"])
    run.save(tmp_path / "p.pt", 5)
    other = workshop.Run(workshop.Recipe("symbols-a", seed=4, steps=8))
    assert other.resume(tmp_path / "p.pt") == 0 and other.step == 0


def test_random_labels_stay_with_their_images(workshop):
    """What is memorised must be the same in every pass, in another order."""
    run = workshop.Run(workshop.Recipe("symbols-a", seed=0, memorise=40))
    (one, first), (two, second) = run.pool(0), run.pool(1)
    assert not torch.equal(one, two)
    order = [(two == image).flatten(1).all(1).nonzero().item() for image in one]
    assert torch.equal(second[order], first)
    truth = glyphs("symbols-a", 4, 0).labels
    assert np.bincount(first).tolist() == np.bincount(truth).tolist() == [4] * len(SIBLINGS["symbols-a"])
