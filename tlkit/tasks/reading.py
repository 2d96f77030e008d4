"""Any image file as upright 8-bit RGB: depth, colour model, transparency and size settled in one place."""

import warnings
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tlkit.errors import UserError

LARGEST = 89_000_000  # pixels: just below where Pillow suspects a decompression bomb
PLENTY = 2**22  # pixels: more than any network here looks at; of larger images a smaller copy is kept
_BAND = 2**20  # pixels that are brought to RGB at once while a large image is shrunk
_WHOLE = Lock()  # large images are decoded one at a time, however many threads read

# rasters only: Pillow hands PostScript to an interpreter, whatever the file is called
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "TGA", "AVIF")
_ORIENTATION, _PHOTOMETRIC = 0x0112, 0x0106  # tags of EXIF and TIFF
_SMALLER, _INSIDE, _DNG = 0x00FE, 0x014A, 0xC612  # a reduced copy; pages inside the page; a raw file
warnings.filterwarnings("ignore", module=r"PIL\.")  # remarks on cut EXIF blocks and the like name no file


class Unreadable(UserError):
    """A file that is not read as an image; `reason` says why in a few words."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} does not open as an image ({reason}): remove it or save it again.")
        self.reason = reason


def read_picture(path: Path) -> Image.Image:
    """One image in 8-bit RGB, upright by its EXIF tag.

    16-bit greys keep their range (65535 is white). What is transparent is white. Of an animation the first
    frame is read. CMYK becomes RGB by the plain formula; colour profiles are not applied. An image of more
    than `PLENTY` pixels comes at a half, a quarter, ... of its sides, each pixel the mean of those it stands
    for. While it is read, memory is bounded by `LARGEST`: 4 bytes a pixel, in WebP and JPEG 2000 up to 20,
    in most JPEGs next to nothing. Raises Unreadable for a file that is damaged, cut off, no raster
    image, larger than `LARGEST` pixels, or whose grey scale is unknown (32-bit numbers, fractions).
    """
    if not path.is_file() and not path.is_symlink():
        folder = f"{path} is a folder: name the files in it, such as {path}/*.jpg."
        raise UserError(folder if path.is_dir() else f"there is no file {path}: check its name.")
    try:
        Image.init()
        with Image.open(path, formats=[f for f in _FORMATS if f in Image.OPEN]) as picture:
            return _settled(picture)
    except Exception as error:
        raise Unreadable(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "of no image format"
    if isinstance(error, Image.DecompressionBombError):
        return f"of more than the {LARGEST // 10**6} megapixels that are read"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _settled(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    if width * height > LARGEST:
        raise ValueError(f"{width * height / 1e6:.0f} megapixels; at most {LARGEST // 10**6} are read")
    if picture.mode == "F" or (picture.mode == "I" and picture.format == "TIFF"):
        raise ValueError("its grey scale is not known: neither 8 nor 16 bits")
    tags = getattr(picture, "tag_v2", {})
    if _DNG in tags or (tags.get(_SMALLER) == 1 and (_INSIDE in tags or picture.is_animated)):
        raise ValueError("a camera's raw file, of which only the thumbnail can be read: convert it to JPEG")
    negative = picture.mode.startswith("I") and tags.get(_PHOTOMETRIC) == 0
    factor = 1
    while width * height > PLENTY * factor**2:
        factor *= 2
    with _WHOLE if width * height > 4 * PLENTY else nullcontext():
        if factor > 1:  # a JPEG can be decoded at a half, a quarter or an eighth of its sides
            picture.draft(None, (max(1, width // factor), max(1, height // factor)))
            factor //= round(max(width, height) / max(picture.size))
        picture.load()  # Pillow turns a TIFF itself, and then takes the tag away
        turn = picture.getexif().get(_ORIENTATION, 1)
        small = _rgb(picture) if factor == 1 else _shrunk(picture, factor)
    if negative:  # zero is white, which Pillow heeds at 8 bits only
        small = ImageOps.invert(small)
    small.getexif()[_ORIENTATION] = turn
    ImageOps.exif_transpose(small, in_place=True)
    return small


def _shrunk(picture: Image.Image, factor: int) -> Image.Image:
    """Every `factor` x `factor` pixels as one, band by band: only the file's own raster is held whole."""
    width, height = picture.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = max(1, _BAND // (width * factor)) * factor
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        small.paste(_rgb(band).reduce(factor), (0, top // factor))
    return small


def _rgb(picture: Image.Image) -> Image.Image:
    """8-bit RGB, on white where it is transparent."""
    if picture.mode.startswith("I"):
        picture = _eight_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit greys to 8 bits, the full range kept; Pillow itself would cut off whatever is above 255."""
    deep, clear = np.asarray(picture), picture.info.get("transparency")
    grey = (deep.clip(0, 65535) / 257).round().astype(np.uint8)
    if clear is not None:
        grey[deep == clear] = 255
    return Image.fromarray(grey)
