"""The public surface: every class and alias that a public signature names, and where it can be imported."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

PACKAGE = "cleanlist_async"
STABLE = tuple(
    f"{PACKAGE}{name}"
    for name in (
        "",
        ".errors",
        ".types",
        ".events",
        ".sandbox",
        ".sync",
        ".testing",
        ".integrations.asgi",
        ".integrations.fastapi",
        ".integrations.opentelemetry",
        ".integrations.dlt",
        ".integrations.sql",
        ".integrations.prometheus",
    )
)
MADE_HERE = {
    *("Workspace", "LeadLists", "Enrichment", "SmartAgents", "Export", "SearchAPI", "PublicAPI"),
    *("BudgetControl", "ContactTable", "FrameStream", "Job", "Pages", "ResultStream"),
}
"""Classes that only this package makes: what their ``__init__`` takes is its own affair."""
BETWEEN_PARTS = {
    *(
        "ImportReport.add",
        "JobRecord.lease",
        "JobRecord.locked",
        "JobRecord.of",
        "Pilot.of",
        "Receipt.of",
        "UnknownChunk.of",
        "WebhookPayload.as_status",
    ),
    "Front.__init__",
    *("MemoryNetwork.connect_tcp", "RateLimits.key_window", "RateLimits.organization_window"),
    *("RateLimits.of_endpoints", "RateLimiter.limit_endpoints", "RateLimiter.endpoints_of"),
    *("RateLimiter.acquire", "RateLimiter.answered", "RateLimiter.lost", "RateLimiter.unsent"),
    *("RateLimiter.available", "RateLimiter.states", "RateLimiter.waiting", "RateLimiter.watch"),
    *("RateLimiter.__init__(store)", "WebhookReceiver.attach", "WebhookReceiver.begin"),
    *("StoredJobReader.rows", "StoredJobReader.rows_at", "StoredJobReader.with_results"),
    *("StoredJobReader.pages", "StoredJobReader.decide", "StoredJobReader.costs"),
    *("Store.run", "WebhookReceiver.detach", "WebhookReceiver.expect"),
}
"""Methods of public classes, and one parameter, that other parts of the package use, and users do not."""


def public_names(module: ModuleType) -> list[str]:
    """Return the names that a stable module offers."""
    return getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]


def importable() -> dict[str, list[object]]:
    """Return all that the stable modules offer, by name."""
    found: dict[str, list[object]] = {}
    for name in STABLE:
        module = import_module(name)
        for public in public_names(module):
            found.setdefault(public, []).append(getattr(module, public))
    return found


@cache
def namespace(module: str) -> dict[str, tuple[str, object]]:
    """Return what annotations of a module can name, and where each comes from."""
    loaded = import_module(module)
    found: dict[str, tuple[str, object]] = {name: (module, value) for name, value in vars(loaded).items()}
    for node in ast.walk(ast.parse(Path(loaded.__file__ or "").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            package = module if hasattr(loaded, "__path__") else module.rpartition(".")[0]
            try:
                origin = import_module(source, package)
            except ImportError:
                continue
            for alias in node.names:
                if hasattr(origin, alias.name):
                    found[alias.asname or alias.name] = (origin.__name__, getattr(origin, alias.name))
    return found


def signatures(value: object) -> Iterator[tuple[str, str, object]]:
    """Yield the annotations of a class or function: where they stand, their module, and what they say."""
    if inspect.isclass(value):
        for base in value.__mro__:
            if base.__module__.startswith(PACKAGE):
                yield from _of_class(base, value)
    elif inspect.isfunction(value):
        yield from _of_function(value, value.__name__)


def _of_class(base: type, value: type) -> Iterator[tuple[str, str, object]]:
    for name, said in inspect.get_annotations(base).items():
        if not name.startswith("_"):
            yield f"{value.__name__}.{name}", _module_of(base), said
    for name, member in vars(base).items():
        is_own = name == "__init__" and value.__name__ in MADE_HERE
        is_private = name.startswith("_") and not name.startswith("__")
        if is_private or is_own or f"{base.__name__}.{name}" in BETWEEN_PARTS:
            continue
        for function in _functions(member):
            yield from _of_function(function, f"{value.__name__}.{name}")


def _module_of(base: type) -> str:
    """Return where a class is written, which the bases of errors do not say."""
    functions = (member for member in vars(base).values() if inspect.isfunction(member))
    return next((f.__module__ for f in functions if f.__module__.startswith(PACKAGE)), base.__module__)


def _functions(member: Any) -> Iterator[Any]:
    if isinstance(member, property):
        yield member.fget
    elif hasattr(member, "func"):  # a cached property
        yield member.func
    else:
        function = inspect.unwrap(getattr(member, "__func__", member))
        if inspect.isfunction(function) and function.__module__.startswith(PACKAGE):
            yield function


def _of_function(function: Any, where: str) -> Iterator[tuple[str, str, object]]:
    for name, said in inspect.get_annotations(function).items():
        if f"{where}({name})" not in BETWEEN_PARTS:
            yield f"{where}({name})", function.__module__, said


def named(module: str, annotation: object) -> Iterator[tuple[str, object]]:
    """Yield the classes, and the aliases of our modules, that an annotation names."""
    if not isinstance(annotation, str):
        for part in _parts(annotation):
            if _is_ours(part):
                yield part.__name__, part
            else:
                yield from named(module, part)
        return
    known = namespace(module)
    for node in ast.walk(_Unannotated().visit(ast.parse(f"[{annotation}]", mode="eval"))):
        if isinstance(node, ast.Name) and node.id in known:
            origin, value = known[node.id]
            is_foreign = (inspect.isclass(value) or inspect.isfunction(value)) and not _is_ours(value)
            if origin.startswith(PACKAGE) and not is_foreign and not inspect.ismodule(value):
                yield node.id, value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            _, holder = known.get(node.value.id, ("", None))
            if inspect.ismodule(holder) and holder.__name__.startswith(PACKAGE):
                yield node.attr, getattr(holder, node.attr)


class _Unannotated(ast.NodeTransformer):
    """Leaves of ``Annotated[...]`` the type: what stands behind it is for pydantic."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "Annotated":
            return node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node
        return node


def _parts(annotation: Any) -> tuple[Any, ...]:
    if hasattr(annotation, "__metadata__"):
        return (annotation.__origin__,)
    return () if get_origin(annotation) is Literal else get_args(annotation)


def _is_ours(value: Any) -> bool:
    is_named = inspect.isclass(value) or hasattr(value, "__supertype__")
    return is_named and value.__module__.startswith(PACKAGE)


def is_wanted(value: object) -> bool:
    """Whether a user needs a type by its name: it is ours, has words to choose from, or holds such a type."""
    if hasattr(value, "__metadata__"):
        return False
    parts = (part for part in _parts(value) if not isinstance(part, str))
    return (
        _is_ours(value)
        or get_origin(value) is Literal
        or isinstance(value, str)
        or any(map(is_wanted, parts))
    )


def missing_types(offered: dict[str, list[object]]) -> dict[str, set[str]]:
    """Return the types that a public signature names but no stable module offers, and where they stand."""
    queue = [value for values in offered.values() for value in values]
    seen: set[int] = set()
    missing: dict[str, set[str]] = {}
    while queue:
        value = queue.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        parts = list(signatures(value))
        if not (inspect.isclass(value) or inspect.isfunction(value) or isinstance(value, str)):
            parts = [("an alias", PACKAGE, value)]
        for where, module, said in parts:
            for name, found in named(module, said):
                if is_wanted(found) and not any(
                    found is one or found == one for one in offered.get(name, ())
                ):
                    missing.setdefault(name, set()).add(where)
                queue.append(found)
    return missing
