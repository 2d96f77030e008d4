"""One block at a time: the rings, the titles and the guess of the figures of notebook 31, and its count."""

import pytest
from made_up_records import row, told

from tlkit.errors import UserError
from tlkit.records import Store
from tlkit_lessons import ledger, nb31_blocks

NEAREST = {"images change": ("stem",), "labels change": ("block3",)}


GAINS = {
    "block:stem": [told(0.2), told(0.03)],
    "block:block3": [told(0.1), told(0.02)],
    "full": [told(0.3), told(0.1)],
}
BAD = [told(-0.2), told(-0.2)]


def test_the_best_plan_may_be_a_block_another_plan_or_the_baseline():
    assert nb31_blocks.best(GAINS, 0) == "full" and nb31_blocks.best(GAINS, 0, "") == "stem"
    worse = {plan: [told(-0.1), told(-0.2)] for plan in GAINS}
    assert nb31_blocks.best(worse, 1) == nb31_blocks.HEAD
    with pytest.raises(UserError, match="no plan among full trains one block"):
        nb31_blocks.best({"full": GAINS["full"]}, 0, "")


def test_titles_rings_and_the_guess_say_what_was_given():
    blocks = {plan: found for plan, found in GAINS.items() if plan != "full"}
    figure = nb31_blocks.gain_by_block({5: GAINS, 20: blocks | {"full": BAD}}, NEAREST, {"labels change": 1})
    first, _, second, last = figure.axes
    assert figure.get_suptitle().endswith("best plan in 1 of 4 cases")
    assert first.get_title(loc="left") == "images change:\nbest is full"
    assert second.get_title(loc="left") == "images change:\nbest is stem"
    [ring] = [line for line in second.lines if line.get_markersize() == 16]
    assert list(ring.get_xydata()[0]) == pytest.approx([0, 20])
    assert [t.get_text() for t in last.texts] == ["your guess"] and not second.texts
    faces = [line.get_markerfacecolor() for line in last.lines if line.get_markersize() == 8]
    assert [face == "white" for face in faces] == [True, True, False]
    assert [t.get_text() for t in last.get_xticklabels()] == ["stem", "block3", "full"]
    tint = [patch.get_x() for patch in second.patches]
    assert tint == [-0.5], "the block that the rule expects"
    with pytest.raises(UserError, match="block:stem: give a verdict for each of 2 shifts"):
        nb31_blocks.gain_by_block({5: GAINS | {"block:stem": [told(0.1)]}}, NEAREST)


def test_no_case_is_called_none():
    figure = nb31_blocks.gain_by_block(
        {5: {"block:stem": [told(-0.1)], "full": [told(0.2)]}}, {"a": ("stem",)}
    )
    assert figure.get_suptitle().endswith("in none of 1 cases")


def test_gains_over_the_head_alone_come_from_both_files():
    [plan] = nb31_blocks.over_head(["glyphs:symbols-a"], ["block:block3"], 5).values()
    assert len(plan) == 1 and plan[0].n == 10 and plan[0].low < plan[0].mean < plan[0].high


def test_the_second_network_has_its_own_files():
    nets = nb31_blocks.LETTERS, nb31_blocks.PHOTOS
    asked = {net: nb31_blocks.over_head([net.images, net.labels], ["block:stem"], 5, net) for net in nets}
    assert all(v.n == 10 for found in asked.values() for v in found["block:stem"])
    assert asked[nets[0]] != asked[nets[1]]


def test_rings_stand_on_the_first_block_for_images_and_on_the_last_for_labels():
    found = {"block:stem": [told(0.2), told(-0.1)], "block:block3": [told(0.1), told(0.2)]}
    turned = {plan: verdicts[::-1] for plan, verdicts in found.items()}
    figure = nb31_blocks.in_networks({nb31_blocks.LETTERS: found, nb31_blocks.PHOTOS: turned})
    rings = [[list(r.get_xydata()[0]) for r in ax.lines if r.get_markersize() == 14] for ax in figure.axes]
    assert [[round(x) for x, _ in ring] for ring in rings] == [[0, 1], [0, 1]]
    assert [[y for _, y in ring] for ring in rings] == [pytest.approx([20, 20]), pytest.approx([-10, 10])]
    assert "best mean in 2 of 4 cases" in figure.get_suptitle()
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["stem", "block3"]


def test_a_seed_counts_where_no_other_block_is_level(tmp_path, monkeypatch):
    """The first block on images is ahead, level, behind, ...; the last on labels ahead in the first two."""
    net, store = nb31_blocks.LETTERS, Store(tmp_path / "31_blocks.jsonl")
    ahead = {
        net.images: [(0.1, 0, -0.1, 0.2, 0.1), "stem"],
        net.labels: [(0.1, 0.1, 0, -0.1, -0.2), "block3"],
    }
    rows = [
        row(f"block:{block}", labels, 30 + seed, 0.5 + (gain if block == near else 0.0), task=task, data=task)
        for task, (gains, near) in ahead.items()
        for seed, gain in enumerate(gains)
        for block in net.blocks
        for labels in (5, 20)
    ]
    store.append(rows)
    monkeypatch.setattr(ledger, "shelf", lambda: ledger.Shelf(tmp_path, ("31_blocks",)))
    found = nb31_blocks.tally(net, 5)
    assert found[:4] == (3, 2, 1, 5) and found.interaction.mean == pytest.approx(0.06 - 0.02)
    assert str(found).startswith(
        "images change, first block best: 3 of 5 seeds; labels change, last block best: 2 of 5"
    )
    with pytest.raises(UserError, match="claim 7 is not tested at 10 labels"):
        nb31_blocks.tally(net, 10)
