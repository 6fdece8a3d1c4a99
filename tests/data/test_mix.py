"""Mixup and cutmix: shares that sum to 1 and say what the pixels are made of."""

import pytest
import torch

from actbench.data.mix import UNMIXED, Mix, draw_mix, mix_images, mix_targets, mixes
from actbench.data.settings import InputSettings


def draws(settings: InputSettings, count: int, side: int = 32) -> list[Mix]:
    generator = torch.Generator().manual_seed(0)
    return [draw_mix(settings, side, side, generator) for _ in range(count)]


def test_mixup_is_the_weighted_mean_of_a_pair() -> None:
    images = torch.arange(4.0)[:, None, None, None].expand(4, 1, 2, 2).contiguous()
    mixed = mix_images(images, Mix(0.75, None))
    assert mixed[:, 0, 0, 0].tolist() == [0.75, 1.25, 1.75, 2.25]
    assert mix_targets(torch.tensor([0, 2, 1, 1]), 3, Mix(0.75, None)).tolist() == [
        [0.75, 0.25, 0.0],
        [0.0, 0.25, 0.75],
        [0.0, 0.75, 0.25],
        [0.25, 0.75, 0.0],
    ]


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_share_of_cutmix_is_the_share_of_its_own_pixels(channels_last: bool) -> None:
    settings = InputSettings(cutmix=1.0)
    seen = set()
    for mix in draws(settings, 200, side=16):
        images = torch.arange(5.0)[:, None, None, None].expand(5, 3, 16, 16).clone()
        if channels_last:
            images = images.to(memory_format=torch.channels_last)
        mixed = mix_images(images, mix)
        own = (mixed == torch.arange(5.0)[:, None, None, None]).float().mean(dim=(1, 2, 3))
        assert own[2] == 1.0  # the middle of an odd batch is its own partner
        assert own[[0, 1, 3, 4]].tolist() == pytest.approx([mix.share] * 4)
        assert set(mixed[0].flatten().tolist()) <= {0.0, 4.0}
        seen.add(round(mix.share, 2))
    assert len(seen) > 20


@pytest.mark.parametrize("settings", [InputSettings(mixup=0.3), InputSettings(cutmix=1.0)])
def test_targets_sum_to_one(settings: InputSettings) -> None:
    labels = torch.arange(9) % 4
    for mix in draws(settings, 50):
        shares = mix_targets(labels, 4, mix)
        assert shares.dtype == torch.float32
        assert torch.allclose(shares.sum(dim=1), torch.ones(9))
        assert (shares >= 0).all()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_shares_follow_the_beta_distribution(alpha: float) -> None:
    shares = torch.tensor([mix.share for mix in draws(InputSettings(mixup=alpha), 4000)])
    variance = 1 / (4 * (2 * alpha + 1))
    assert shares.mean().item() == pytest.approx(0.5, abs=4 * (variance / 4000) ** 0.5)
    assert shares.var().item() == pytest.approx(variance, rel=0.06)


def test_probabilities_of_mixing_and_switching() -> None:
    settings = InputSettings(mixup=0.5, cutmix=0.5, mix_probability=0.6, switch_probability=0.25)
    mixed = [mix for mix in draws(settings, 4000) if mix != UNMIXED]
    assert len(mixed) / 4000 == pytest.approx(0.6, abs=0.03)
    assert sum(mix.box is not None for mix in mixed) / len(mixed) == pytest.approx(0.25, abs=0.04)


def test_an_outcome_never_shifts_later_draws() -> None:
    states = []
    for settings in (InputSettings(mixup=1.0, mix_probability=0.0), InputSettings(mixup=1.0, cutmix=1.0)):
        generator = torch.Generator().manual_seed(3)
        draw_mix(settings, 8, 8, generator)
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1])


def test_an_unmixed_batch_stays_and_has_hard_shares() -> None:
    images = torch.rand(4, 1, 2, 2)
    assert mix_images(images, UNMIXED) is images
    assert mix_targets(torch.tensor([1, 0]), 2, UNMIXED).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert [mixes(InputSettings()), mixes(InputSettings(mixup=0.1)), mixes(InputSettings(cutmix=1))] == [
        False,
        True,
        True,
    ]
