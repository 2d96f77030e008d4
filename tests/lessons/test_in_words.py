"""Verdicts and effects as a person would say them, and the sayings that they decide."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from tlkit.cli import app
from tlkit.errors import UserError
from tlkit_lessons import ledger, notebooks
from tlkit_lessons.ledger import claims, in_words
from tlkit_lessons.ledger.budgets import over_budgets

LONGEST = 40  # words of a sentence beside the text of the claim


@pytest.fixture(scope="module")
def rows():
    return ledger.table()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("+++", "confirmed"), ("---", "refuted"), ("???", "undecided"), ("+", "confirmed"),
        ("-?-", "refuted at 1 and 5 labels per class, undecided at 2"),
        ("??-", "refuted at 5 labels per class, undecided up to 2"),
        ("?--", "refuted from 2 labels per class on, undecided at 1"),
        ("++-", "confirmed up to 2 labels per class, refuted at 5"),
        ("+--", "confirmed at 1 label per class, refuted from 2 on"),
        ("+-+", "confirmed at 1 and 5 labels per class, refuted at 2"),
        ("-++", "confirmed from 2 labels per class on, refuted at 1"),
        ("-++-", "confirmed from 2 to 5 labels per class, refuted at 1 and 10"),
        ("+??", "confirmed at 1 label per class, undecided from 2 on"),
        ("+?-", "confirmed at 1 label per class, refuted at 5, undecided at 2"),
        ("+??-", "confirmed at 1 label per class, refuted at 10, undecided between"),
        ("++?--", "confirmed up to 2 labels per class, refuted from 10 on, undecided at 5"),
        ("?+-?", "confirmed at 2 labels per class, refuted at 5, undecided at 1 and 10"),
    ],
)  # fmt: skip
def test_every_condition_has_words(words, said):
    names, budgets = {"+": "better", "-": "worse", "?": "cannot tell"}, (1, 2, 5, 10, 20)[: len(words)]
    found = over_budgets({n: names[word] for n, word in zip(budgets, words, strict=True)})
    assert in_words.verdict_in_words(found, budgets) == said


def test_a_condition_in_tasks_has_words():
    verdict = "holds when tasks >= 564, does not when tasks < 21, else cannot tell"
    said = in_words.verdict_in_words(verdict, (5,))
    assert said == "confirmed from 564 tasks on, refuted below 21, undecided between"
    assert in_words.headline(verdict) == "confirmed only under a condition"


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ("holds", "confirmed"), ("does not hold", "refuted"), ("cannot tell", "undecided"),
        ("holds only when labels <= 2", "confirmed only under a condition"),
        ("does not hold when labels = 5, else cannot tell", "refuted only under a condition"),
        (ledger.ABSENT, ""),
    ],
)  # fmt: skip
def test_the_headline_leaves_the_condition_out(verdict, word):
    assert in_words.headline(verdict) == word and word in (*ledger.OUTCOMES, "")


def test_what_was_found_is_said_once_for_each_side():
    found, verdict = {1: "A", 2: "B", 5: "C", 20: "D"}, "holds only when labels <= 2"
    assert in_words.short(found, verdict, "scratch needs ", " the labels") == (
        "scratch needs A the labels at 1 label per class, C at 5"
    )
    assert in_words.short(found, "cannot tell") == "A at 1 label per class"
    assert in_words.effects(found) == "A at 1 label per class, D at 20"
    assert in_words.effects({0: "A"}) == "A"


def test_a_sentence_says_claim_verdict_effect_and_caveat():
    assert in_words.sentence("It helps", "undecided", "+0.1", "it rained") == (
        "*It helps.* Undecided: +0.1. But it rained."
    )
    verdict = "confirmed up to 2 labels per class, refuted at 5"
    assert in_words.sentence("It helps", verdict, "A at 1 label per class, B at 5") == (
        "*It helps.* Confirmed up to 2 labels per class, refuted at 5: A at 1, B at 5."
    )


def test_a_difference_too_small_to_matter_says_so(rows):
    small = [row for row in rows if set(row.words.values()) == {"equal"}]
    assert small and all("(equal within 0.02)" in row.short for row in small)
    never = [row for row in rows if row.words and "equal" not in row.words.values()]
    assert never and not any("equal within" in row.effect for row in never)


def test_a_claim_without_records_says_so(tmp_path):
    assert ledger.row(claims.one("3"), ledger.shelf(tmp_path)).sentence.endswith(".* Not tested yet.")


def test_every_committed_claim_is_a_sentence_without_code(rows):
    for row in rows:
        if row.verdict == ledger.ABSENT:
            continue
        said = row.sentence.removeprefix(f"*{row.text}.* ")
        for code in ("<=", ">=", "holds", "cannot tell", " = ", "labels =", "..", " ,"):
            assert code not in said and code not in row.effect, f"{row.id}: {said}"
        assert len(said.split()) <= LONGEST, f"{row.id}: {said}"
        assert said.split()[0].strip(":,.") in ("Confirmed", "Refuted", "Undecided"), row.id
        assert not re.search(r"\b1 labels|\b[2-9]\d* label\b|\bat 0\b", said), f"{row.id}: {said}"
        counted = row.claim.kind == "cost"  # one ratio in all seeds needs no interval
        told = "[" in said or "more than" in said or "no overall factor" in said
        assert told or counted, f"{row.id}: no interval"


# --- sayings


def test_every_saying_stands_once_and_every_claim_under_one(rows):
    found = ledger.sayings()
    assert [saying.number for saying in found] == list(range(1, 37))
    tested = [row for row in rows if row.verdict != ledger.ABSENT]
    beyond = [row for row in tested if not row.number]
    assert sum(len(saying.evidence) for saying in found) + len(beyond) == len(tested)
    assert all(row.number == saying.number for saying in found for row in saying.evidence)


def test_the_headline_row_decides_and_comes_first():
    for one, saying in zip(claims.common(), ledger.sayings(), strict=True):
        if not one.headline:
            assert (saying.verdict, saying.word, saying.effect, saying.evidence) == ("", "", "", ())
            continue
        head = saying.evidence[0]
        assert head.id == one.headline and saying.verdict == head.said and saying.effect == head.short
        assert saying.word in ledger.OUTCOMES and saying.verdict.startswith(saying.word.split()[0])
        assert str(one.number) not in {row.id for row in saying.evidence[1:]}, (
            "the bare number is the headline"
        )


def test_sayings_are_counted_by_outcome():
    found = ledger.sayings()
    said, count = ledger.counted(found), Counter(saying.word for saying in found)
    tested = len(found) - count[""]
    assert said.startswith(f"Of 36 common claims about transfer learning, {tested} have been tested so far: ")
    listed, _, waiting = said.partition(": ")[2].partition("; ")
    assert waiting == f"{count['']} wait for an experiment"
    outcomes = dict(part.split(" ", 1)[::-1] for part in listed.split(", "))
    assert {word: int(n) for word, n in outcomes.items()} == {w: n for w, n in count.items() if w}


def test_without_records_nothing_has_been_tested(tmp_path):
    found = ledger.sayings(ledger.shelf(tmp_path))
    assert not any(saying.word or saying.evidence for saying in found)
    assert ledger.counted(found).endswith("0 have been tested so far; 36 wait for an experiment")


def test_a_headline_must_be_a_claim_of_its_number(tmp_path):
    line = ('[[claim]]\nnumber=1\nid="x"\ntext="t"\nwhere=[]\nkind="cost"\ncriterion="c"\nrecords="r"\n'
            'plan="p"\nagainst=["s"]\nlabels=[1]\n')  # fmt: skip
    for row, said in (
        ('number=1\ntext="t"\nheadline="y"', "'y' is no claim of that number"),
        ('number=2\ntext="t"\nheadline="x"', "'x' is no claim of that number"),
        ('number=3\ncolour="t"', "text, colour"),
    ):
        path = tmp_path / f"{len(said)}.toml"
        path.write_text(f"{line}[[saying]]\n{row}\n")
        with pytest.raises(UserError, match=said):
            claims.common(path)


# --- on the screen


@pytest.mark.parametrize("width", [80, 100])
def test_claims_prints_a_row_for_each_saying_tested(width, monkeypatch, capsys):
    lines = printed(monkeypatch, capsys, width, "claims")
    tested = [saying for saying in ledger.sayings() if saying.word]
    assert [int(line.split()[0]) for line in lines if re.match(r"\d+ ", line)] == [s.number for s in tested]
    if width == 100:
        assert all(any(saying.text in line for line in lines) for saying in tested), "none is broken"
    assert len(lines) < 2.5 * len(tested), "no more lines than a screen or two"
    tested = sum(row.verdict != ledger.ABSENT for row in ledger.table())
    assert f"prints the evidence, {tested} experiments" in lines[-1]


def test_claims_all_prints_every_row(rows, monkeypatch, capsys):
    text = " ".join(" ".join(printed(monkeypatch, capsys, 100, "claims", "--all")).split())
    waiting = text.partition("Not tested yet: ")[2].partition(". In brackets")[0].split(", ")
    assert [row.id for row in rows if row.verdict == ledger.ABSENT] == [name for name in waiting if name]
    for row in rows:
        if row.id not in waiting:
            said = f"{row.text}: {row.said}. {row.effect}."
            assert said in text and f"Experiment {row.id}, notebook" in text, row.id


def printed(monkeypatch, capsys, width: int, *words: str) -> list[str]:
    """The lines of a command on a terminal so wide; none is wider. A note on other versions is left out."""
    monkeypatch.setattr("tlkit.compare.outdated", lambda found: None)
    monkeypatch.setattr("tlkit.cli.saying.console._width", width)
    monkeypatch.setattr(sys, "argv", ["tlkit", *words])
    with pytest.raises(SystemExit) as end:
        app()
    assert not end.value.code
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= width for line in lines)
    return lines


def ran(*numbers: str, failed: str = "") -> list[notebooks.RunResult]:
    return [
        notebooks.RunResult(n, f"{n}_x", Path("x"), 100.0, "cell 3: no" if n == failed else None)
        for n in numbers
    ]


def test_a_run_ends_in_five_computed_sentences():
    said = notebooks.ending(ran("11", "12"), "build/report.html")
    assert len(said) == 5 and said[0] == "Ran 2 notebooks in 3 min 20 s, without an error."
    assert ledger.fill("{{gain 16_digits frozen scratch 1}}") in said[1]
    assert said[2] == f"{ledger.counted(ledger.sayings())}."
    assert "build/report.html" in said[3] and "tlkit compare" in said[4]
    assert sum(-(-len(line) // 80) for line in said) <= 15, "lines on a terminal"
    assert notebooks.ending(ran("11", failed="11"), "r")[0] == "Ran 1 notebook in 1 min 40 s; 11 failed."


def test_a_run_without_records_says_so(tmp_path):
    assert "no records yet" in notebooks.ending(ran("11"), "r", ledger.shelf(tmp_path))[1]
