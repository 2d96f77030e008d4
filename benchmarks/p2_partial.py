"""Part 2, partial fine-tuning: the last stage, or the last two, against fastai and against the FLOP law."""

from pathlib import Path

from benchmarks import pictures
from benchmarks.apart import DEFAULT, ONE, Contestant
from benchmarks.networks import random_weights
from benchmarks.part import Design, Part, Target
from benchmarks.results import Results
from benchmarks.spread import Key, number, ratio, shown, table, total
from benchmarks.standings import PHASES, names, path, split, standings

OURS, WRITTEN, TUNED = "tlkit", "fastai as written", "fastai tuned"
PLANS = ("last-1", "last-2")
LAW = "operations, counted"
ROUNDS, MINUTES = 3, 4

SAID = """
{train} training and {valid} validation pictures ({pictures}), `{network}` with random weights, so that
accuracies mean nothing here; {epochs} epochs in batches of {batch}. The same stages move in all; in
*{written}* every batch norm learns besides.
"""

LAW_SAID = """
The FLOP law: operations of training without a kept prefix over those with it (counted by
`tlkit.fit.cost`), and beside it the seconds of *{tuned}* over ours. *Included*: the prefix is run once
for every picture. *Apart*: the epochs alone, as if the prefix had been there already. The law is the most
that keeping a prefix can give: stages that move are run forwards and backwards by everybody. It counts
multiplications alone; files, the optimiser and batches put together take the same seconds on both sides, and
draw the measured ratio towards 1. What *{written}* takes beyond *{tuned}* are batch norms that learn in the
prefix, so that gradients go through all of it, and pictures decoded in every epoch.
"""


def design(work: Path, quick: bool) -> Design:
    """ResNet-18; the weights do not matter to the clock, so they are random."""
    count, size, epochs, batch = ((4, 2), 64, 2, 4) if quick else ((20, 10), 128, 10, 20)
    folder, what = pictures.folder(work, *count)
    network = random_weights(work, "resnet18", size)
    setting = {
        "pictures": what, "train": 2 * count[0], "valid": 2 * count[1], "network": network["network"],
        "epochs": epochs, "batch": batch, "rate": 1e-3,
    }  # fmt: skip
    seen = {"folder": str(folder), **network, "epochs": epochs}
    law = Contestant(LAW, "benchmarks.ours:operations", {**seen, "plans": list(PLANS)})
    learnt = {**seen, "batch": batch, "rate": setting["rate"]}
    racing = [c for plan in PLANS for c in contestants(plan, {**learnt, "plan": plan})]
    return Design(setting, racing, 1 if quick else ROUNDS, MINUTES, [law])


def contestants(plan: str, learnt: dict) -> list[Contestant]:
    written = "benchmarks.fastai_loops:as_written"
    return [
        Contestant(named(OURS, plan), "benchmarks.ours:fitted", learnt),
        Contestant(named(TUNED, plan), "benchmarks.fastai_loops:tight", learnt),
        Contestant(named(WRITTEN, plan), written, {**learnt, "workers": 0}),
        Contestant(named(OURS, plan), "benchmarks.ours:fitted", learnt, None),
        Contestant(named(TUNED, plan), "benchmarks.fastai_loops:tight", learnt, None),
        Contestant(named(WRITTEN, plan), written, learnt, None),
    ]


def named(who: str, plan: str) -> str:
    return f"{who}, {plan}"


def targets(results: Results) -> list[Target]:
    found = []
    for plan in PLANS:
        law = results.facts[LAW][plan]["whole"]
        for threads in (ONE, DEFAULT):
            ours = f"{named(OURS, plan)}, {threads}"
            times = ratio(results, f"{named(WRITTEN, plan)}, {threads}", ours)
            text = f"{plan}: {WRITTEN} over tlkit, {threads}"
            found.append(Target(text, times.median if times else None, 2, True, ours))
            times = ratio(results, f"{named(TUNED, plan)}, {threads}", ours)
            text = f"{plan}: {TUNED} over tlkit, as a share of the FLOP law, {threads}"
            found.append(Target(text, times.median / law if times else None, 0.75, True, ours))
    return found


def body(results: Results) -> str:
    pieces = [SAID.format(**results.setting, written=WRITTEN)]
    for plan in PLANS:
        chosen = [name for name in names(results) if f", {plan}, " in name]
        pieces += [f"**{plan}**", "", standings(results, named(OURS, plan), chosen), ""]
    ours = [name for name in names(results) if name.startswith(OURS)]
    return "\n".join(
        [*pieces, split(results, ours, PHASES), LAW_SAID.format(tuned=TUNED, written=WRITTEN), law(results)]
    )


def without_prefix(run: dict) -> float:
    """Seconds of the epochs alone: without files, network, validation, decoding or a prefix run once."""
    once = ("open", "build", "fit/prefix", "fit/validate", "validate")
    return total(run) - sum(path(name)(run) for name in once)


def law(results: Results) -> str:
    """What counting operations promises, and what the clock says."""
    rows = []
    for plan in PLANS:
        counted = results.facts[LAW][plan]
        for threads in (ONE, DEFAULT):
            pair = f"{named(TUNED, plan)}, {threads}", f"{named(OURS, plan)}, {threads}"
            keys: dict[str, Key] = {"whole": total, "apart": without_prefix}
            cells = [
                cell
                for kind, key in keys.items()
                for cell in (number(counted[kind]), shown(ratio(results, *pair, key)))
            ]
            rows.append([f"{plan}, {threads}", *cells])
    header = ["", "law, prefix included", "measured", "law, prefix apart", "measured"]
    return table(header, rows)


PART = Part("p2_partial", "2 · The last stage, the last two", design, body, targets)
