"""Folders of images: what is cropped and in what order, and bad input in one line with the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
pytest.importorskip("PIL", reason="images are read by Pillow: pip install 'immabench[models]'")

from tiny_data import save_image  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.models.datasets.images import (  # noqa: E402
    CIFAR,
    IMAGENET,
    IMAGENET_MEAN,
    IMAGENET_STD,
    read_image_folder,
)


def listed(folder: Path, table: str, *sizes: tuple[int, int]) -> list[np.ndarray]:
    """`labels.csv` with `table` after its header, and images 0.png, 1.png, ... of these sizes."""
    pixels = [save_image(folder / "images" / f"{i}.png", *size, seed=i) for i, size in enumerate(sizes)]
    (folder / "labels.csv").write_text(f"file,label\n{table}")
    return pixels


def pixels_of(tensor: Any) -> np.ndarray:
    """Codes 0 to 255 [n, h, w, 3] of normalised images; exact, as the codes are integers and float32 has 24 bits."""
    mean, std = (np.array(values, np.float64) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return np.rint((tensor.double().numpy().transpose(0, 2, 3, 1) * std + mean) * 255).astype(np.uint8)


def test_stored_sizes_are_cropped_from_the_middle_and_nothing_else(tmp_path: Path) -> None:
    small, large = listed(tmp_path, "1.png,3\n0.png,999\n", (227, 227), (256, 256))
    dataset = read_image_folder("x", tmp_path, 1000, IMAGENET)
    assert (list(dataset.identifiers), dataset.labels.tolist()) == (["1.png", "0.png"], [3, 999])
    (images,) = dataset.inputs([0, 1])
    assert (images.dtype, tuple(images.shape)) == (torch.float32, (2, 3, 224, 224))
    found = pixels_of(images)
    assert (found[0] == large[16:240, 16:240]).all()
    assert (found[1] == small[1:225, 1:225]).all()


def test_larger_images_are_shrunk_as_torchvision_shrinks_them(tmp_path: Path) -> None:
    from immabench.models.torch_compat import import_torchvision

    import_torchvision()
    from PIL import Image
    from torchvision.transforms import functional

    listed(tmp_path, "0.png,0\n1.png,0\n", (500, 375), (300, 400))
    dataset = read_image_folder("x", tmp_path, 1000, IMAGENET)
    for i in range(2):
        with Image.open(tmp_path / "images" / f"{i}.png") as image:
            resized = functional.resize(image, 256, functional.InterpolationMode.BILINEAR)
        expected = functional.normalize(
            functional.to_tensor(functional.center_crop(resized, 224)), IMAGENET_MEAN, IMAGENET_STD
        )
        # The longer sides become 341, of which torchvision's offset is 58.5 rounded to even: the same as rounded down.
        assert torch.equal(dataset.inputs([i])[0][0], expected)


def test_a_folder_a_class_numbers_classes_by_name(tmp_path: Path) -> None:
    for name in ("n02/b.png", "n02/a.PNG", "n01/z.png", "n02/notes.txt"):
        save_image(tmp_path / name, 32, 32) if name.lower().endswith("png") else (tmp_path / name).write_text("no")
    (tmp_path / "n03").mkdir()
    dataset = read_image_folder("x", tmp_path, 3, CIFAR)
    assert list(dataset.identifiers) == ["n01/z.png", "n02/a.PNG", "n02/b.png"]
    assert dataset.labels.tolist() == [0, 1, 1]
    assert tuple(dataset.inputs([0, 2])[0].shape) == (2, 3, 32, 32)


def test_folders_of_other_classes_than_the_models_are_refused(tmp_path: Path) -> None:
    save_image(tmp_path / "n01" / "a.png", 32, 32)
    with pytest.raises(UsageError, match="has 1 folders, the model 1000 classes; give a folder a class"):
        read_image_folder("x", tmp_path, 1000, IMAGENET)


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no images; give labels.csv"):
        read_image_folder("x", tmp_path, 2, IMAGENET)
    with pytest.raises(UsageError, match=r"holds no images; give labels.csv"):
        read_image_folder("x", tmp_path / "absent", 2, IMAGENET)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(UsageError, match=r"the folders of .* hold no images; images end in .jpg, .jpeg, .png"):
        read_image_folder("x", tmp_path, 2, IMAGENET)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("gone.png,1\n", r"labels.csv names gone.png, which is not in images/"),
        ("0.png,1\n0.png,2\n", r"labels.csv names 0.png twice"),
        ("0.png,10\n", r"labels.csv, line 2: label '10' is no class; classes are 0 to 9"),
        ("0.png,-1\n", r"labels.csv, line 2: label '-1' is no class"),
        ("0.png,cat\n", r"labels.csv, line 2: label 'cat' is no class"),
        ("0.png\n", r"labels.csv, line 2: 1 fields, not 2"),
        ("", r"labels.csv holds no samples"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path: Path, table: str, message: str) -> None:
    listed(tmp_path, table, (32, 32))
    with pytest.raises(UsageError, match=message) as caught:
        read_image_folder("x", tmp_path, 10, CIFAR)
    assert "\n" not in str(caught.value)


def test_a_table_of_other_columns_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("name,label\n")
    with pytest.raises(UsageError, match=r"labels.csv has no column file; its first line names file and label"):
        read_image_folder("x", tmp_path, 10, CIFAR)


def test_an_image_smaller_than_the_crop_is_one_line(tmp_path: Path) -> None:
    listed(tmp_path, "0.png,1\n", (300, 223))
    with pytest.raises(UsageError, match=r"0.png is 300x223 pixels; the model takes 224x224 or larger"):
        read_image_folder("x", tmp_path, 10, IMAGENET).inputs([0])


@pytest.mark.parametrize("keep", [0, 40, 1000])
def test_an_unreadable_image_is_one_line(tmp_path: Path, keep: int) -> None:
    listed(tmp_path, "0.png,1\n", (224, 224))
    path = tmp_path / "images" / "0.png"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"0.png cannot be read as an image") as caught:
        read_image_folder("x", tmp_path, 10, IMAGENET).inputs([0])
    assert "\n" not in str(caught.value)
