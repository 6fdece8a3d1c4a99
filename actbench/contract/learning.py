"""What the optimiser needs: a gradient for every parameter that learns, and a place for it in exactly one group."""

from torch import nn

from actbench.contract.result import CheckFailedError, NotApplicableError, NotDeclaredError
from actbench.contract.subject import Subject, active, gradients

_GROUP_KEYS = {"params", "weight_decay", "lr_factor"}


def parameters_learn(subject: Subject) -> str:
    """In the last phase, parameters moved at random, every active one gets a finite gradient that is not 0."""
    module = subject.learnt(training=True)
    learning = active(module)
    if not learning:
        raise NotApplicableError("no active parameters")
    _, found = gradients(module, 2 * subject.input())
    for name in learning:
        if not found[name].any():
            raise CheckFailedError(f"the gradient of {name} is 0 everywhere")
        if not found[name].isfinite().all():
            raise CheckFailedError(f"the gradient of {name} is not finite")
    return f"{len(learning)} active parameters: {', '.join(learning)}"


def parameter_groups(subject: Subject) -> str:
    """`param_groups` names parameters of the module, none twice; the loop's own rule takes those it leaves out."""
    module = subject.learnt(training=True)
    declare = getattr(module, "param_groups", None)
    if declare is None:
        raise NotDeclaredError("no param_groups")
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    grouped: list[str] = []
    groups = list(declare())
    for group in groups:
        unknown = set(group) - _GROUP_KEYS
        if unknown:
            raise CheckFailedError(
                f"a group has {', '.join(sorted(unknown))}; known: {', '.join(sorted(_GROUP_KEYS))}"
            )
        for parameter in group["params"]:
            if not isinstance(parameter, nn.Parameter) or id(parameter) not in names:
                raise CheckFailedError("a group holds what is no parameter of the module")
            grouped.append(names[id(parameter)])
    twice = sorted({name for name in grouped if grouped.count(name) > 1})
    if twice:
        raise CheckFailedError(f"in two groups: {', '.join(twice)}")
    rest = len(names) - len(grouped)
    return f"{len(grouped)} parameters in {len(groups)} groups, {rest} left to the loop's rule"
