"""``python -m renderer`` and the ``rollstep`` console script."""

from __future__ import annotations

from renderer.cli.main import main

if __name__ == "__main__":
    main()
