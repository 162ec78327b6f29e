"""ResNets of CIFAR-10 as section 4.2 of He et al. 2015 has them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from immabench.models.cifar_resnet import PaddedShortcut, build  # noqa: E402


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (56, 0.85)])
def test_weights_are_as_many_as_the_paper_counts(depth: int, millions: float) -> None:
    """Table 6, to its two decimals; layers with weights are as many as the name says."""
    model = build(depth)
    assert round(sum(weights.numel() for weights in model.parameters()) / 1e6, 2) == millions
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == depth
    assert not model.training


def test_images_become_logits() -> None:
    with torch.inference_mode():
        assert tuple(build(20)(torch.zeros(3, 3, 32, 32)).shape) == (3, 10)


def test_the_shortcut_without_weights_takes_every_other_pixel_and_adds_channels_of_zeros() -> None:
    images = torch.arange(2 * 4 * 4.0).reshape(1, 2, 4, 4)
    found = PaddedShortcut(1)(images)
    assert tuple(found.shape) == (1, 4, 2, 2)
    assert torch.equal(found[0, 1], torch.tensor([[0.0, 2.0], [8.0, 10.0]]))
    assert torch.equal(found[0, 2], torch.tensor([[16.0, 18.0], [24.0, 26.0]]))
    assert not found[0, [0, 3]].any()
