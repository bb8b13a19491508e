"""A folder of pictures, one subfolder a class, as classes of images."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from maml_tutorial.tasks import ImageClasses, require_at_least


def load_folder(
    folder: str | Path, *, size: int | tuple[int, int] = 84, grey: bool = False
) -> ImageClasses:
    """Read pictures of one's own: each subfolder is a class, each file in it an example.

    Every picture is turned upright, scaled so that it covers `size`, and cut to its middle. Split
    *classes*, not pictures, into training, validation and test: with three folders, say.

    Args:
        folder: such as `birds/`, with `birds/robin/1.jpg`, `birds/robin/2.png`, `birds/wren/…`.
        size: height and width of the images, or one number for both.
        grey: one channel instead of three (red, green, blue).

    Returns:
        `ImageClasses`, uint8, 0 … 255: one tensor where all classes have as many pictures, else a
        list with a tensor a class. `EpisodeSampler` takes both. Names and groups are the
        subfolders' names.

    Raises:
        FileNotFoundError: if the folder or its subfolders are missing, or one has no picture.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, colour in (("ruva", "red"), ("pim", "blue")):
        ...         (Path(folder) / name).mkdir()
        ...         Image.new("RGB", (120, 90), colour).save(Path(folder) / name / "1.png")
        ...     classes = load_folder(folder, size=32)
        >>> classes.names, classes.images.shape
        (('pim', 'ruva'), torch.Size([2, 1, 3, 32, 32]))
    """
    from torchvision.datasets import ImageFolder  # takes seconds, and only this needs it

    height, width = (size, size) if isinstance(size, int) else size
    require_at_least(1, height=height, width=width)
    try:
        found = ImageFolder(str(folder))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{folder} must hold one subfolder a class, with pictures in it: {error}"
        ) from error
    classes: list[list[torch.Tensor]] = [[] for _ in found.classes]
    for path, number in found.samples:
        picture = ImageOps.fit(_upright(path), (width, height))
        pixels = np.array(picture.convert("L" if grey else "RGB")).reshape(height, width, -1)
        classes[number].append(torch.from_numpy(pixels).permute(2, 0, 1))
    images = [torch.stack(pictures) for pictures in classes]
    names = tuple(found.classes)
    equal = len({len(some) for some in images}) == 1
    return ImageClasses(torch.stack(images) if equal else images, names, names)


def _upright(path: str) -> Image.Image:
    """Open a picture as 8 bits a channel; 16 bits, as of scanners, would be cut to white."""
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I"):
            return Image.fromarray((np.asarray(picture) // 256).astype(np.uint8))
        return picture.convert("RGB")
