"""What a run has told, for a next one where nothing has changed: an answer, and the files that it rests on (shell).

Files are compared as git's index does: by size, inode and times, of the directories too, so that no file comes or goes
unseen.  An answer may be lost or damaged at any time with no effect but time.  This is read before the command line
is, so that it imports nothing that the interpreter has not loaded already.
"""

import os
import sys
from marshal import dumps, loads
from time import time
from zlib import crc32

from renderer import __version__
from renderer.pipeline.write.journal import JOURNAL

Stamp = tuple[int, int, int, int]
"""Size, inode, and the times of the last change of content and of the last change of any kind, in nanoseconds."""

Group = tuple[str, str, bytes]
"""Files that something rests on: its name, their paths with NUL between them, and how they were, as marshal has it."""

Answer = tuple[int, str, str]
"""Exit code, what goes to stdout, what goes to stderr."""

MAX_ANSWERS = 256
"""Answers that are kept in one folder: when there are more, all of them go."""

CHECK, HISTORY = "render --check", "history"
VERBS = ("plan", "status", HISTORY)
"""Verbs that only tell, of apps as they are, and whose answers are remembered."""

_FORMAT = 2
_TICK = 50_000_000
_SECOND = 1_000_000_000
ANSWERS = "answers"
"""The folder of answers in the user's cache."""
_COMPLETE = "_ROLLSTEP_COMPLETE"
_GIT_READS = ("GIT_", "HOME", "XDG_CONFIG_")
_LANGUAGE = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def stamp(path: str) -> Stamp | None:
    """Return how the file or folder at ``path`` is; None where there is none."""
    try:
        told = os.stat(path)
    except OSError:
        return None
    return (told.st_size, told.st_ino, told.st_mtime_ns, told.st_ctime_ns)


def installation() -> Group:
    """Return the group of all that rollstep's own code is: its files and folders, and the folder of its libraries."""
    return group("installation", sorted([*library_folders(), *own_files()]))


def library_folders() -> list[str]:
    """Return the folders that libraries are installed in."""
    return [path for path in sys.path if path.endswith("-packages")]


def own_files() -> list[str]:
    """Return the paths of all files and folders that rollstep's own code and templates are."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = []
    for folder, folders, files in os.walk(package):
        folders[:] = [name for name in folders if name != "__pycache__"]
        paths += [folder, *(os.path.join(folder, name) for name in files)]
    templates = os.path.join(os.path.dirname(package), "templates")
    if not os.path.isdir(os.path.join(package, "templates")) and os.path.isdir(templates):
        paths += [templates, *(entry.path for entry in os.scandir(templates))]
    return paths


def group(name: str, paths: list[str]) -> Group:
    """Return the group of ``paths`` as they are now."""
    return (name, "\0".join(paths), _stamps(paths))


def _stamps(paths: list[str]) -> bytes:
    # Version 2 knows no references, which would make the bytes depend on who else holds a number.
    return dumps([stamp(path) for path in paths], 2)


def is_unchanged(found: Group) -> bool:
    """Tell whether all files of a group are as they were."""
    return _stamps(found[1].split("\0")) == found[2]


def is_settled(found: Group, begun: int) -> bool:
    """Tell whether any change of a group's files after ``begun`` would have shown.

    A file system's clock moves in ticks of some milliseconds, or of two seconds where times are whole seconds.
    """
    times = [time for told in loads(found[2]) if told is not None for time in told[2:]]
    return all(time + (_TICK if time % _SECOND else 2 * _SECOND) < begun for time in times)


def file_clock(folder: str) -> int:
    """Return the time that the file system of ``folder`` gives to a file that is made now; make the folder.

    Raises OSError where it cannot be written.
    """
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f".clock-{os.getpid()}")
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        return os.stat(path).st_mtime_ns
    finally:
        os.unlink(path)


def save(folder: str, key: tuple[str, ...], groups: list[Group], answer: Answer | None) -> None:
    """Keep what the run of ``key`` told; any number of processes may do so at once.  No error keeps a run from its end.

    ``answer`` is None where the groups alone are of use: not everything was as it should be.
    """
    content = dumps((_FORMAT, __version__, key, groups, answer, time()))
    path = os.path.join(folder, _name(key))
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(folder, exist_ok=True)
        names = os.listdir(folder)
        if len(names) > MAX_ANSWERS:
            for name in names:
                # Ours are eight digits, with a process' number while they are written.
                if name[:8].strip("0123456789abcdef") == "" and name[8:9] in ("", "."):
                    os.unlink(os.path.join(folder, name))
        with open(temporary, "wb") as file:
            file.write(crc32(content).to_bytes(4, "big") + content)
        os.replace(temporary, path)
    except OSError:
        pass


def load(folder: str, key: tuple[str, ...]) -> tuple[list[Group], Answer | None] | None:
    """Return the groups and the answer that were kept for ``key``; None where there are none that can be read."""
    try:
        with open(os.path.join(folder, _name(key)), "rb") as file:
            content = file.read()
        if int.from_bytes(content[:4], "big") != crc32(content[4:]):
            return None
        form, version, kept, groups, answer, then = loads(content[4:])
    except (OSError, ValueError, EOFError, TypeError):
        return None
    # An answer that holds for all times to come does not hold for those before.
    return (groups, answer) if (form, version, kept) == (_FORMAT, __version__, key) and then <= time() else None


def _name(key: tuple[str, ...]) -> str:
    return f"{crc32(repr((sys.prefix, __file__, *key)).encode(errors='surrogateescape')):08x}"


def recall(folder: str, key: tuple[str, ...]) -> Answer | None:
    """Return the answer for ``key`` where nothing that it rests on has changed, else None."""
    kept = load(folder, key)
    if kept is None or kept[1] is None:
        return None
    return kept[1] if all(is_unchanged(found) for found in kept[0]) else None


def cache_folder(root: str) -> str | None:
    """Return the folder for what is kept of the repository at ``root``: within its git folder, if it has one."""
    git = git_folder(root)
    # A link could lead to anybody's files.
    if git is None or os.path.islink(f"{git}/rollstep") or os.path.islink(f"{git}/rollstep/cache"):
        return None
    return f"{git}/rollstep/cache"


def git_folder(root: str) -> str | None:
    """Return the git folder of the work tree at ``root``; None where there is none."""
    git = f"{root}/.git"
    if os.path.isdir(git):
        return git
    try:
        with open(git, encoding="utf-8") as file:
            line = file.read().rstrip("\n")
    except (OSError, ValueError):
        return None
    git = os.path.join(root, line.removeprefix("gitdir: "))
    return git if line.startswith("gitdir: ") and os.path.isdir(git) else None


def user_folder(name: str) -> str | None:
    """Return the folder ``name`` for what is kept of no repository: within the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return f"{cache}/rollstep/{name}" if os.path.isabs(cache) else None


def asked(arguments: list[str]) -> tuple[str, str, tuple[str, ...]] | None:
    """Return folder, question and targets where the command line asks what may be remembered; None for any other."""
    directory = "."
    if len(arguments) > 2 and arguments[0] == "-C":
        directory, arguments = arguments[1], arguments[2:]
    if not arguments:
        return None
    verb, words = arguments[0], arguments[1:]
    if verb == "render" and words.count("--check") == 1:
        words.remove("--check")
        question = CHECK
    elif verb in VERBS:
        form = "text"
        if len(words) > 1 and words[-2] in ("-o", "--output"):
            *words, _, form = words
        question = about(verb, form)
    else:
        return None
    return None if any(word.startswith("-") for word in words) else (directory, question, tuple(words))


def about(verb: str, form: str) -> str:
    """Return the question that a verb answers in a form; where it asks git, with what git's own answer depends on."""
    if verb != HISTORY:
        return f"{verb} {form}"
    settings = [f"{name}={value}" for name, value in os.environ.items() if name.startswith(_GIT_READS)]
    return "\0".join([verb, form, *sorted(settings)])


def recall_asked(directory: str, question: str, targets: tuple[str, ...]) -> Answer | None:
    """Return the answer to a question where nothing has changed since it was last given; None where one has to look.

    The root is found as ``find_root`` does.
    """
    cwd = root = os.path.realpath(directory)
    while not (os.path.exists(f"{root}/.git") or os.path.exists(f"{root}/rollstep.yaml")):
        root, below = os.path.dirname(root), root
        if root == below:
            return None
    folder = cache_folder(root)
    if folder is None or os.path.lexists(f"{root}/{JOURNAL}"):
        return None
    return recall(folder, answer_key(question, root, cwd, targets))


def answer_key(question: str, root: str, cwd: str, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the key of the answer to a question about ``targets`` that is asked in ``cwd``."""
    return (question, root, cwd, *targets)


def help_key(arguments: list[str]) -> tuple[str, ...] | None:
    """Return the key of a command line that asks for help or for completion, which rest on rollstep alone; else None.

    Help is laid out for the width of the terminal, which is found as click does it.
    """
    language = tuple(os.environ.get(name, "") for name in _LANGUAGE)
    if _COMPLETE in os.environ:
        words = (os.environ.get("COMP_WORDS", ""), os.environ.get("COMP_CWORD", ""))
        return ("complete", os.environ[_COMPLETE], *words, *language)
    if not arguments or len(arguments) > 2 or arguments[-1] not in ("--help", "-h"):
        return None
    if len(arguments) == 2 and arguments[0].startswith("-"):
        return None
    try:
        columns = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):
            columns = 0
    return ("help", str(columns), *language, *arguments)
