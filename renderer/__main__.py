"""``python -m renderer`` and the ``rollstep`` console script.

What a run told of which nothing has changed since is told again, without a look at the command line's definition.
"""

import os
import sys

from renderer.verbs.cache import answers as remembered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BytesIO, TextIOWrapper
    from typing import NoReturn


def main() -> "NoReturn":
    """Run the command line of ``sys.argv`` and exit, as ``main`` says."""
    key = remembered.help_key(sys.argv[1:])
    folder = remembered.user_folder(remembered.ANSWERS) if key is not None else None
    if key is not None and folder is not None:
        answer = remembered.recall(folder, key)
        tell(answer if answer is not None else find_out(folder, key))
    asked = remembered.asked(sys.argv[1:])
    answer = remembered.recall_asked(*asked) if asked is not None else None
    if answer is not None:
        tell(answer)
    from renderer.cli.main import main as run
    from renderer.verbs.apps.collecting import collect_seldom

    collect_seldom()
    run()


def tell(answer: remembered.Answer) -> "NoReturn":
    """Print an answer and exit."""
    code, stdout, stderr = answer
    try:
        sys.stderr.write(stderr)
        sys.stdout.write(stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(code)


def find_out(folder: str, key: tuple[str, ...]) -> remembered.Answer:
    """Run the command line of ``sys.argv``, keep in ``folder`` what it prints where all is well, and return it."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import BytesIO, TextIOWrapper

    from renderer.cli.main import main as run

    try:
        begun = remembered.file_clock(folder)
    except OSError:
        begun = 0
    stdout, stderr, code = TextIOWrapper(BytesIO(), "utf-8"), TextIOWrapper(BytesIO(), "utf-8"), 0
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            run()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    told = [_written(stream) for stream in (stdout, stderr)]
    answer = (code, told[0], told[1])
    installation = remembered.installation()
    if code == 0 and remembered.is_settled(installation, begun):
        remembered.save(folder, key, [installation], answer)
    return answer


def _written(stream: "TextIOWrapper[BytesIO]") -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()


if __name__ == "__main__":
    main()
