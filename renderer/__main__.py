"""``python -m renderer`` and the ``rollstep`` console script."""

from renderer.cli import main

if __name__ == "__main__":
    main()
