"""A folder of JSON schemas that kubeconform reads offline: Kubernetes' own and those of custom resources.

The package ``kubernetes-validate`` ships schemas with absolute references into one file of definitions, which
kubeconform v0.7.0 does not resolve.  Here each kind becomes one file with the definitions inlined (recursive ones are
in the file's own ``$defs``).  The file is ``<group>/<kind>-<version>.json``, with the whole group, so that a custom
``Deployment`` of ``apps.example.com`` is not mistaken for that of ``apps``.  The schemas of the traffic routers and of
the user (``custom_resources``) are beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from renderer.errors import RollstepError
from renderer.pipeline.validate.custom_resources import packaged, packaged_files, user_files, user_schemas
from renderer.pipeline.validate.names import OBJECT_META, with_name, with_rules

FORMAT = "4"
"""The version of the output of ``convert``: another one invalidates cached folders."""
DROPPED = frozenset({"$id", "$schema", "default", "description", "format", "title"})
"""Keywords that restrict nothing, as those in ``x-`` (``format`` is an annotation in draft 2020-12)."""
COMBINATIONS = ("allOf", "anyOf", "oneOf")
DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def package_folder() -> Path:
    """Return ``kubernetes-validate``'s folder of Kubernetes versions; raise RollstepError without the package."""
    # Importing the package would import jsonschema and more.
    spec = find_spec("kubernetes_validate")
    folder = Path(next(iter(spec.submodule_search_locations or []), "")) if spec else Path()
    folder = folder / "kubernetes-json-schema"
    if not folder.is_dir():
        hint = "pip install kubernetes-validate, or --no-validate"
        raise RollstepError("the schemas of Kubernetes are not installed", hint=hint)
    return folder


def kubernetes_versions() -> list[str]:
    """Return the Kubernetes versions with schemas, oldest first, such as ``1.34``."""
    found = [re.fullmatch(r"v1\.(\d+)\.\d+-local-strict", folder.name) for folder in package_folder().iterdir()]
    return [f"1.{minor}" for minor in sorted(int(match[1]) for match in found if match)]


def strict_folder(kubernetes_version: str) -> Path:
    """Return the package's strict schemas of ``kubernetes_version`` (``1.34``, ``v1.34`` or ``1.34.2``).

    Raises RollstepError for an invalid version and for one without schemas.
    """
    match = re.fullmatch(r"v?(\d+\.\d+)(\.\d+)?", kubernetes_version)
    known = kubernetes_versions()
    if match is None or match[1] not in known:
        message = f"there are no schemas of Kubernetes {kubernetes_version!r}, only of {known[0]} to {known[-1]}"
        hint = "set the Kubernetes version to one of these, or upgrade kubernetes-validate"
        raise RollstepError(message, hint=hint)
    return next(package_folder().glob(f"v{match[1]}.*-local-strict"))


def definitions_used(schema: Schema) -> Iterator[str]:
    """Yield the names of the definitions that ``schema`` refers to directly."""
    if "$ref" in schema:
        yield _referred(schema["$ref"])
    for child in _children(schema):
        yield from definitions_used(child)


def _referred(reference: str) -> str:
    # ``/api/_definitions.json#/$defs/NAME`` or ``#/$defs/NAME``.
    return reference.rpartition("/$defs/")[2]


def _children(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas within ``schema``.  A property may itself be named ``$ref``, so not every dict is a schema."""
    yield from schema.get("properties", {}).values()
    for keyword in COMBINATIONS:
        yield from schema.get(keyword, ())
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield schema[keyword]


class Definitions:
    """The definitions of one Kubernetes version, for inlining."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        """``definitions`` is the value of ``$defs``."""
        self._definitions = definitions
        self._uses = {name: frozenset(definitions_used(schema)) for name, schema in definitions.items()}
        self._recursive = {name for name in definitions if name in self._reach(name)}
        self._inlined: dict[str, Schema] = {}

    def _reach(self, name: str) -> set[str]:
        reached: set[str] = set()
        ahead = set(self._uses[name])
        while ahead:
            reached |= ahead
            ahead = {used for each in ahead for used in self._uses[each]} - reached
        return reached

    def standalone(self, schema: Schema) -> Schema:
        """Return ``schema`` without references to other files and without documentation."""
        names = set(definitions_used(schema))
        reached = names.union(*(self._reach(name) for name in names))
        recursive = sorted(reached & self._recursive)
        result = {"$schema": schema["$schema"], **self._inline(schema)}
        if recursive:
            result["$defs"] = {name: self._inline(self._definitions[name]) for name in recursive}
        return result

    def definition(self, name: str) -> Schema:
        """Return a definition with all others inlined; a recursive one as a reference."""
        if name in self._recursive:
            return {"$ref": f"#/$defs/{name}"}
        if name not in self._inlined:
            self._inlined[name] = self._inline(self._definitions[name])
        return self._inlined[name]

    def _inline(self, schema: Schema) -> Schema:
        result: Schema = {}
        for keyword, value in schema.items():
            if keyword == "$ref":
                result.update(self.definition(_referred(value)))
            elif keyword == "properties":
                result[keyword] = {name: self._inline(child) for name, child in value.items()}
            elif keyword in COMBINATIONS:
                result[keyword] = [self._inline(child) for child in value]
            elif keyword not in DROPPED and not keyword.startswith("x-"):
                result[keyword] = self._inline(value) if isinstance(value, dict) else value
        return result


def convert(source: Path, own: Sequence[tuple[Path, bytes]] = ()) -> Iterator[tuple[str, Schema]]:
    """Yield path and schema of each kind: those of ``source``, a strict folder of the package, then the custom ones.

    The last schema of a kind counts, so the user's ``own`` files replace any other.
    """
    definitions = Definitions(with_rules(json.loads((source / "_definitions.json").read_bytes())["$defs"]))
    for path in sorted(source.glob("*-*.json")):
        schema = json.loads(path.read_bytes())
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        # An object has metadata and one kind; other types of the API (DeleteOptions, APIGroup) are never in a file.
        if len(kinds) == 1 and "metadata" in schema["properties"]:
            group, version, kind = (kinds[0][key] for key in ("group", "version", "kind"))
            named = with_name(definitions.standalone(schema), group, kind)
            yield schema_path(f"{group}/{version}" if group else version, kind), named
    metadata = definitions.definition(OBJECT_META)
    for custom in (*packaged(metadata), *user_schemas(own, metadata)):
        schema = custom.schema
        if isinstance((schema.get("properties") or {}).get("metadata"), dict):
            schema = with_name(schema, custom.api_version.rpartition("/")[0], custom.kind)
        yield schema_path(custom.api_version, custom.kind), {"$schema": DRAFT, **schema}


def schema_path(api_version: str, kind: str) -> str:
    """Return the path of a kind's schema, relative to the folder of its Kubernetes version.

    kubeconform derives it from ``{{ .Group }}/{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json``, where a core
    kind's group is its version (pkg/registry/registry.go, v0.7.0).
    """
    parts = api_version.split("/")
    return f"{parts[0]}/{kind.lower()}-{parts[-1]}.json"


def schema_folder(kubernetes_version: str, cache: Path | None = None, own: Sequence[Path] = ()) -> Path:
    """Return a folder with the schemas of ``kubernetes_version``, and make it if it is missing.

    ``own`` are files and folders with the user's schemas of custom resources.  The folder is below ``cache``, or the
    user's cache folder.  Processes may call this at the same time: each makes a folder and renames it, and the first
    one wins.  Raises RollstepError for a version without schemas, for invalid schemas of the user, and without a
    writable folder.
    """
    source, files = strict_folder(kubernetes_version), user_files(own)
    texts = [(source / "_definitions.json").read_bytes(), *packaged_files()]
    texts += [part for path, text in files for part in (str(path).encode(), text)]
    name = f"{source.name.removesuffix('-local-strict')}-{FORMAT}-{_digest(texts)}"
    refusals = []
    for root in [cache] if cache else cache_folders():
        folder = root / "schemas" / name
        if folder.is_dir():
            return folder
        try:
            _make(folder, convert(source, files))
            return folder
        except OSError as error:
            refusals.append(f"{folder}: {error.strerror or error}")
    message = "the schemas of Kubernetes can be written nowhere: " + "; ".join(refusals)
    raise RollstepError(message, hint="set XDG_CACHE_HOME to a folder that can be written")


def _digest(texts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()[:12]


def _make(folder: Path, schemas: Iterable[tuple[str, Schema]]) -> None:
    """Write the schemas to a temporary folder and rename it to ``folder``; raises OSError where that fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    try:
        for path, schema in schemas:
            (temporary / path).parent.mkdir(exist_ok=True)
            (temporary / path).write_text(json.dumps(schema, separators=(",", ":")), encoding="utf-8")
        temporary.chmod(0o755)
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def cache_folders() -> Iterator[Path]:
    """Yield the folders for caches, in the order to try: the user's cache folder, and a temporary one."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(configured):
        yield Path(configured) / "rollstep"
    else:
        with suppress(RuntimeError):  # neither HOME nor an entry for the user: a container with a bare user id
            yield Path.home() / ".cache" / "rollstep"
    temporary = Path(tempfile.gettempdir()) / f"rollstep-{os.getuid()}"
    try:
        temporary.mkdir(mode=0o700, exist_ok=True)
        status = temporary.lstat()
    except OSError:
        return
    # Anybody may write to the folder of temporary files, so schemas of another user there are not trusted.
    if status.st_uid == os.getuid() and not status.st_mode & 0o022 and not temporary.is_symlink():
        yield temporary
