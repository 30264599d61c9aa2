"""Run every benchmark with short settings, and write `benchmarks/results/`.

    python -m benchmarks              # all of them, in under ten minutes
    python -m benchmarks rate calls   # some of them: printed, nothing written
    python -m benchmarks.rate --help  # one of them, with settings of its own

Needs the extra: pip install -e '.[bench]'. Each runs in a fresh process.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks import (
    batcher,
    calls,
    enrich_one_sockets,
    events,
    files,
    frames,
    growth,
    import_time,
    job_journal,
    job_plan,
    job_soak,
    makespan,
    memory,
    pipe,
    rate,
    report,
    servers,
    shared_limits,
    store,
    tenants,
    threads,
    waiters,
)
from benchmarks.measuring import in_new_process

BENCHMARKS: dict[str, Callable[[], report.Section]] = {
    module.__name__.rpartition(".")[2]: module.measure
    for module in (
        rate,
        servers,
        makespan,
        calls,
        import_time,
        pipe,
        files,
        memory,
        growth,
        waiters,
        events,
        frames,
        batcher,
        enrich_one_sockets,
        shared_limits,
        job_plan,
        job_journal,
        job_soak,
        store,
        tenants,
        threads,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    start = time.perf_counter()
    sections: list[report.Section] = []
    for name in names:
        began = time.perf_counter()
        found = in_new_process(BENCHMARKS[name])
        took = f"Took {time.perf_counter() - began:.0f} s; alone: `python -m benchmarks.{name}`."
        sections.append(replace(found, text=f"{found.text.strip()}\n\n{took}"))
        print(sections[-1].markdown(), flush=True)
    if names == list(BENCHMARKS):
        report.save(sections, machine(time.perf_counter() - start))


def machine(seconds: float) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()}, {os.cpu_count()} cores; the whole run took {seconds / 60:.1f} minutes."


if __name__ == "__main__":
    main()
