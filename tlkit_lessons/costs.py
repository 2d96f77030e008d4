"""What a step of a plan costs: operations by a law and by count, seconds, memory, bytes of one more task."""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context

import psutil
import torch
from torch import nn

from tlkit import backbones, env, features, plans, tasks
from tlkit.backbones import Backbone
from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.fit import cost, descend
from tlkit.forecast import ready, repeated
from tlkit.plans import Plan
from tlkit.recipe import Recipe
from tlkit.records import FitKey, Record, Store
from tlkit.tasks import Task

RESNET = "torchvision:resnet18,size=96,pretrained=false"  # weights change no cost
LITE0 = "timm:tf_efficientnet_lite0,size=96,pretrained=false"
NETWORKS = RESNET, "letters", LITE0
PLANS = "last-1", "norm", "bias", "lora-4", "l2sp", "auto-rgn", "full"  # those that take steps
ROUNDS, METRIC = 10, "time per operation"
SCALE = {"better": "lower", "delta": 0.1, "unit": "of full", "by_class": False}


@dataclass(frozen=True)
class Passes:
    """Operations of one step on one item: forward, for gradients of inputs, for gradients of weights."""

    forward: int
    inputs: int
    weights: int

    @property
    def total(self) -> int:
        """Of the whole step."""
        return self.forward + self.inputs + self.weights


def law(network: nn.Module, example: torch.Tensor) -> Passes:
    """The passes that a step needs, from the shapes of the layers and from what requires a gradient.

    Each layer multiplies once forward; once more for the gradient of its input, if anything in front of it is
    trained; and once more for that of its weight, if that is trained. Layers count in the order in which they
    run, so that a shortcut beside the first trained layer is taken to stand behind it. Attention, which
    multiplies without a weight, is not counted: a network of convolutions and linear layers is expected.
    """
    ran: list[tuple[nn.Module, int]] = []

    def count(layer: nn.Module, _: tuple, output: torch.Tensor) -> None:
        weight = getattr(layer, "weight", None)
        matrix = weight is not None and weight.ndim > 1
        ran.append((layer, 2 * weight.numel() * output.numel() // len(weight) if matrix else 0))

    owners = [m for m in network.modules() if [*m.parameters(recurse=False)]]
    # in front of other hooks: an adapter runs in one, after the layer that it stands beside
    handles = [m.register_forward_hook(count, prepend=True) for m in owners]
    network.eval()(example)
    for handle in handles:
        handle.remove()
    inputs = weights = 0
    behind = False
    for layer, operations in ran:
        inputs += operations * behind
        weights += operations * (operations > 0 and layer.weight.requires_grad)
        behind |= any(p.requires_grad for p in layer.parameters(recurse=False))
    return Passes(sum(n for _, n in ran), inputs, weights)


@dataclass(frozen=True)
class Cost:
    """What a plan costs on a network, counted, not measured.

    trained: parameters, those of the head and of what the plan adds among them. parameters, forward: those of
    the network with its head but without what the plan adds, and the operations of its forward pass, which is
    the unit of a step. passes: as `law` predicts them. counted: operations of a step on one item by torch's
    counter; kept: of those, without the frozen prefix. bytes: of the tensors that one more task adds to the
    shared network.
    """

    plan: str
    trained: int
    parameters: int
    forward: int
    passes: Passes
    counted: int
    kept: int
    bytes: int

    @property
    def step(self) -> float:
        """The counted step, in forward passes."""
        return self.counted / self.forward

    @property
    def predicted(self) -> float:
        """The same by the law."""
        return self.passes.total / self.forward

    @property
    def share(self) -> float:
        """Trained parameters over all of the network's, in percent."""
        return 100 * self.trained / self.parameters

    def __str__(self) -> str:
        passes = f"a step of {self.step:.2f} forward passes, {self.predicted:.2f} by the law"
        return f"{self.plan:10} {self.share:6.2f} % of the parameters, {passes}"


def of_plan(task: Task, backbone: Backbone, plan: Plan | str) -> Cost:
    """The cost of a plan. Raises UserError for one without a network, and one that does not fit."""
    plan = Plan.parse(str(plan))
    if plan.raw:
        raise UserError(f"plan {plan} has no network and so no step: choose another plan.")
    plans.refuse_unfit(plan, task.objective, backbone)
    plain, chain = features.with_head(backbone, task), ready(task, backbone, plan)
    raw = features.example(features.Cut(backbone, 0), task.train)
    return Cost(
        str(plan),
        sum(p.numel() for p in chain.parameters() if p.requires_grad),
        sum(p.numel() for p in plain.parameters()),
        cost.count(plain, raw, train=False),
        law(chain, raw),
        cost.count(chain, raw, train=True),
        cost.flops(task, backbone, chain, plan)[1],
        stored(chain, plan),
    )


def stored(chain: Chain, plan: Plan) -> int:
    """Bytes of the tensors that the plan may change, statistics of norm layers among them."""
    free = plans.movable(chain, plan)
    return sum(t.nbytes for name, t in plans.state(chain).items() if name in free)


def step_seconds(task: Task, backbone: Backbone, plan: Plan | str, steps: int = 2, batch: int = 8) -> float:
    """Median seconds of a step in `fit`'s own loop, optimiser included, behind the kept prefix.

    The same item `batch` times over, since no digit of it matters. The first step, which warms up, is left
    out.
    """
    plan = Plan.parse(str(plan))
    chain = plans.prepare(features.with_head(backbone, task), plan)
    at = features.example(features.Cut.of(backbone, plan), task.train)
    began: list[float] = []

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        began.append(time.perf_counter())  # once a step, always at the same place
        return nn.functional.cross_entropy(output, target)

    recipe = Recipe(steps=steps + 2, epochs=1, batch=batch)
    rows = features.Batches.of(repeated(at, batch))
    descend(chain, plan, rows, torch.zeros(batch, dtype=torch.long), loss, 1e-3, recipe, 0)
    return statistics.median(b - a for a, b in pairwise(began[1:]))


def peak_mb(task: Task, backbone: Backbone, plan: Plan | str, batch: int = 8) -> float:
    """MiB that training adds to the process at its peak; true once a process, so ask in a fresh one."""
    features.example(features.Cut.of(backbone, Plan.parse(str(plan))), task.train)
    before = psutil.Process().memory_info().rss / 2**20
    step_seconds(task, backbone, plan, 2, batch)
    return max(0.0, cost.peak_mb() - before)


def record_steps(store: Store, task: Task, backbone: Backbone, rounds: int = ROUNDS) -> None:
    """Rounds of `PLANS` on a network: seconds a step, and once the peak memory; what is there is kept.

    The value is the time an operation takes, over what it takes in a step of `full` in the same round. Round
    after round, so that a busy minute of the machine is shared by all plans.
    """
    counted = {plan: of_plan(task, backbone, plan) for plan in PLANS}
    for number in range(rounds):
        keys = [_key(task, backbone, plan, number) for plan in PLANS]
        if {*keys} <= store.finished():
            continue
        seconds = {plan: step_seconds(task, backbone, plan) for plan in PLANS}
        each = {plan: seconds[plan] / counted[plan].kept for plan in PLANS}
        for key in keys:
            measured = {"seconds": seconds[key.plan]}
            if not number and backbone.name == RESNET:
                measured["peak_mb"] = _alone(task.name, backbone.name, key.plan)
            detail = {"scale": SCALE, "passes": counted[key.plan].step, "bytes": counted[key.plan].bytes}
            value = each[key.plan] / each["full"]
            row = Record(*key, "test", METRIC, value, measured=measured, detail=detail)
            store.append([row], origin=env.origin())


def _key(task: Task, backbone: Backbone, plan: str, number: int) -> FitKey:
    return FitKey(task.name, task.digest, backbone.name, backbone.digest, plan, 0, number, "steps-1")


def _alone(task: str, backbone: str, plan: str) -> float:
    """`peak_mb` in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_peak, task, backbone, plan).result()


def _peak(task: str, backbone: str, plan: str) -> float:
    env.setup(0)
    return peak_mb(tasks.load(task), backbones.load(backbone), plan)
