"""Which store the command line uses: one for each user, unless another is named."""

from __future__ import annotations

import getpass
import os
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.render import plural
from cleanlist_async.cli.terminal.wording import option
from cleanlist_async.facts import STORE_VARIABLE

if TYPE_CHECKING:
    from cleanlist_async.storage.store.records import StoreCounts
    from cleanlist_async.storage.store.store import Store

T = TypeVar("T")

DAY_S: Final = 86_400.0
KEEP_DAYS: Final = 90
"""Days for which the user's own store keeps results. Another one is kept as its owner decides."""
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where the store is: what ``--store`` names, else ``$CLEANLIST_STORE``, else the user's own file."""

    asked: str | None = field(default=None, repr=False)  # it may hold a password

    @property
    def address(self) -> str | Path:
        """The path or URL of the store."""
        return self.asked or os.environ.get(STORE_VARIABLE) or _own_file()

    @property
    def exists(self) -> bool:
        """Whether there is a store to look at; for a URL that only shows when it is opened."""
        address = str(self.address)
        return "://" in address or Path(address).exists()

    def open(self) -> Store:
        """Return the store. Raises ConfigurationError for a wrong address, CommandError for no folder."""
        from cleanlist_async.storage.store.store import Store

        address = self.address
        if not isinstance(address, Path):
            return Store(address)
        try:
            address.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in it is of real people
        except OSError as error:
            raise CommandError(
                f"the store of what was bought cannot be made in {address.parent}"
                f" ({error.strerror or error}); pass --store PATH.",
                ExitCode.REFUSED,
            ) from error
        return Store(address, keep_s=KEEP_DAYS * DAY_S)

    def ask(self, question: Callable[[Store], Awaitable[T]], missing: str | None = None) -> T:
        """Open the store, ask, and close it. Raises CommandError, with *missing*, if there is none."""
        import anyio

        if not self.exists:  # opening it would make an empty one
            raise CommandError(
                missing
                or f"there is no store at {self.address}: what was bought may be in another one."
                " Pass --store with the one that was used.",
                ExitCode.REFUSED,
            )

        async def run() -> T:
            async with self.open() as store:
                return await question(store)

        return anyio.run(run)

    def shown(self, store: Store) -> str:
        """Return what messages call the store: its path, or the database without a password."""
        address = str(self.address)
        return store.name if "://" in address else address

    @property
    def typed(self) -> list[str]:
        """The option as it would be typed again, without a password."""
        return shlex.split(self.as_typed())

    def as_typed(self) -> str:
        """Return the option as it would be typed again, with a blank before it; a password is not shown."""
        return option("--store", self.asked)


def _own_file() -> Path:
    try:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:
        raise CommandError(
            "there is no home folder for the store of what was bought; pass --store PATH.", ExitCode.USAGE
        ) from None
    return data / "cleanlist-async" / "store.db"


def size(size_bytes: float) -> str:
    """Return a number of bytes in the unit that reads best."""
    for unit in _UNITS[:-1]:
        if size_bytes < 1_000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1_000
    return f"{size_bytes:.3g} {_UNITS[-1]}"


def summary(name: str, counts: StoreCounts | None) -> str:
    """Return one line on a store for the end of a run; None stands for one that cannot be read."""
    if counts is None:
        return f"{name}, which cannot be read now"
    return f"{name}: {plural(counts.results, 'result')}, {size(counts.size_bytes)}"


def actor() -> str:
    """Return the name of the user at the terminal, for the audit trail; nothing where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # such as a user id without a name, in a container
        return ""
