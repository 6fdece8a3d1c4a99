"""What an ablation takes from an arm's activation: fields of an arm that no file holds. Imports no torch."""

from typing import Literal

from pydantic import Field

from actbench.frozen import Frozen, UntypedOptions

Frozenness = Literal["no", "start", "donor"]
"""start: the activation's parameters stay as they begin, and its learning method rests; donor: the same with the shape
that another run ended with."""


class Donor(Frozen):
    """A finished run of the arm whose shape is taken."""

    recipe: str
    """The name of the recipe that its record lies under."""
    arm: str
    seed: int = Field(ge=0)
    run: str
    """Its hash."""


class Spare(Frozen):
    """Scalars beside an activation, as many at each site as another activation would have parameters there."""

    activation: str
    """The other one."""
    options: UntypedOptions = UntypedOptions.model_construct()
    sha256: str = ""
    """Of its source, if it is a plug-in."""
