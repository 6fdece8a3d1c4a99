"""What a figure is about, in words: setting, runs, and how far the data and the footing can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass

from actbench.comparison import Group
from actbench.setting import Setting

_SPACE = "\N{NO-BREAK SPACE}"
"""Lines are broken between facts, not within one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    setting: Setting
    seeds: tuple[int, ...]
    baselines: tuple[str, ...] = ()
    shares_seeds: bool = True
    """Whether runs of one seed share their randomness from arm to arm."""

    @property
    def where(self) -> str:
        """Network and data."""
        return " on ".join(label for label in (self.setting.model, self.setting.data) if label)

    def runs(self) -> str:
        """The line below a title: recipe, profile, number of seeds, and every reservation."""
        setting = self.setting
        variant = f" ({setting.variant})" if setting.variant else ""
        parts = [
            f"recipe {setting.name}{variant}" if setting.is_audited else f"imported set {setting.name}",
            f"profile {setting.profile}" if setting.profile else "",
            f"{setting.epochs} epoch{'s' if setting.epochs != 1 else ''}" if setting.epochs else "",
            f"n = {len(self.seeds)} seed{'s' if len(self.seeds) != 1 else ''}",
            "settings other than the recipe's" if setting.is_altered else "",
        ]
        reservations = [
            "synthetic data: shows the tool, not the activation" if setting.synthetic else "",
            "" if setting.is_audited else f"from {setting.source}, footing not audited",
        ]
        facts = ", ".join(part.replace(" ", _SPACE) for part in parts if part)
        return "; ".join([facts, *filter(None, reservations)])


def subject_of(
    setting: Setting, seeds: Sequence[int], wanted: Sequence[str] = (), arms: Sequence[str] = ()
) -> Subject:
    """Of runs with that setting; the baselines are those of the wanted ones that are arms."""
    return Subject(
        setting=setting,
        seeds=tuple(sorted(set(seeds))),
        baselines=tuple(name for name in wanted if name in arms),
    )


def subject_of_group(group: Group, *, shares_seeds: bool = True) -> Subject:
    """Of what `compare` made."""
    return Subject(
        setting=group.setting, seeds=group.seeds, baselines=group.main_baselines, shares_seeds=shares_seeds
    )
