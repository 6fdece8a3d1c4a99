"""Two recipes key by key, each value with the place that it comes from."""

from dataclasses import dataclass

from actbench.recipe.differences import differing_arm_settings, differing_settings
from actbench.recipe.load import LoadedRecipe
from actbench.recipe.origins import flat_values
from actbench.recipe.schema import Recipe

NO_VALUE = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDifference:
    key: str
    first: object
    second: object
    first_origin: str | None
    """`file:line`, or what stands for it; None where the recipe has no such key."""
    second_origin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeDifference:
    variants: tuple[str | None, str | None]
    """Which of each recipe's variants these are."""
    shared: tuple[KeyDifference, ...]
    """Of what all arms share and runs depend on."""
    arms: tuple[KeyDifference, ...]
    """Of arms that both have and that are not the same."""
    only_first: tuple[str, ...]
    """Arms."""
    only_second: tuple[str, ...]
    without_effect: tuple[KeyDifference, ...]
    """Names, the plan and whatever else no single run depends on."""

    @property
    def is_equal_footing(self) -> bool:
        """As far as recipes tell: the data's content is known only to runs."""
        return not self.shared


def recipe_differences(first: LoadedRecipe, second: LoadedRecipe) -> tuple[RecipeDifference, ...]:
    """Pair by pair the variants of one name; a recipe of a single one with every one of the other."""
    ours, theirs = _parts(first), _parts(second)
    single = len(ours) == 1 or len(theirs) == 1
    return tuple(
        _difference(one, two) for one in ours for two in theirs if single or one[0].variant == two[0].variant
    )


_Part = tuple[Recipe, dict[str, str]]


def _parts(loaded: LoadedRecipe) -> list[_Part]:
    return list(zip(loaded.recipes, loaded.origins, strict=True))


def _difference(first: _Part, second: _Part) -> RecipeDifference:
    (one, one_origins), (two, two_origins) = first, second
    ours, theirs = flat_values(one), flat_values(two)

    def at(key: str) -> KeyDifference:
        return KeyDifference(
            key=key,
            first=ours.get(key, NO_VALUE),
            second=theirs.get(key, NO_VALUE),
            first_origin=one_origins.get(key),
            second_origin=two_origins.get(key),
        )

    names, others = ([arm.name for arm in recipe.arms] for recipe in (one, two))
    both = [name for name in names if name in others]
    unlike = [name for name in both if differing_arm_settings(one.arm(name), two.arm(name))]
    keys = [key for key in dict.fromkeys((*ours, *theirs)) if ours.get(key) != theirs.get(key)]
    counting = differing_settings(one, two)
    shared = [key for key in keys if _within(key, counting)]
    in_arms = [key for key in keys if any(key.startswith(f"arms.{name}.") for name in unlike)]
    return RecipeDifference(
        variants=(one.variant, two.variant),
        shared=tuple(map(at, shared)),
        arms=tuple(map(at, in_arms)),
        only_first=tuple(name for name in names if name not in others),
        only_second=tuple(name for name in others if name not in names),
        without_effect=tuple(
            at(key)
            for key in keys
            if key not in shared and key not in in_arms and not key.startswith("arms.")
        ),
    )


def _within(key: str, counting: list[str]) -> bool:
    """Whether the key, or the block that holds it or lies in it, is one that hashes see differ."""
    return any(
        key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.") for other in counting
    )
