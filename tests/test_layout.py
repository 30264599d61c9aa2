"""The tree of the package: what may import what, and how large a file or a class may grow."""

from __future__ import annotations

from functools import cache

from tests.support.source_tree import PACKAGE, circles, modules

ORDER = (
    *("__init__", "facts", "types", "redact", "errors", "checks"),
    *(
        "contacts",
        "results",
        "storage",
        "tables",
        "ratelimit",
        "events",
        "http",
        "polling",
        "api",
        "webhooks",
    ),
    *("enrich", "batcher", "job", "runtime", "client", "sync"),
    *("sandbox", "testing", "integrations", "cli", "__main__"),
)
"""From the bottom up: each imports only what stands before it. ``__init__`` imports what it is asked for."""
RANK = {name: rank for rank, name in enumerate(ORDER)}
MODULES = modules()


@cache
def imports() -> dict[str, set[str]]:
    return {name: module.imports(set(MODULES)) for name, module in MODULES.items()}


def top_of(module: str) -> str:
    return module.split(".")[0]


def test_every_folder_and_flat_module_has_a_place_in_the_order() -> None:
    assert {module.top for module in MODULES.values()} - set(ORDER) == set()


def test_the_first_screen_has_at_most_9_modules_and_18_folders() -> None:
    flat = list(PACKAGE.glob("*.py"))
    folders = {module.top for module in MODULES.values() if "." in module.name}
    assert (len(flat) <= 9, len(folders) <= 18) == (True, True), (flat, folders)


def test_imports_run_down_only() -> None:
    upwards = {
        (module, other)
        for module, others in imports().items()
        for other in others
        if RANK[top_of(other)] > RANK[top_of(module)]
    }
    assert upwards == set()


def test_no_two_files_import_each_other_in_a_circle() -> None:
    assert circles(MODULES) == []


def test_only_the_transport_imports_httpx_below_the_client() -> None:
    users = {
        name
        for name, module in MODULES.items()
        if RANK[module.top] < RANK["client"]
        for line in module.text.splitlines()
        if line.startswith(("import httpx", "from httpx"))
    }
    assert {name.rpartition(".")[0] for name in users} == {"http.transport"}


def test_the_sandbox_shares_no_code_with_what_it_judges() -> None:
    foreign = {
        (module, other)
        for module, others in imports().items()
        if top_of(module) == "sandbox" and module != "sandbox.client"
        for other in others
        if top_of(other) not in {"checks", "contacts", "errors", "facts", "sandbox"}
    }
    assert foreign == set()


def test_no_file_has_more_than_400_lines() -> None:
    assert [name for name, module in MODULES.items() if module.lines > 400] == []


def test_no_class_has_more_than_20_methods_or_250_lines() -> None:
    sizes = [size for module in MODULES.values() for size in module.classes()]
    assert [size for size in sizes if size.methods > 20 or size.lines > 250] == []
