"""That the network handed back is the one that was marked."""

import torch
from torch.utils._pytree import tree_leaves

from tlkit import features
from tlkit.backbones.chain import Chain
from tlkit.fit.job import Job
from tlkit.plans import NotFrozen

ITEMS = 2
_TOLERANCE = 1e-3  # of the largest output; another company in the batch gives other last digits
_ASKED: set[tuple[str, ...]] = set()


def check(job: Job, chain: Chain) -> None:
    """Raise NotFrozen where the whole network does not give what its kept stages and the suffix give.

    Tensors standing still does not prove that a stage does: it may count its calls, or drop at random in eval
    mode too. That is so, or is not, by how it is made: asked once for each task, weights and plan.
    """
    asked = job.task.digest, job.backbone.name, job.backbone.digest, str(job.plan)
    if asked in _ASKED or not job.cut.cut:
        return
    rows = job.draw.all[:ITEMS]
    at, suffix = job.behind(chain.eval())
    raw = features.Cut(job.backbone, 0).run(job.task.train.inputs[int(i)] for i in rows)
    with torch.inference_mode():
        kept, whole = suffix(features.activations(at, job.task.train, rows)), chain(raw)
    for a, b in zip(tree_leaves(kept), tree_leaves(whole), strict=True):
        bound = _TOLERANCE * max(1.0, float(b.abs().max()))
        if not torch.allclose(a, b, rtol=0, atol=bound, equal_nan=True):
            raise NotFrozen(
                f"{job.plan} of {job.backbone.name}: run as a whole the network does not repeat what its "
                "kept stages gave; a frozen stage changes by what is no tensor, or draws at random."
            )
    _ASKED.add(asked)
