"""Which tensors of a chain a plan trains, and how the others are kept frozen."""

from typing import Any

from torch import nn

from tlkit.backbones.chain import Chain
from tlkit.errors import UserError
from tlkit.plans.plan import Plan


def learners(model: Chain, plan: Plan) -> list[nn.Module]:
    """The modules a plan puts into train mode: whole stages, or what its row names, and the head."""
    if plan.raw:
        return []
    if plan.row.learners:
        return [*plan.row.learners(model, plan), model.head]
    return [*(model.stages[name] for name in plan.tuned(model.names)), model.head]


def prepare(model: Chain, plan: Plan) -> Chain:
    """Change the chain as the plan asks before training, such as by adapters; returns `model` itself."""
    if plan.row.prepare:
        plan.row.prepare(model, plan)
    return model


def movable(model: Chain, plan: Plan) -> set[str]:
    """The names of all tensors, weights and buffers, that may change.

    Raises UserError where a plan finds none, and where a trained stage shares a tensor with a frozen one:
    training the one would change the other.
    """
    _refuse_shared(model, plan)
    inside = {id(t) for m in learners(model, plan) for t in (*m.parameters(), *m.buffers())}
    tensors = dict([*model.named_parameters(remove_duplicate=False), *model.named_buffers()])
    free = {name for name, tensor in tensors.items() if id(tensor) in inside}
    if plan.row.movable:
        free |= plan.row.movable(model, plan)
    if plan.parts_of_stages and all(name.startswith("head.") for name in free):
        raise UserError(f"plan {plan}: this backbone has no {plan.where} to train; choose another plan.")
    return free


def _refuse_shared(model: Chain, plan: Plan) -> None:
    moving = set() if plan.raw else {*plan.tuned(model.names), "head"}
    parts = {**model.stages, "head": model.head}
    owners: dict[int, list[str]] = {}
    for name, part in parts.items():
        for tensor in {id(t): t for t in (*part.parameters(), *part.buffers())}:
            owners.setdefault(tensor, []).append(name)
    for names in owners.values():
        if moving & {*names} and {*names} - moving:
            raise UserError(
                f"plan {plan}: {' and '.join(names)} share a tensor, and the plan trains only some: choose "
                "one that trains all of them or none."
            )


def refuse_unfit(plan: Plan, objective: Any, backbone: Any) -> None:
    """Raise UserError where a plan cannot be run: no such stage, or no solver for its probe."""
    if plan.raw and objective.raw_plan != str(plan):
        instead = f"take {objective.raw_plan} instead" if objective.raw_plan else "leave it out"
        raise UserError(f"plan {plan} has no baseline for a {objective.name} task: {instead}.")
    if plan.selects:
        if objective.solver is None:
            raise UserError(
                f"plan {plan} needs a linear probe, and a {objective.name} task has none: leave it out."
            )
        if "features" not in backbone.blueprint.get("reach", {}):  # features=all
            why = f"plan {plan} chooses among the features of all stages"
            name, file, _ = backbone.name.partition("~")
            raise UserError(
                f"{why}: name the backbone {name},features=all{', with its --weights' * bool(file)}."
            )
    if not plan.raw:
        plan.tuned(backbone.stages)
    if plan.row.prepare:
        prepare(backbone.fresh(), plan)


def freeze(model: Chain, plan: Plan) -> Chain:
    """Let only what the plan trains, and the head, require gradients; returns the same `model`."""
    free = movable(model, plan)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in free)
    return model


def set_modes(model: Chain, plan: Plan) -> None:
    """Train mode for what is trained, eval mode for what is frozen: no dropout, fixed batch-norm statistics.

    `requires_grad_(False)` alone does not: frozen batch norm in train mode still updates its running mean.
    """
    model.eval()
    for module in learners(model, plan):
        module.train()


def groups(model: Chain, plan: Plan, rate: float) -> tuple[list[list[nn.Parameter]], list[float]]:
    """Optimiser groups from stem to head and the rate of each; frozen tensors are in none."""
    free, depth = movable(model, plan), len(model.names)
    rows = [(f"stages.{name}.", plan.decay ** (depth - i)) for i, name in enumerate(model.names)]
    found = []
    for prefix, factor in [*rows, ("head.", 1.0)]:
        held = [p for name, p in model.named_parameters() if name in free and name.startswith(prefix)]
        found += [(held, rate * factor)] if held else []
    return [parameters for parameters, _ in found], [lr for _, lr in found]
