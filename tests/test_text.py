"""Texts as tasks: tables of texts and classes, and running text."""

from dataclasses import replace

import numpy as np
import pytest
import tiny

from tlkit import study, tasks
from tlkit.errors import UserError
from tlkit.fit import fit
from tlkit.records import Store
from tlkit.study.grid import Cell
from tlkit.tasks.text import from_csv
from tlkit_lessons.clusters.fits import elsewhere
from tlkit_lessons.language_modelling import from_text


def table(path, rows, head="text,label"):
    path.write_text("\n".join([head, *(",".join(f'"{cell}"' for cell in row) for row in rows)]), "utf-8")
    return path


def reviews(count=40):
    return [
        (f"{'good, fine' if i % 2 else 'bad poor'} {i}", "praise" if i % 2 else "blame") for i in range(count)
    ]


def test_a_table_is_a_task_with_its_own_baseline(tmp_path):
    task = from_csv(table(tmp_path / "reviews.csv", reviews()))
    assert task.reader == "text" and task.objective.decoder == "class", "a saved model can be asked"
    assert (task.name, task.classes, task.card) == ("csv:reviews", ("blame", "praise"), {"split": "by text"})
    assert (len(task.train), len(task.test)) == (24, 16) and not task.set_aside
    for said, number, name in zip(task.train.inputs, task.targets, task.train.names, strict=True):
        assert (said, task.classes[number]) == reviews()[int(name.removeprefix("row ")) - 1]
    done = fit(task, tiny.backbone(), "tfidf", 5, 0, tiny.QUICK)
    assert done.test.metrics["accuracy"] == 1.0 and done.model is None


def test_content_and_split_are_the_same_wherever_the_table_lies(tmp_path):
    one = from_csv(table(tmp_path / "a.csv", reviews()))
    (tmp_path / "b.tsv").write_text(
        "kind\tsaid\n" + "\n".join(f"{c}\t{t}" for t, c in reviews()), "utf-8-sig"
    )
    two = from_csv(tmp_path / "b.tsv", "said", "kind")
    assert one.digest == two.digest and list(one.train.inputs) == list(two.train.inputs)
    rows = reviews()
    assert from_csv(table(tmp_path / "c.csv", [*rows[:-1], ("worse", "praise")])).digest != one.digest


def test_copies_and_groups_stay_on_one_side(tmp_path):
    rows = [(f"text {i % 20}", "ab"[i % 2], f"writer {i % 10}") for i in range(60)]
    task = from_csv(table(tmp_path / "t.csv", rows, "text,label,writer"))
    assert not set(task.train.digests) & set(task.test.digests) and len(task.train) + len(task.test) == 60
    rows = [(f"text {i}", "ab"[i % 2], f"writer {i % 12}") for i in range(60)]
    task = from_csv(table(tmp_path / "t.csv", rows, "text,label,writer"), groups="writer")
    assert task.test.groups and not set(task.train.groups) & set(task.test.groups)


def test_a_published_split_is_kept(tmp_path):
    rows = [(t, c, "train" if i < 30 else "valid") for i, (t, c) in enumerate(reviews())]
    task = from_csv(table(tmp_path / "t.csv", rows, "text,label,part"), split="part")
    assert len(task.train) == 30 and task.test.names[0] == "row 31" and task.card["split"] == "given"
    with pytest.raises(UserError, match=r"row 40 \(test\) is the same item as row 1 \(train\)"):
        from_csv(
            table(tmp_path / "t.csv", [*rows[:-1], (rows[0][0], "blame", "valid")], "text,label,part"),
            split="part",
        )
    with pytest.raises(UserError, match="no item belongs to the published split 'train'"):
        from_csv(table(tmp_path / "t.csv", rows[30:], "text,label,part"), split="part")


def test_rows_that_say_nothing_are_set_aside(tmp_path):
    rows = [("  ", "praise"), *reviews(), ("unjudged", "")]
    task = from_csv(table(tmp_path / "t.csv", rows))
    assert task.set_aside == {"row 1": "no text", "row 42": "no label"}
    assert len(task.train) + len(task.test) == 40


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"text,label\n\xff\xfe,a", "cannot be read as a table"),
        (b"", "cannot be read as a table"),
        (b"text,label\n", "has no row with text and label"),
        (b"text,label\n,a\nx,\n", "has no row with text and label"),
        (b"text,kind\nx,a", "has no column 'label': it has text, kind"),
        (b"text,label\nx,a\ny,b", "class 'a' has 1 separate items or groups"),
    ],
)
def test_what_is_no_table_of_texts_is_refused(tmp_path, content, says):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=says):
        from_csv(tmp_path / "t.csv")


def test_a_table_enters_by_its_name_and_is_read_again_when_it_changed(tmp_path, computed):
    path = table(tmp_path / "reviews.csv", reviews())
    task = tasks.load(f"csv:{path}")
    assert tasks.load(f"csv:{path}") is task
    table(path, reviews(44))
    assert len(tasks.load(f"csv:{path}").train) > len(task.train)
    table(path, reviews(), "said,kind")
    assert tasks.load(f"csv:{path}|said|kind").digest == task.digest
    with pytest.raises(UserError, match=r"nowhere\.csv cannot be read as a table"):
        tasks.load("csv:nowhere.csv")
    grid = study.Grid(f"csv:{path}|said|kind", tiny.classifier()[1], ("tfidf",), (5,), (0, 1), tiny.QUICK)
    study.run(grid, store := Store(tmp_path / "r.jsonl"))
    assert {(r.task, r.plan) for r in store.read()} == {("csv:reviews", "tfidf")}


def test_a_cell_for_another_machine_names_the_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cell = Cell("csv:a.csv|said|kind", "minilm", None, "frozen", 5, 0, None)
    assert elsewhere(cell).task == f"csv:{tmp_path / 'a.csv'}|said|kind"
    assert (
        elsewhere(replace(cell, task="folder:p|g.csv")).task
        == f"folder:{tmp_path / 'p'}|{tmp_path / 'g.csv'}"
    )


class Letters:
    """A tokenizer of letters, as a transform."""

    def ids(self, text):
        import torch

        return torch.tensor([ord(letter) % 7 for letter in text])


def test_running_text_is_cut_into_blocks_whose_targets_are_the_next_tokens(tmp_path):
    backbone = replace(tiny.language()[1], transform=Letters())
    backbone.__dict__["source_head"] = lambda: tiny.Words()
    path = tmp_path / "text.txt"
    text = "".join(chr(97 + i) for i in np.random.default_rng(0).integers(0, 26, 203))
    path.write_text(text + text[:8], "utf-8")  # the last block stands at the beginning too
    task = from_text(path, backbone, length=8)
    assert (len(task.train), len(task.test)) == (21, 5) and task.name == "text:text"
    block, target = task.train.inputs[1], task.targets[1]
    assert (
        block.tolist() == Letters().ids(text[8:16]).tolist()
        and target.tolist() == Letters().ids(text[9:17]).tolist()
    )
    assert task.objective.first.name == "perplexity" and task.objective.first.better == "lower"
    with pytest.raises(UserError, match="has 40 tokens: give more than 40"):
        path.write_text(text[:40], "utf-8")
        from_text(path, backbone, length=8)
    with pytest.raises(UserError, match="tiny predicts no next token: choose a decoder of text"):
        from_text(path, tiny.classifier()[1])
    with pytest.raises(UserError, match=r"nowhere\.txt is not read as a text"):
        from_text(tmp_path / "nowhere.txt", backbone)
