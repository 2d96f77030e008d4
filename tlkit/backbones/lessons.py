"""What our own networks were brought up on: pictures of that kind, and the names that were told with them."""

import numpy as np

from tlkit import simulate
from tlkit.backbones import Backbone
from tlkit.errors import UserError


def lesson(backbone: Backbone, count: int = 8, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Pictures (count x 1 x 8 x 8) of as many classes, drawn anew, and the name that was told with each.

    The names are empty where none were told; where names were learnt by lot, they are by lot here as well. Of
    fewer classes than `count` there is one picture each. Raises UserError for a network without such a card.
    """
    how = backbone.card.get("recipe", {})
    classes = backbone.card.get("classes", ())
    if family := how.get("family"):
        if family not in simulate.FAMILIES:
            raise UserError(f"{backbone.name} was brought up on {family}, of which this module draws none.")
        images, which = simulate.FAMILIES[family][0](1, seed)
    elif how.get("alphabet"):
        images, which, *_ = simulate.glyphs(how["alphabet"], 1, seed, strength=how["strength"])
    else:
        raise UserError(f"{backbone.name} has no recipe of ours: what it was brought up on is not known.")
    which = which[:count]
    if how.get("contrast"):  # two views of a picture, and no names
        return images[:count], [""] * len(which)
    if how.get("memorise"):
        which = np.random.default_rng(seed).permutation(len(classes))[:count]
    return images[:count], [classes[i] for i in which]
