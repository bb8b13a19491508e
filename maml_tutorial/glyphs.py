"""Glyphs: letters of fifteen scripts, drawn from the fonts that come with matplotlib."""

import hashlib
import math
import unicodedata
from pathlib import Path
from typing import Literal, get_args

import matplotlib
import numpy as np
import PIL
import torch
import torch.nn.functional as F
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from maml_tutorial._cache import Arrays, cached
from maml_tutorial.tasks import ImageClasses, require_at_least

Split = Literal["train", "validation", "test"]

# Which scripts are in which split, and how the Unicode names of a script's letters begin.
# Scripts that descend from Greek share many shapes, so they share the training split.
SCRIPTS: dict[Split, dict[str, str]] = {
    "train": {
        "Latin": "LATIN ",
        "Greek": "GREEK ",
        "Cyrillic": "CYRILLIC ",
        "Canadian syllabics": "CANADIAN SYLLABICS ",
        "Old Italic": "OLD ITALIC LETTER ",
        "Lisu": "LISU LETTER ",
        "Coptic": "COPTIC ",
    },
    "validation": {
        "Armenian": "ARMENIAN ",
        "N'Ko": "NKO LETTER ",
        "Ogham": "OGHAM LETTER ",
        "Hebrew": "HEBREW LETTER ",
    },
    "test": {
        "Georgian": "GEORGIAN ",
        "Arabic": "ARABIC LETTER ",
        "Tifinagh": "TIFINAGH LETTER ",
        "Lao": "LAO LETTER ",
    },
}
FACES = ("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSansMono")
# Cosines between clean letters, chosen by looking at the pairs: from the first on, one letter could
# be taken for the other (not allowed across splits); from the second on, it is the same letter.
LOOK_ALIKE, SAME = 0.92, 0.96
EM, INK, CANVAS, SIZE = 80, 38, 56, 28  # pixels: font, longest side of a letter, template, drawing


def load_glyphs(
    split: Split | None = None,
    *,
    n_examples: int = 20,
    seed: int = 0,
    keep_look_alikes: bool = False,
    cache_dir: str | Path | None = None,
) -> ImageClasses:
    """Load letters of many scripts, each written `n_examples` times.

    A drawing is the letter in one of four typefaces, turned, sheared, stretched and shifted a
    little, bent by a smooth random warp, and inked with a pen of random width. Scripts, not
    letters, are split, and of letters that look alike (A, Α and А) only the first is kept.

    Args:
        split: "train", "validation", "test", or None for all letters.
        n_examples: drawings a letter.
        seed: the drawings are a function of it and of `n_examples`.
        keep_look_alikes: keep all letters, also those that look alike. Such data *leaks*: a test
            letter may be a training letter under another name. For showing that leak only.
        cache_dir: where to keep the drawings; by default a folder of the user's
            (`$MAML_TUTORIAL_CACHE`, or `~/.cache/maml_tutorial`).

    Returns:
        Images of shape `(n_classes, n_examples, 1, 28, 28)`, uint8, ink bright; the letters'
        Unicode names (`unicodedata.lookup` gives the character); their scripts.

    Raises:
        ValueError: if `split` is unknown or `n_examples` is below 1.

    Warns:
        RuntimeWarning: if the cache folder cannot be written to.

    Example:
        >>> letters = load_glyphs("test")
        >>> letters.images.shape[1:], letters.names[0], letters.groups[0]
        (torch.Size([20, 1, 28, 28]), 'GEORGIAN CAPITAL LETTER BAN', 'Georgian')
    """
    if split not in (None, *get_args(Split)):
        raise ValueError(f"split must be one of {get_args(Split)} or None, got {split!r}")
    require_at_least(1, n_examples=n_examples)
    # Whatever the drawings depend on is in the name: this file, the fonts and who renders them.
    made_by = Path(__file__).read_bytes() + (matplotlib.__version__ + PIL.__version__).encode()
    name = f"glyphs-{n_examples}-{seed}-{hashlib.sha256(made_by).hexdigest()[:12]}"
    arrays = cached(name, lambda: _make(n_examples, seed), cache_dir)
    scripts = [s for part in SCRIPTS if split in (None, part) for s in SCRIPTS[part]]
    chosen = np.isin(arrays["scripts"], scripts) & (arrays["kept"] | keep_look_alikes)
    return ImageClasses(
        torch.from_numpy(arrays["images"][chosen]),
        tuple(arrays["names"][chosen].tolist()),
        tuple(arrays["scripts"][chosen].tolist()),
    )


def look_alikes(images: Tensor, threshold: float = LOOK_ALIKE) -> tuple[Tensor, Tensor]:
    r"""Find the pairs of classes that look alike.

    Two classes are compared by the cosine between their mean images $a$ and $b$, slightly blurred,
    at the best shift $\delta$ of at most one pixel:

    $$\max_\delta \; \frac{a \cdot b_\delta}{\lVert a\rVert \, \lVert b_\delta\rVert} \ge t$$

    Args:
        images: `(n_classes, n_examples, 1, height, width)`, uint8 or float, ink bright.
        threshold: t, the cosine from which a pair counts as look-alike.

    Returns:
        Pairs (i, j) of class numbers, i < j, most alike first, shape `(n_pairs, 2)`, int64; and
        their cosines, shape `(n_pairs,)`, float32.

    Example:
        >>> ring, bar = torch.zeros(2, 28, 28)
        >>> ring[4:24, 4:24], ring[7:21, 7:21], bar[4:24, 12:15] = 1, 0, 1
        >>> pairs, cosines = look_alikes(torch.stack([ring, bar, ring.roll(1, 0)])[:, None, None])
        >>> pairs.tolist(), round(cosines.item(), 4)
        ([[0, 2]], 1.0)
    """
    means = images.float().mean(dim=1)
    pen = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16  # a binomial blur, one pixel wide
    means = F.conv2d(means, pen.view(1, 1, 5, 1) * pen, padding=2)
    means = F.normalize(means.flatten(1), dim=1).view_as(means)
    alike = means.flatten(1) @ means.flatten(1).T
    for shift in ((0, 1), (1, -1), (1, 0), (1, 1)):  # the other four are these, seen from b
        shifted = means.flatten(1) @ means.roll(shift, dims=(2, 3)).flatten(1).T
        alike = torch.maximum(alike, torch.maximum(shifted, shifted.T))
    pairs = (alike >= threshold).triu(1).nonzero()
    cosines, order = alike[pairs[:, 0], pairs[:, 1]].sort(descending=True, stable=True)
    return pairs[order], cosines


def _make(n_examples: int, seed: int) -> Arrays:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # steps as small as these wait for each other on a busy machine
    try:
        names, scripts, templates = _letters()
        return {
            "images": _write_by_hand(templates, n_examples, seed).numpy(),
            "names": np.array(names),
            "scripts": np.array(scripts),
            "kept": np.array(_without_look_alikes(templates, scripts)),
        }
    finally:
        torch.set_num_threads(threads)


def _without_look_alikes(templates: Tensor, scripts: list[str]) -> list[bool]:
    """Keep a letter if it looks like no kept letter before it."""
    clean = F.avg_pool2d(templates[:, :1].float(), CANVAS // SIZE)  # the one face with all letters
    pairs, cosines = look_alikes(clean[:, None])
    split_of = {script: i for i, part in enumerate(SCRIPTS.values()) for script in part}
    split = torch.tensor([split_of[script] for script in scripts])[pairs]
    alike = pairs[(split[:, 0] != split[:, 1]) | (cosines >= SAME)]
    before: list[list[int]] = [[] for _ in scripts]
    for i, j in alike.tolist():
        before[j].append(i)
    kept: list[bool] = []
    for earlier in before:
        kept.append(not any(kept[i] for i in earlier))
    return kept


def _letters() -> tuple[list[str], list[str], Tensor]:
    """Render every letter in every face: names, scripts, `(n_letters, n_faces, 56, 56)` uint8."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = [str(folder / f"{face}.ttf") for face in FACES]
    in_face = [FT2Font(file).get_charmap().keys() for file in files]
    fonts = [ImageFont.truetype(f, EM, layout_engine=ImageFont.Layout.BASIC) for f in files]
    names, scripts, templates = [], [], []
    for script, beginning in {k: v for part in SCRIPTS.values() for k, v in part.items()}.items():
        for code in sorted(in_face[0]):
            name = unicodedata.name(chr(code), "")
            if not name.startswith(beginning) or not _is_plain_letter(chr(code), name):
                continue
            faces = [f for f, codes in zip(fonts, in_face, strict=True) if code in codes]
            drawn = [_template(f, chr(code)) for f in faces]
            if drawn[0] is not None:
                names.append(name)
                scripts.append(script)
                templates.append([drawn[i % len(drawn)] for i in range(len(FACES))])
    return names, scripts, torch.from_numpy(np.array(templates))


def _is_plain_letter(character: str, name: str) -> bool:
    """Leave out marks and digits, letters with an accent, and syllabics' small final signs."""
    return (
        unicodedata.category(character) in ("Lu", "Ll", "Lo")
        and not unicodedata.decomposition(character)
        and " FINAL " not in name
    )


def _template(font: ImageFont.FreeTypeFont, character: str) -> np.ndarray | None:
    """Render a character, centred, its longest side `INK` pixels; None for a mere mark."""
    image = Image.new("L", (3 * EM, 2 * EM))
    ImageDraw.Draw(image).text((1.5 * EM, EM), character, fill=255, font=font, anchor="mm")
    ink = image.crop(image.getbbox())
    if max(ink.size) < EM / 3:
        return None
    ink = ImageOps.pad(ink, (INK, INK), Image.Resampling.BOX)
    return np.asarray(ImageOps.expand(ink, (CANVAS - INK) // 2))


def _write_by_hand(templates: Tensor, n_examples: int, seed: int) -> Tensor:
    """Warp and ink `(n_letters, n_faces, 56, 56)` to `(n_letters, n_examples, 1, 28, 28)`."""
    generator = torch.Generator().manual_seed(seed)
    n, n_faces = templates.shape[:2]

    def uniform(*shape: int) -> Tensor:  # in -1 … 1; `rand`, as it is equal on every machine
        return 2 * torch.rand(n, n_examples, *shape, generator=generator) - 1

    # Where on the template does the ink of a pixel come from? A linear map of the pixel's place,
    # a shift, and a bend: a sum of the lowest cosine waves across and down, the lower the stronger.
    angle, shear = math.radians(15) * uniform(), 0.25 * uniform()
    linear = torch.stack([angle.cos(), shear - angle.sin(), angle.sin(), angle.cos()], dim=-1)
    linear = linear.view(n, n_examples, 2, 2) / (0.88 + 0.18 * uniform(2, 1))
    shift = 0.12 * uniform(2, 1)
    order = (torch.arange(5)[:, None] + torch.arange(5)).flatten()[1:]
    bend = 0.12 * uniform(2, len(order)) / (1 + order)
    weights = torch.cat([linear, shift, bend], dim=-1)

    place = (torch.arange(SIZE) + 0.5) / SIZE
    waves = torch.cos(math.pi * torch.arange(5)[:, None] * place)
    y, x = torch.meshgrid(2 * place - 1, 2 * place - 1, indexing="ij")
    bends = torch.einsum("ky,lx->klyx", waves, waves).flatten(0, 1)[1:]
    basis = torch.cat([torch.stack([x, y, torch.ones_like(x)]), bends]).flatten(1)

    threshold = 0.4 + 0.1 * uniform(1, 1, 1)  # a lower one is a wider pen
    blurred = F.avg_pool2d(templates.float() / 255, 3, stride=1, padding=1)
    faces = torch.arange(n_examples) % n_faces
    out = torch.empty(n, n_examples, 1, SIZE, SIZE, dtype=torch.uint8)
    for some in torch.arange(n).split(8):  # few enough for the processor's cache
        grid = (weights[some].flatten(0, 2) @ basis).view(-1, 2, SIZE, SIZE).permute(0, 2, 3, 1)
        letters = blurred[some][:, faces].flatten(0, 1)[:, None]
        ink = F.grid_sample(letters, grid, align_corners=False).view_as(out[some])
        ink = ink.sub_(threshold[some]).mul_(12).sigmoid_()
        out[some] = ink.mul_(260).sub_(5).clamp_(min=0).to(torch.uint8)  # no grey on the paper
    return out
