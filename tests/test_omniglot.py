"""Omniglot: read from a copy or downloaded, and what is said when neither works."""

import hashlib
import io
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.datasets import Omniglot

from maml_tutorial import omniglot
from maml_tutorial.episodes import EpisodeSampler
from maml_tutorial.omniglot import load_omniglot
from maml_tutorial.tasks import ImageClasses

THREE_WAYS_OUT = "(?s)connect to the internet.*MAML_TUTORIAL_DATA.*load_glyphs"


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch):
    monkeypatch.delenv("MAML_TUTORIAL_DATA", raising=False)


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def both(real, real_cache) -> ImageClasses:
    return load_omniglot(root=real, cache_dir=real_cache)


def drawing(ink: int) -> bytes:
    """A PNG of 105×105 pixels, white but for a black square as wide as `ink` says."""
    image = Image.new("1", (105, 105), 1)
    image.paste(0, (20, 20, 20 + ink, 20 + ink))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def make_zip(path: Path, n_characters: int = 659, n_drawers: int = 20) -> Path:
    """A small file of the evaluation set's layout; character c has a square of width 1 + c % 60."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for c in range(n_characters):
            png = drawing(1 + c % 60)
            for d in range(n_drawers):
                name = f"A{c // 40:02}/character{c % 40:02}/{c:04}_{d:02}.png"
                archive.writestr(f"images_evaluation/{name}", png)
    return path


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> Path:
    return make_zip(tmp_path_factory.mktemp("made-up") / "images_evaluation.zip").parent


class Server(ThreadingHTTPServer):
    """Serves the files of a folder on this machine; with `cut_off`, only their first halves."""

    folder: Path
    cut_off = False


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self.server.folder / Path(self.path).name
        if not path.exists():
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":  # torchvision first asks for the HEAD alone, to follow redirects
            self.wfile.write(body[: len(body) // 2] if self.server.cut_off else body)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    """A server that stands in for Omniglot's, checksums of the served files included."""
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(Omniglot, "download_url_prefix", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder where downloads land, to see what stays in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(omniglot.tempfile, "tempdir", str(folder))
    return folder


def serve(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.folder = folder
    sums = {z.stem: hashlib.md5(z.read_bytes()).hexdigest() for z in folder.glob("*.zip")}
    monkeypatch.setattr(Omniglot, "zips_md5", sums)


# The real data


def test_real_omniglot_has_1623_characters_of_50_alphabets(both):
    assert both.images.shape == (1623, 20, 1, 28, 28)
    assert both.images.dtype == torch.uint8
    assert len(set(both.names)) == len(both.groups) == 1623
    assert len(set(both.groups)) == 50
    assert "Korean/character01" in both.names


@pytest.mark.parametrize(
    ("split", "characters", "alphabets"),
    [
        ("background", 964, 30),
        ("evaluation", 659, 20),
    ],
)
def test_a_real_split_has_its_characters_and_alphabets(
    real, real_cache, split, characters, alphabets
):
    part = load_omniglot(split, root=real, cache_dir=real_cache)
    assert len(part.images) == len(part.names) == characters
    assert len(set(part.groups)) == alphabets


def test_a_real_drawing_is_the_image_of_the_archive_inverted_and_made_small(real, both):
    with zipfile.ZipFile(real / "images_background.zip") as archive:
        folder = "images_background/Korean/character05/"
        path = sorted(n for n in archive.namelist() if n.startswith(folder) and n[-4:] == ".png")[7]
        large = Image.open(io.BytesIO(archive.read(path))).convert("L").point(lambda v: 255 - v)
    expected = large.resize((28, 28), Image.Resampling.BILINEAR)  # Pillow's is antialiased too
    found = both.images[both.names.index("Korean/character05"), 7, 0]
    difference = torch.frombuffer(bytearray(expected.tobytes()), dtype=torch.uint8).view(28, 28)
    assert (found.int() - difference.int()).abs().max() <= 2


def test_real_ink_is_bright_on_black_paper(both):
    assert 10 < both.images.float().mean() < 40
    assert both.images.flatten(3).amax(dim=-1).float().mean() > 200


def test_the_episode_sampler_takes_real_omniglot(both):
    sample = EpisodeSampler(both.images, n_way=20, k_shot=1, k_query=5)
    assert sample(3, torch.Generator().manual_seed(0)).x_query.shape == (3, 100, 1, 28, 28)


def test_the_real_archives_come_through_torchvisions_download(
    real, both, server, temporary, tmp_path, monkeypatch
):
    serve(server, real, monkeypatch)
    loaded = load_omniglot("evaluation", cache_dir=tmp_path / "cache")
    assert torch.equal(loaded.images, both.images[964:]) and loaded.names == both.names[964:]
    assert list(temporary.iterdir()) == []
    server.folder = tmp_path / "nothing here"
    again = load_omniglot("evaluation", cache_dir=tmp_path / "cache")
    assert torch.equal(again.images, loaded.images)


# A copy of one's own


@pytest.mark.parametrize("layout", ["zip", "folder", "omniglot-py", "environment"])
def test_a_copy_is_used_as_it_is(made_up, tmp_path, monkeypatch, layout):
    source, root = made_up / "images_evaluation.zip", tmp_path / "root"
    place = root / "omniglot-py" if layout == "omniglot-py" else root
    place.mkdir(parents=True)
    if layout == "folder":
        shutil.unpack_archive(source, place)
    else:
        shutil.copy(source, place)
    if layout == "environment":
        monkeypatch.setenv("MAML_TUTORIAL_DATA", str(root))
        root = None
    part = load_omniglot("evaluation", root=root, cache_dir=tmp_path / "cache")
    assert part.images.shape == (659, 20, 1, 28, 28)
    assert part.names[41] == "A01/character01" and part.groups[41] == "A01"
    ink = part.images[:60].flatten(1).float().sum(dim=1)
    assert (ink.diff() > 0).all()  # the squares grow from character to character


def test_a_changed_copy_is_read_again(made_up, tmp_path):
    shutil.copy(made_up / "images_evaluation.zip", tmp_path)
    load_omniglot("evaluation", root=tmp_path, cache_dir=tmp_path / "cache")
    make_zip(tmp_path / "images_evaluation.zip", n_characters=658)
    with pytest.raises(ValueError, match="658 characters with 13160 drawings"):
        load_omniglot("evaluation", root=tmp_path, cache_dir=tmp_path / "cache")


def test_an_unchanged_copy_is_read_once(made_up, tmp_path, monkeypatch):
    first = load_omniglot("evaluation", root=made_up, cache_dir=tmp_path)
    monkeypatch.setattr(omniglot, "_read", lambda *_: pytest.fail("read again"))
    again = load_omniglot("evaluation", root=made_up, cache_dir=tmp_path)
    assert torch.equal(first.images, again.images)


@pytest.mark.parametrize("damage", ["cut off", "not a zip", "some bytes"])
def test_a_damaged_zip_is_named_and_nothing_of_it_is_cached(made_up, tmp_path, damage):
    good = (made_up / "images_evaluation.zip").read_bytes()
    middle = good.index(b"IDAT", len(good) // 3) + 8
    bad = {
        "cut off": good[: len(good) // 2],
        "not a zip": b"<html>404</html>",
        "some bytes": good[:middle] + b"????" + good[middle + 4 :],
    }
    path = tmp_path / "images_evaluation.zip"
    path.write_bytes(bad[damage])
    with pytest.raises(ValueError, match=f"(?s){path} is damaged.*Replace it.*load_glyphs"):
        load_omniglot("evaluation", root=tmp_path, cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_drawing_that_is_no_image_is_damage_too(made_up, tmp_path):
    shutil.unpack_archive(made_up / "images_evaluation.zip", tmp_path)
    drawing = next((tmp_path / "images_evaluation").glob("*/*/*.png"))
    drawing.write_bytes(b"")
    with pytest.raises(ValueError, match="is damaged"):
        load_omniglot("evaluation", root=tmp_path, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(("n_characters", "n_drawers"), [(658, 20), (659, 19), (0, 20)])
def test_a_copy_that_is_not_the_whole_is_refused_with_what_is_missing(
    tmp_path, n_characters, n_drawers
):
    make_zip(tmp_path / "images_evaluation.zip", n_characters, n_drawers)
    with pytest.raises(ValueError, match=f"{n_characters} characters with .* 659 with 20"):
        load_omniglot("evaluation", root=tmp_path, cache_dir=tmp_path / "cache")


def test_a_folder_without_omniglot_is_named_and_the_ways_out_too(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} holds neither") as error:
        load_omniglot(root=tmp_path)
    assert error.match(THREE_WAYS_OUT)


# The download


def test_without_a_network_and_a_copy_the_error_names_the_three_ways_out(
    temporary, tmp_path, monkeypatch
):
    # Port 9 of this machine answers nobody, as a machine without a network.
    monkeypatch.setattr(Omniglot, "download_url_prefix", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=THREE_WAYS_OUT):
        load_omniglot(cache_dir=tmp_path / "cache")
    assert list(temporary.iterdir()) == [] and not (tmp_path / "cache").exists()


def test_download_false_stays_off_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(omniglot, "_download", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(FileNotFoundError, match=THREE_WAYS_OUT):
        load_omniglot(cache_dir=tmp_path, download=False)


def test_of_a_download_cut_off_half_way_nothing_stays_and_the_next_one_works(
    made_up, server, temporary, tmp_path, monkeypatch
):
    serve(server, made_up, monkeypatch)
    server.cut_off = True
    with pytest.raises(ConnectionError, match="cut off") as error:
        load_omniglot("evaluation", cache_dir=tmp_path / "cache")
    assert error.match(THREE_WAYS_OUT)
    assert list(temporary.iterdir()) == [] and not (tmp_path / "cache").exists()
    server.cut_off = False
    assert len(load_omniglot("evaluation", cache_dir=tmp_path / "cache").names) == 659


def test_a_download_with_the_wrong_checksum_is_refused(
    made_up, server, temporary, tmp_path, monkeypatch
):
    serve(server, made_up, monkeypatch)
    monkeypatch.setattr(Omniglot, "zips_md5", {"images_evaluation": "0" * 32})
    with pytest.raises(ConnectionError, match="changed on its way"):
        load_omniglot("evaluation", cache_dir=tmp_path / "cache")
    assert list(temporary.iterdir()) == [] and not (tmp_path / "cache").exists()


def test_a_cache_folder_that_cannot_be_written_to_is_named_and_the_images_come_all_the_same(
    made_up, tmp_path
):
    (tmp_path / "file").write_text("a folder cannot be made below a file, not even by root")
    with pytest.warns(RuntimeWarning, match="cannot write to the cache folder .*file.*cache_dir="):
        part = load_omniglot("evaluation", root=made_up, cache_dir=tmp_path / "file" / "cache")
    assert len(part.names) == 659


def test_an_unknown_split_is_named():
    with pytest.raises(ValueError, match="'test'"):
        load_omniglot("test")
