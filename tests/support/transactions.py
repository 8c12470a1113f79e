"""Transactions for tests, as a context that removes their new files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction


@contextmanager
def transaction(root: Path, changes: Mapping[str, str | None] | None = None) -> Iterator[Transaction]:
    """Yield a transaction in ``root`` with ``changes`` planned: text by path, None to delete a file."""
    with NewFiles(root) as new_files:
        planned = Transaction(new_files)
        for path, text in (changes or {}).items():
            if text is None:
                planned.delete(path)
            else:
                planned.write(path, text)
        yield planned
