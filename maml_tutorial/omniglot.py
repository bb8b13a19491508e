"""Omniglot: 1623 characters of 50 alphabets, each drawn by hand by 20 people."""

import hashlib
import io
import os
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError

from maml_tutorial._cache import Arrays, cached
from maml_tutorial.tasks import ImageClasses

Split = Literal["background", "evaluation"]
N_CHARACTERS: dict[Split, int] = {"background": 964, "evaluation": 659}
N_DRAWERS, PIXELS, SIZE = 20, 105, 28

WAYS_OUT = """There are three ways out:
  1. connect to the internet and try again: Omniglot is downloaded once (15 MB) and kept;
  2. put images_background.zip and images_evaluation.zip (or the folders they hold) into a folder,
     and name it by root=... or by the environment variable MAML_TUTORIAL_DATA;
  3. use the letters that come with this package: maml_tutorial.load_glyphs()."""


def load_omniglot(
    split: Split | None = None,
    *,
    root: str | Path | None = None,
    cache_dir: str | Path | None = None,
    download: bool = True,
) -> ImageClasses:
    """Load Omniglot, each drawing made small (28×28) and inverted, so that ink is bright.

    The copy in `root`, or in `$MAML_TUTORIAL_DATA`, is used as it is; without one, Omniglot is
    downloaded by torchvision, which checks the archive's checksum. The small images are cached.

    Args:
        split: "background" (964 characters of 30 alphabets), "evaluation" (659 of 20), or None
            for both.
        root: a folder with `images_background.zip` and `images_evaluation.zip`, or with the
            folders they hold; a folder `omniglot-py` in it, as torchvision makes one, is found too.
        cache_dir: where to keep the small images; by default a folder of the user's
            (`$MAML_TUTORIAL_CACHE`, or `~/.cache/maml_tutorial`).
        download: whether Omniglot may be downloaded where there is no copy.

    Returns:
        Images of shape `(n_classes, 20, 1, 28, 28)`, uint8, ink bright; names such as
        `Korean/character01`; the alphabets.

    Raises:
        ValueError: if `split` is unknown, or a copy is damaged or not the whole of Omniglot.
        FileNotFoundError: if `root` holds no Omniglot, or there is no copy and no download.
        ConnectionError: if the download fails or was cut off. Nothing of it is kept.

    Warns:
        RuntimeWarning: if the cache folder cannot be written to.

    Reference:
        Lake, Salakhutdinov & Tenenbaum, Science 350, 2015. The paper's experiments shuffle the
        characters of both sets, whatever their alphabet (see the appendix on paper and code).
    """
    if split not in (None, *get_args(Split)):
        raise ValueError(f"split must be one of {get_args(Split)} or None, got {split!r}")
    parts = [_load(s, root, cache_dir, download) for s in get_args(Split) if split in (None, s)]
    names = [name for part in parts for name in part["names"].tolist()]
    return ImageClasses(
        torch.cat([torch.from_numpy(part["images"]) for part in parts]),
        tuple(names),
        tuple(name.split("/")[0] for name in names),
    )


def _load(
    split: Split, root: str | Path | None, cache_dir: str | Path | None, download: bool
) -> Arrays:
    root = root or os.environ.get("MAML_TUTORIAL_DATA")
    if root:
        source = _find(split, Path(root).expanduser())
        key = hashlib.sha256(_state(source).encode()).hexdigest()[:12]
        return cached(f"omniglot-{split}-{key}", lambda: _read(split, source), cache_dir)

    def fetch() -> Arrays:
        if not download:
            raise FileNotFoundError(f"no copy of Omniglot, and download=False. {WAYS_OUT}")
        # Downloaded and unpacked (20 000 files) where it leaves no trace, even if it is cut off.
        with tempfile.TemporaryDirectory(prefix="omniglot-") as folder:
            _download(split, folder)
            return _read(split, _find(split, Path(folder)))

    return cached(f"omniglot-{split}", fetch, cache_dir)


def _find(split: Split, root: Path) -> Path:
    """Return the zip or the folder of a split under `root`."""
    for folder in (root, root / "omniglot-py"):
        for source in (folder / f"images_{split}.zip", folder / f"images_{split}"):
            if source.exists():
                return source
    raise FileNotFoundError(
        f"{root} holds neither images_{split}.zip nor a folder images_{split}. {WAYS_OUT}"
    )


def _state(source: Path) -> str:
    """What changes when a copy is changed: the place, size and time of its files."""
    files = sorted(source.glob("*/*/*")) if source.is_dir() else [source]
    return repr([(str(f), (s := f.stat()).st_size, s.st_mtime_ns) for f in files])


def _download(split: Split, folder: str) -> None:
    from torchvision.datasets import Omniglot  # takes seconds, and only a download needs it

    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # seconds without a byte; torchvision sets no limit of its own
    try:
        Omniglot(folder, background=split == "background", download=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: torchvision's word for a bad checksum
        raise ConnectionError(
            f"Omniglot could not be downloaded from {Omniglot.download_url_prefix}: it is out of "
            f"reach, or the file was cut off or changed on its way ({error}). {WAYS_OUT}"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def _read(split: Split, source: Path) -> Arrays:
    """Read a copy into `images`, `(n_classes, 20, 1, 28, 28)` uint8, and `names`."""
    drawings: dict[str, list[np.ndarray]] = {}
    try:
        for name, png in _pngs(source):
            image = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
            drawings.setdefault(name, []).append(image)
    except (zipfile.BadZipFile, UnidentifiedImageError, OSError, EOFError) as error:
        raise ValueError(
            f"{source} is damaged ({error}). Replace it by a good copy, or remove it. {WAYS_OUT}"
        ) from error
    if len(drawings) != N_CHARACTERS[split] or {len(d) for d in drawings.values()} != {N_DRAWERS}:
        n_images = sum(len(d) for d in drawings.values())
        raise ValueError(
            f"{source} is not the whole of Omniglot's {split} set: {len(drawings)} characters with "
            f"{n_images} drawings, where there should be {N_CHARACTERS[split]} with {N_DRAWERS} "
            f"each. Replace it by a good copy, or remove it. {WAYS_OUT}"
        )
    paper = torch.from_numpy(np.stack([d for images in drawings.values() for d in images]))
    ink = 255 - paper.unsqueeze(1)
    small = F.interpolate(ink, (SIZE, SIZE), mode="bilinear", antialias=True)
    images = small.view(-1, N_DRAWERS, 1, SIZE, SIZE)
    return {"images": images.numpy(), "names": np.array(list(drawings))}


def _pngs(source: Path) -> Iterator[tuple[str, bytes]]:
    """Give `(Alphabet/characterNN, PNG)` for every drawing, in the order of their paths."""
    if source.is_dir():
        for path in sorted(source.glob("*/*/*.png")):
            yield "/".join(path.parts[-3:-1]), path.read_bytes()
    else:
        with zipfile.ZipFile(source) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".png"):
                    yield "/".join(name.split("/")[-3:-1]), archive.read(name)
