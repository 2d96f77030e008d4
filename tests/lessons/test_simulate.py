"""The glyph family: what is drawn, how it varies, and that no digit is among it."""

import unicodedata
from string import ascii_letters

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from tlkit.errors import UserError
from tlkit_lessons.material import (
    ALPHABETS,
    FONTS,
    FRACTALS,
    LOOKALIKES,
    SIBLINGS,
    STROKES,
    TEXTURES,
    fractals,
    glyphs,
    of_characters,
    strokes,
    textures,
)
from tlkit_lessons.material.fractals import _systems, chaos_game
from tlkit_lessons.material.glyphs import _faces


@pytest.mark.parametrize("name", ALPHABETS)
def test_no_alphabet_holds_a_digit_or_a_character_twice(name):
    characters = ALPHABETS[name]
    assert len(set(characters)) == len(characters)
    assert [c for c in characters if unicodedata.numeric(c, None) is not None] == []


def test_letters_lose_exactly_their_lookalikes():
    assert set(ALPHABETS["letters"]) == set(ascii_letters)
    assert set(ALPHABETS["letters"]) - set(ALPHABETS["letters-nolookalikes"]) == set(LOOKALIKES)


def test_sibling_tasks_have_ten_classes_of_their_own():
    assert all(len(characters) == 10 for characters in SIBLINGS.values())
    every = "".join(SIBLINGS.values())
    assert len(set(every)) == len(every)
    assert not set(every) & set(ascii_letters)


@settings(max_examples=10, deadline=None)
@given(
    name=st.sampled_from(sorted(SIBLINGS)),
    n=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    strength=st.floats(0, 2),
)
def test_images_are_balanced_counts_of_sixteenths(name, n, seed, strength):
    drawn = glyphs(name, n, seed, strength=strength)
    assert drawn.images.shape == (10 * n, 1, 8, 8) and drawn.images.dtype == np.float32
    assert drawn.images.min() >= 0 and drawn.images.max() <= 1
    assert np.array_equal(drawn.images * 16, np.rint(drawn.images * 16))
    assert drawn.labels.dtype == np.int64 and np.bincount(drawn.labels).tolist() == [n] * 10
    assert drawn.classes == list(SIBLINGS[name])


def test_every_image_has_ink_and_not_only_ink():
    drawn = glyphs("letters", 20, 0)
    ink = drawn.images.mean((1, 2, 3))
    assert ink.min() > 0.03 and ink.max() < 0.8


def test_same_seed_same_bits_other_seed_other_bits():
    first, again, other = (glyphs("greek-a", 3, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.images, other.images)


def test_order_is_random():
    labels = glyphs("letters", 5, 0).labels
    assert not np.array_equal(labels, np.sort(labels))


def test_characters_come_only_from_fonts_that_hold_them():
    greek = glyphs("greek", 40, 0)
    assert not [FONTS[i] for i in set(greek.fonts) if FONTS[i].startswith("cm")]
    assert {FONTS[i] for i in glyphs("letters", 40, 0).fonts} == set(FONTS)
    owner = _faces(ALPHABETS["symbols"]).owner
    # the italic STIX faces lack the infinity sign, as a look at a sheet of all fonts shows
    holders = {FONTS[font] for label, font in owner if ALPHABETS["symbols"][label] == "∞"}
    assert "STIXGeneral" in holders and "STIXGeneralItalic" not in holders
    script = {
        ALPHABETS["letters"][label] for label, font in _faces(ascii_letters).owner if FONTS[font] == "cmsy10"
    }
    assert script == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def test_fonts_limit_the_faces():
    drawn = glyphs("letters", 6, 0, fonts=["cmr10", "DejaVuSans"])
    assert {FONTS[i] for i in drawn.fonts} == {"cmr10", "DejaVuSans"}


def test_without_strength_each_face_is_one_clean_picture():
    clean = glyphs("letters", 4, 0, fonts=["DejaVuSans"], strength=0)
    for label in range(52):
        same = clean.images[clean.labels == label]
        assert np.array_equal(same, np.broadcast_to(same[0], same.shape))
    varied = glyphs("letters", 4, 0, fonts=["DejaVuSans"])
    assert len(np.unique(varied.images, axis=0)) == len(varied.images)


def test_clean_print_shows_what_the_font_draws():
    """Against an independent drawing: cropped, scaled to the ink's box, averaged. Catches a mirrored axis."""
    clean = glyphs("letters", 1, 0, fonts=["DejaVuSans"], strength=0)
    from matplotlib import get_data_path

    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 200)
    for image, label in zip(clean.images[:, 0], clean.labels, strict=True):
        mask = font.getmask(clean.classes[label])
        drawn = Image.frombytes("L", mask.size, bytes(mask)).crop(mask.getbbox())
        width = min(24, round(32 * drawn.width / drawn.height))
        canvas = Image.new("L", (32, 32))
        canvas.paste(drawn.resize((width, 32)), ((32 - width) // 2, 0))
        expected = np.asarray(canvas, dtype=float).reshape(8, 4, 8, 4).mean((1, 3))
        assert np.corrcoef(expected.ravel(), image.ravel())[0, 1] > 0.85, clean.classes[label]


def test_glyphs_fill_the_height_as_handwritten_digits_do():
    clean = glyphs("letters", 1, 0, strength=0)
    assert (clean.images[:, 0, [0, 7]].max(2) > 0.1).all()


def test_the_pen_evens_out_bold_and_light_faces():
    def gap(strength: float) -> float:
        ink = [
            glyphs("letters", 20, 0, fonts=[font], strength=strength).images.mean()
            for font in ("DejaVuSans-Bold", "cmr10")
        ]
        return ink[0] - ink[1]

    assert gap(1.0) < gap(0.0) / 2


def test_strength_sets_how_much_glyphs_of_one_face_differ():
    spread = []
    for strength in (0.5, 1.0, 1.5):
        drawn = glyphs("symbols-a", 30, 0, fonts=["DejaVuSans"], strength=strength)
        spread.append(np.mean([drawn.images[drawn.labels == c].std(0).mean() for c in range(10)]))
    assert spread == sorted(spread) and spread[2] > 1.2 * spread[0]


def test_more_glyphs_than_are_drawn_at_once():
    drawn = glyphs("symbols-a", 250, 0)
    assert len(drawn.images) == 2500
    # an image drawn under the wrong label would blur the class means into each other
    means = np.stack([drawn.images[drawn.labels == c].mean(0).ravel() for c in range(10)])
    nearest = ((drawn.images.reshape(2500, 1, 64) - means) ** 2).sum(2).argmin(1)
    late = slice(2048, None)
    assert (nearest[late] == drawn.labels[late]).mean() > 0.5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("leters", 1, 0), "did you mean 'letters'"),
        (("letters", 0, 0), "n_per_class=0"),
        (("letters", 1, 0, None, -1.0), "strength=-1.0"),
        (("letters", 1, 0, ["DejaVuSan"]), "did you mean 'DejaVuSans'"),
        (("cyrillic", 1, 0, ["cmr10"]), "no chosen font holds 'Б'"),
        (("letters", 1, 0, []), "no chosen font holds 'a'"),
    ],
)
def test_bad_requests_are_named(arguments, says):
    with pytest.raises(UserError, match=says):
        glyphs(*arguments)


def test_any_characters_are_drawn_as_those_of_an_alphabet():
    named, given = glyphs("greek-a", 3, 0), of_characters(ALPHABETS["greek-a"], 3, 0)
    assert all(np.array_equal(a, b) for a, b in zip(named, given, strict=True))


def test_a_wide_blur_makes_no_more_ink_than_ink():
    assert glyphs("letters", 10, 0, strength=3).images.max() == 1


@pytest.mark.parametrize(
    ("family", "classes"), [(textures, TEXTURES), (strokes, STROKES), (fractals, FRACTALS)]
)
def test_families_are_balanced_repeatable_and_in_range(family, classes):
    images, labels = family(6, seed=1)
    assert images.shape == (6 * len(classes), 1, 8, 8) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    assert len(set(classes)) == len(classes)
    assert labels.dtype == np.int64 and np.bincount(labels).tolist() == [6] * len(classes)
    assert np.array_equal(images, family(6, seed=1)[0])
    assert not np.array_equal(images, family(6, seed=2)[0])
    assert len(np.unique(images, axis=0)) > 0.9 * len(images)
    with pytest.raises(UserError, match="n_per_class=0"):
        family(0, seed=1)


def test_more_marks_leave_more_ink_and_a_line_is_straighter_than_an_arc():
    images, labels = strokes(40, seed=0)
    ink = np.array([images[labels == k].mean() for k in range(len(STROKES))])
    marks = np.array([name.count("+") + 1 for name in STROKES])
    assert ink[marks == 1].mean() < ink[marks == 2].mean() < ink[marks == 3].mean()
    assert images.max((1, 2, 3)).min() > 0.2  # every picture shows something

    def roundness(name: str) -> float:
        """Share of the ink's variance that lies across its longest direction."""
        found = []
        for image in images[labels == STROKES.index(name), 0]:
            places = np.argwhere(image > 0.1)
            narrow, wide = np.linalg.eigvalsh(np.cov(places.T, aweights=image[image > 0.1]))
            found.append(narrow / (narrow + wide))
        return np.mean(found)

    assert roundness("line") < 0.6 * roundness("arc")


def test_the_systems_contract_and_the_chaos_game_stays_on_a_known_set():
    systems = _systems()
    assert systems.shape == (len(FRACTALS), 3, 2, 3)
    assert np.linalg.norm(systems[..., :2], ord=2, axis=(2, 3)).max() < 1
    # Sierpinski's triangle: every map halves the way to a corner, the middle stays empty
    corners = np.array([[0, 0], [0, 1], [1, 0]])
    triangle = np.concatenate([np.broadcast_to(np.eye(2) / 2, (3, 2, 2)), corners[..., None] / 2], -1)
    picture = chaos_game(np.stack([triangle] * 2), np.random.default_rng(0))[0]
    assert picture[0].min() > 0 and picture[:, 0].min() > 0
    rows, columns = np.mgrid[:8, :8]
    assert picture[rows + columns > 8].max() == 0 and picture[2:4, 2:4].mean() < picture[:2, :2].mean()


def test_fractals_of_one_system_look_alike():
    images, labels = fractals(20, seed=0)
    flat = images.reshape(len(images), -1)
    means = np.stack([flat[labels == k][:10].mean(0) for k in range(len(FRACTALS))])
    asked = np.concatenate([np.flatnonzero(labels == k)[10:] for k in range(len(FRACTALS))])
    nearest = ((flat[asked, None] - means) ** 2).sum(2).argmin(1)
    assert (nearest == labels[asked]).mean() > 0.5


def test_the_class_of_a_texture_lies_in_its_grain_and_not_in_any_place():
    images, labels = textures(200, seed=0)
    by_class = [images[labels == k, 0] for k in range(len(TEXTURES))]
    assert all(abs(mean - 0.5).max() < 0.09 for mean in (part.mean(0) for part in by_class))
    across = [
        np.abs(np.diff(part, axis=2)).mean() / np.abs(np.diff(part, axis=1)).mean() for part in by_class
    ]
    ratio = dict(zip(TEXTURES, across, strict=True))
    for fineness in ("coarse", "fine"):
        assert ratio[f"{fineness} 0°"] > 1.3 and ratio[f"{fineness} 90°"] < 1 / 1.3
        assert 0.85 < ratio[fineness] < 1.15
    assert np.abs(np.diff(by_class[4])).mean() > 1.3 * np.abs(np.diff(by_class[0])).mean()
