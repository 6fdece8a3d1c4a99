"""A user's own activations: from a file of theirs, or from an installed package, into the catalogue.

Every public class of `nn.Module` that a file defines is one, under its class name. A file is imported only when it is
named, a package's module (entry-point group `actbench.activations`) only when one of its activations is. The hash of
the source goes into the hash of every run that uses it, so a plug-in is one file, or one package, as a whole.
"""

import ast
import contextlib
import hashlib
import inspect
import sys
import traceback
import types
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from pydantic import ValidationError

from actbench.activations.catalog import ENTRIES, ActivationEntry, Slot
from actbench.activations.plugin_source import PluginSource
from actbench.activations.signature import read_signature
from actbench.errors import ActbenchError

GROUP = "actbench.activations"
SLOTS = tuple(name for name, entry in ENTRIES.items() if entry.slot and entry.slot.activation == name)
_RESERVED = frozenset([*ENTRIES, "native"])


def load_plugin(path: Path) -> tuple[ActivationEntry, ...]:
    """Imports the file and adds its activations to the catalogue; loaded again, it replaces what it added before.

    Raises ActbenchError, naming file and line, where the file cannot be used.
    """
    where = str(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise ActbenchError(message, where=where, key="--plugin") from None
    digest = hashlib.sha256(source).hexdigest()
    module = _run_file(source, path, f"actbench_plugin_{digest[:16]}")
    declared = PluginSource(file=where, sha256=digest)
    entries = tuple(
        _entry(made.__name__, made, declared, target=f"{module.__name__}:{made.__name__}")
        for made in _activations_of(module)
    )
    if not entries:
        raise ActbenchError(
            "defines no activation", where=where, hints=["an activation is a public class of torch.nn.Module"]
        )
    _add(entries)
    return entries


def find_entry(name: str) -> ActivationEntry | None:
    """The entry of that name; a package that offers it is imported now. None where nothing has it."""
    if name not in ENTRIES and name in (offered := offered_by_packages()):
        _add((_entry_of_package(offered[name]),))
    return ENTRIES.get(name)


def offered_by_packages() -> dict[str, EntryPoint]:
    """Activation name -> the entry point of an installed package that has it; nothing is imported.

    A built-in name stays what it is, whatever a package calls its own.
    """
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in ENTRIES}


def package_label(point: EntryPoint) -> str:
    """The package and its version, as listings and records name them."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.module


def failure_of(entry: ActivationEntry, error: Exception) -> ActbenchError:
    """What an activation of a plug-in raised where it was made or called."""
    assert entry.plugin is not None
    root = Path(entry.plugin.file) if entry.plugin.file else _package_root(entry.target.partition(":")[0])
    return _failure_in(error, entry.plugin.label, root or Path())


def _failure_in(error: BaseException, where: str, root: Path) -> ActbenchError:
    """What a plug-in's code raised, told at the last line of the plug-in (the file, or below the folder `root`)."""
    if isinstance(error, SyntaxError) and error.filename:
        places = [(error.filename, error.lineno)]
        text = f"SyntaxError: {error.msg}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        places = [(frame.filename, frame.lineno) for frame in frames]
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    root = root.resolve()
    own = [(name, line) for name, line in places if Path(name) == root or root in Path(name).parents]
    if own:
        name, line = own[-1]
        where = f"{where if Path(name) == root else name}:{line}"
    return ActbenchError(text.splitlines()[0], where=where)


def _add(entries: Sequence[ActivationEntry]) -> None:
    """Adds a plug-in's activations, in place of what the same file gave before. Raises ActbenchError, adding none, for
    a name that is built in or another plug-in's."""
    added = {entry.name: entry for entry in entries}
    files = {entry.plugin.file for entry in entries if entry.plugin and entry.plugin.file}
    kept = {
        name: entry for name, entry in ENTRIES.items() if not (entry.plugin and entry.plugin.file in files)
    }
    for name, entry in added.items():
        assert entry.plugin is not None
        if name in _RESERVED:
            raise ActbenchError(
                f"{name!r} is built in and cannot be overridden",
                where=entry.plugin.label,
                hints=["give the class another name, one that a table can show beside the built-in"],
            )
        other = kept.get(name)
        if other is not None and other.plugin is not None and other.plugin.sha256 != entry.plugin.sha256:
            raise ActbenchError(
                f"{name!r} is an activation of {other.plugin.label} already", where=entry.plugin.label
            )
    for name in ENTRIES.keys() - kept.keys():
        del ENTRIES[name]
    ENTRIES.update(added)


def _run_file(source: bytes, path: Path, name: str) -> types.ModuleType:
    """The file as a module; not on the path for modules, so that nothing beside it is imported unseen."""
    module = types.ModuleType(name)
    module.__file__ = str(path.resolve())
    sys.modules[name] = module
    try:
        tree = ast.parse(source, module.__file__)
        _refuse_neighbours(tree, path)
        # What it prints would stand among a command's results.
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(tree, module.__file__, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, ActbenchError):
            raise
        raise _failure_in(error, str(path), path) from error
    return module


def _refuse_neighbours(tree: ast.Module, path: Path) -> None:
    """A module beside the file, or in the current folder, may or may not be found, and no hash would notice that it
    was edited. actbench itself may lie there: a record names its commit."""
    folders = {Path.cwd(): "lies in the current folder", path.resolve().parent: "lies beside it"}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else [""]
        for top in (name.partition(".")[0] for name in names):
            if why := "relatively" if not top else _neighbour(top, folders):
                raise ActbenchError(
                    f"imports {why}: a plug-in is one file",
                    where=f"{path}:{getattr(node, 'lineno', 1)}",
                    hints=[
                        "put all of it into the file, or install a package with the entry-point group "
                        + GROUP
                    ],
                )


def _neighbour(top: str, folders: Mapping[Path, str]) -> str | None:
    """What is wrong with importing that module, if it lies in one of the folders."""
    for folder, lies in folders.items():
        spec = PathFinder.find_spec(top, [str(folder)])
        if spec and spec.origin and top != "actbench":
            return f"{top!r}, which {lies}"
    return None


def _activations_of(module: types.ModuleType) -> Iterator[type]:
    """The public classes of nn.Module that the file itself defines; `__all__` says which are public, if it is there."""
    from torch import nn

    public = getattr(module, "__all__", None)
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__:
            is_public = name in public if public is not None else not name.startswith("_")
            if is_public and name == value.__name__:
                yield value


def _entry(name: str, made: type, source: PluginSource, *, target: str) -> ActivationEntry:
    try:
        signature = read_signature(made)
    except TypeError as error:
        raise ActbenchError(
            f"class {name}: {error}",
            where=_line_of(made, source),
            hints=["a class that is no activation itself has a name with a leading underscore"],
        ) from None
    text = made.__doc__ if "__doc__" in vars(made) else None
    summary = (text or "").strip().partition("\n")[0].strip()
    return ActivationEntry(
        name=name,
        target=target,
        options=signature.options,
        arguments=signature.arguments,
        learns_curve=bool(getattr(made, "is_pointwise", False)),
        slot=_slot(name, made, source),
        summary=summary or "no description",
        source=source.label,
        plugin=source.model_copy(update={"defaults": signature.options().model_dump()}),
    )


def _slot(name: str, made: type, source: PluginSource) -> Slot | None:
    """What the class says that it has around its curve: `slot = "slot_depthwise"`, or with options `(name, {...})`."""
    declared = getattr(made, "slot", None)
    if declared is None:
        return None
    slot, options = declared if isinstance(declared, tuple) and len(declared) == 2 else (declared, {})
    try:
        if slot not in SLOTS or not isinstance(options, dict):
            raise ValueError(f"must be one of {', '.join(SLOTS)}, or a pair of it and its options")
        ENTRIES[slot].options.model_validate(options)
    except (ValueError, TypeError) as error:
        text = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ActbenchError(f"class {name}: slot: {text}", where=_line_of(made, source)) from None
    return Slot(activation=slot, options=options)


def _line_of(made: type, source: PluginSource) -> str:
    try:
        return f"{source.label}:{inspect.getsourcelines(made)[1]}"
    except (OSError, TypeError):
        return source.label


def _entry_of_package(point: EntryPoint) -> ActivationEntry:
    """The activation of an entry point `NAME = package.module:Class`."""
    from torch import nn

    where = f"entry point {point.name} = {point.value} of {package_label(point)}"
    root = _package_root(point.module)
    if root is None:
        raise ActbenchError(f"there is no module {point.module!r}", where=where)
    digest = _digest_of(root)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            made = point.load()
    except (Exception, SystemExit) as error:
        raise _failure_in(error, where, root) from error
    if not (isinstance(made, type) and issubclass(made, nn.Module)):
        raise ActbenchError("is no class of torch.nn.Module", where=where)
    source = PluginSource(package=package_label(point), sha256=digest)
    return _entry(point.name, made, source, target=point.value)


def _package_root(module: str) -> Path | None:
    """The file of a module that is no package's, else the folder of its outermost package that has code."""
    steps = module.split(".")
    for end in range(1, len(steps) + 1):
        try:
            spec = find_spec(".".join(steps[:end]))
        except ModuleNotFoundError:
            return None
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
    return None


def _digest_of(root: Path) -> str:
    """Hash of the file, or of every file of the package with its place in it; byte-compiled ones left out."""
    if root.is_file():
        return hashlib.sha256(root.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            whole.update(f"{file.relative_to(root).as_posix()}\0".encode())
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
