"""What is shown while fits run: the time left by what fits took, and what is known so far."""

import io
import signal
from types import SimpleNamespace

import made_up_records as made
import pytest
from rich.console import Console

from tlkit import compare
from tlkit.cli import live
from tlkit.cli.live import Pace, Shown, about, span
from tlkit.records import Store
from tlkit.study import Cell

EACH = {("pixels", 5): 1.0, ("frozen", 5): 2.0, ("scratch", 5): 100.0, ("full", 5): 100.0}


def cells(*plans: str, seeds: int = 5) -> list[Cell]:
    return [Cell("digits", "letters", None, plan, 5, seed, None) for plan in plans for seed in range(seeds)]


def test_before_anything_ran_the_time_left_is_the_forecast():
    low, high = Pace(EACH, cells("scratch", "full"), 2).left()
    assert (low, high) == pytest.approx((0.6 * 500, 1.6 * 500))


def test_fits_whose_like_has_ended_take_as_long_as_those():
    pace = Pace(EACH, cells("pixels"), 1)
    for seconds in (3.0, 90.0, 3.0):  # the second met a busy machine
        pace.ended(("pixels", 5), seconds)
    assert pace.left() == pytest.approx((0.85 * 6, 1.2 * 6))


def test_a_busy_machine_corrects_the_forecast_of_what_costs_alike_and_of_nothing_else():
    pace = Pace(EACH, cells("frozen", "scratch", "full", seeds=1), 1)
    pace.ended(("frozen", 5), 20.0)  # ten times as long: what is done beside its steps
    assert pace.left() == pytest.approx((0.6 * 200, 1.6 * 200))
    pace.ended(("scratch", 5), 300.0)
    assert pace.left() == pytest.approx((0.6 * 300, 1.6 * 300))


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0.2, 0.4), "about 0 s"),
        ((20, 50), "20 to 50 s"),
        ((60, 200), "60 s to 3 min"),
        ((600, 1600), "10 to 27 min"),
        ((4000, 9000), "67 min to 2.5 h"),
    ],
)
def test_a_range_in_words(ends, words):
    assert about(ends) == words


def test_spans_in_words():
    assert [span(s) for s in (4.4, 90, 91, 5399, 5400)] == ["4 s", "90 s", "2 min", "90 min", "1.5 h"]


class Clock:
    """Two seconds pass between two looks at it."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


def watched(tmp_path, plans=("pixels", "frozen", "scratch"), seeds=5, found=0) -> tuple[Shown, Store]:
    """The view after the fits of a made-up grid have ended one by one, the cheapest plans first."""
    made_up = made.digits(tmp_path / "whole.jsonl", plans, (5,), seeds)
    rows = sorted(made_up.read(), key=lambda row: (plans.index(row.plan), row.seed))
    grid = SimpleNamespace(seeds=range(seeds), cells=lambda: rows, key=lambda row: row.fit_key)
    store = Store(tmp_path / "part.jsonl")

    def keep(row):
        store.append([row], made_up.items(row.fit_key), made_up.targets(row.task, row.data))

    for row in rows[:found]:
        keep(row)
    with live.shown(grid, store, Pace(EACH, rows[found:], 1), Clock()) as view:
        for done, row in enumerate(rows[found:], found + 1):
            keep(row)
            view(done, len(rows))
    return view, store


def test_where_there_is_no_terminal_a_plan_is_told_of_when_it_has_all_its_seeds(tmp_path, capsys):
    watched(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if "5 labels per class, 5 seeds" in line]
    assert [line.partition(",")[0] for line in told] == ["pixels", "frozen", "scratch"]
    assert "accuracy 0." in told[1] and told[1].endswith("; it is better than pixels")
    assert "; it" not in told[0] + told[2], "baselines are not compared with each other"
    pace = [line for line in lines if " of 15 fits" in line]
    assert "left" in pace[0] and pace[-1].startswith("15 of 15 fits, ") and "left" not in pace[-1]


def test_below_five_seeds_no_verdict_is_told(tmp_path, capsys):
    watched(tmp_path, seeds=4)
    text = capsys.readouterr().out
    assert "frozen, 5 labels per class, 4 seeds: accuracy" in text and "better" not in text


def test_fits_found_finished_say_nothing_of_the_time_left(tmp_path):
    view, _ = watched(tmp_path, found=7)
    assert {kind: len(took) for kind, took in view.pace.took.items()} == {("frozen", 5): 3, ("scratch", 5): 5}


def test_on_a_terminal_there_is_a_table_of_what_is_known(tmp_path, monkeypatch):
    screen = Console(force_terminal=True, width=80, file=io.StringIO())
    monkeypatch.setattr(live, "console", screen)
    view, store = watched(tmp_path)
    plain = Console(width=80, file=io.StringIO())
    plain.print(view.live.renderable)
    text = plain.file.getvalue()
    assert "test accuracy so far" in text and "15/15" in text
    row = next(line for line in text.splitlines() if line.strip().startswith("frozen"))
    mean = next(s.mean for s in compare.standings(store.read()) if s.plan == "frozen")
    assert row.split()[:4] == ["frozen", "5", "5", f"{mean:.3f}"] and "is better than" in row


def test_a_stopped_run_leaves_its_report_and_says_how_to_go_on(tlkit, tmp_path, monkeypatch):
    told = Shown.__call__

    def stop(view, done, total):
        told(view, done, total)
        if done == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(Shown, "__call__", stop)
    words = ["--plans", "pixels,frozen", "--labels", "1", "--seeds", "5", "--out", "d.jsonl"]
    code, out = tlkit("compare", "--task", "digits", *words)
    assert code == 128 + signal.SIGINT and "give the same command again" in out
    assert "report so far: d.html" in out and "Did transfer pay" in (tmp_path / "d.html").read_text("utf-8")
    assert not (tmp_path / "d.model").exists()
    monkeypatch.setattr(Shown, "__call__", told)
    code, out = tlkit("compare", "--task", "digits", *words)
    assert code == 0 and "3 fits run, 7 found finished" in out


def test_stopped_before_anything_ended_there_is_nothing_to_report(tlkit, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("tlkit.study.run", stop)
    words = ["--plans", "pixels", "--labels", "1", "--seeds", "1", "--out", "d.jsonl"]
    code, out = tlkit("compare", "--task", "digits", *words)
    assert code == 128 + signal.SIGINT and "report" not in out and not (tmp_path / "d.html").exists()
