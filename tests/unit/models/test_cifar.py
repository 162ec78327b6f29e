"""CIFAR-10 from arrays and from the author's binary archive; other files are refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from tiny_data import IMAGES, LABELS, MEMBERS, RECORDS, archive  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.models.datasets.cifar import read_cifar  # noqa: E402


def test_arrays_and_archive_are_the_same_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    arrays = read_cifar("a", tmp_path / "a.npz", training=False)
    binary = read_cifar("b", archive(tmp_path / "cifar-10-binary.tar.gz", MEMBERS), training=True)
    assert (len(arrays), len(binary)) == (4, 20)
    assert arrays.labels.tolist() == [9, 0, 4, 4]
    assert list(arrays.identifiers) == ["0", "1", "2", "3"]
    assert torch.equal(arrays.inputs([0, 1, 2, 3])[0], binary.inputs([16, 17, 18, 19])[0])


def test_pixels_are_normalised_channel_by_channel(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS)
    (images,) = read_cifar("a", tmp_path / "a.npz", training=False).inputs([2])
    expected = (torch.tensor(int(IMAGES[2, 7, 9, 1])).float() / 255 - 0.456) / 0.224
    assert tuple(images.shape) == (1, 3, 32, 32)
    assert images[0, 1, 7, 9] == expected


def test_the_test_images_of_the_archive_are_others(tmp_path: Path) -> None:
    path = archive(tmp_path / "cifar-10-binary.tar.gz", MEMBERS)
    assert read_cifar("b", path, training=False).labels.tolist() == [9]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES.astype(np.float32), LABELS, r"images are float32\[4, 32, 32, 3\]; give uint8\[n, 32, 32, 3\]"),
        (IMAGES.transpose(0, 3, 1, 2), LABELS, r"images are uint8\[4, 3, 32, 32\]"),
        (IMAGES[:0], LABELS[:0], r"images are uint8\[0, 32, 32, 3\]"),
        (IMAGES, LABELS[:3], r"labels are uint8\[3\]; give integers\[4\]"),
        (IMAGES, LABELS.astype(np.float32), r"labels are float32\[4\]"),
        (IMAGES, LABELS + 1, r"label 10 of sample 0 is no class; classes are 0 to 9"),
        (IMAGES, LABELS.astype(np.int8) - 1, r"label -1 of sample 1 is no class"),
        (np.array([None]), LABELS, r"a.npz cannot be read"),
    ],
)
def test_other_arrays_are_one_line(tmp_path: Path, images: np.ndarray, labels: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    with pytest.raises(UsageError, match=message) as caught:
        read_cifar("a", tmp_path / "a.npz", training=False)
    assert "a.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_arrays_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=IMAGES)
    with pytest.raises(UsageError, match=r"cannot be read .*give an .npz with the arrays images and labels"):
        read_cifar("a", path, training=False)
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(UsageError, match=r"a.npz cannot be read"):
        read_cifar("a", path, training=False)
    with pytest.raises(UsageError, match=r"a.mat is no CIFAR-10; give an .npz"):
        read_cifar("a", tmp_path / "a.mat", training=False)


def test_the_pickled_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "cifar-10-python.tar.gz", {"data_batch_1": b"cos\nsystem\n(S'exit 1'\ntR."})
    with pytest.raises(UsageError, match=r"holds no .*test_batch.bin; give the binary version, cifar-10-binary.tar.gz"):
        read_cifar("a", path, training=False)


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.tar.gz", MEMBERS)
    whole.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(UsageError, match=r"a.tar.gz cannot be read .*fetch the archive again"):
        read_cifar("a", whole, training=True)
    short = archive(tmp_path / "b.tar.gz", {"test_batch.bin": RECORDS[:3000]})
    with pytest.raises(UsageError, match=r"b.tar.gz: 3000 bytes are not records of 3073"):
        read_cifar("a", short, training=False)
