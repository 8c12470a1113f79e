"""Encrypted documents are rendered byte for byte, and checked without the fields of their tool."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from renderer.kubernetes.encrypted import document_text, is_sealed, without_signature
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.validate.manifests import validate
from tests.support.commands import NOON, Checkout

SOPS = """\
# The password of the shop's database.
kind: Secret
apiVersion:   v1
metadata:
    name: database
type: Opaque
stringData:
    password: ENC[AES256_GCM,data:CZcvq7Zg,iv:bWFkZSB1cA==,tag:bWFkZSB1cA==,type:str]
sops:
    kms: []
    age:
        - recipient: age1yt3tfqlfrwdwx0z0ynwplcr6qxcxfaqycuprpmy89nr83ltx74tqdpszlw
          enc: |
            -----BEGIN AGE ENCRYPTED FILE-----
            bWFkZSB1cA==

            -----END AGE ENCRYPTED FILE-----
    lastmodified: "2026-01-01T00:00:00Z"
    mac: ENC[AES256_GCM,data:bWFkZSB1cA==,iv:bWFkZSB1cA==,tag:bWFkZSB1cA==,type:str]
    version: 3.9.0
"""
SEALED = """\
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {  "name": token  }   # strict scope: name and namespace are part of what is sealed
spec:
  encryptedData: { token: AgBy3i4OJSWK+PiTySYZZA9rO43cGDEq }"""


@pytest.mark.parametrize(("text", "sealed"), [(SOPS, True), (SEALED, True), ("kind: Secret\nsops: mine\n", False)])
def test_what_is_sealed(text: str, sealed: bool) -> None:
    (document,) = load_documents(text, "a.yaml")
    assert is_sealed(document.value) is sealed


@hypothesis.given(
    st.lists(st.sampled_from([SOPS, SEALED + "\n", "# only a comment\n", "a: |\n  --- no end\n  ---\n"]), max_size=5),
    st.sampled_from(["---\n", "--- # next\n"]),
    st.booleans(),
)
def test_the_text_of_a_document_is_what_stands_between_its_separators(
    parts: list[str], separator: str, begins: bool
) -> None:
    text = ("---\n" if begins else "") + separator.join(parts)
    read = load_documents(text, "a.yaml")
    kept = [part for part in parts if part != "# only a comment\n"]
    found = [document_text(text, document.source.position(())[0]) for document in read]
    if len(parts) == 1:
        assert found == [text] * len(kept)
    else:
        assert found == kept


def test_an_end_of_a_document_is_not_its_text() -> None:
    assert document_text("a: 1\n...\n---\nb: 1\n", 1) == "a: 1\n"
    assert document_text("a: 1\n...\n---\nb: 1\n", 4) == "b: 1\n"


def test_a_signature_leaves_blank_lines() -> None:
    bare = without_signature(SOPS)
    assert bare.count("\n") == SOPS.count("\n")
    (document,) = load_documents(bare, "a.yaml")
    assert set(document.value) == {"kind", "apiVersion", "metadata", "type", "stringData"}
    both = without_signature(f"{SOPS}---\n{SEALED}")
    assert [document.value["kind"] for document in load_documents(both, "a.yaml")] == ["Secret", "SealedSecret"]
    block = "data:\n  sops: |\n    sops:\n      a\n"
    assert without_signature(block) == block


def test_what_is_wrong_in_an_encrypted_document_is_found_in_its_line() -> None:
    (finding,) = validate({"a.yaml": SOPS.replace("type: Opaque", "tipe: Opaque")}, "1.34").findings
    assert (finding.line, finding.message) == (6, "unknown field")
    assert validate({"a.yaml": SOPS}, "1.34").findings == ()


def test_sealed_documents_are_rendered_byte_for_byte(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    folder = checkout.root / "environments/prod/web"
    (folder / "database.yaml").write_text(SOPS, encoding="utf-8")
    (folder / "token.yaml").write_text(SEALED, encoding="utf-8")
    checkout.commit()
    checkout.run("advance", "prod/web", "--now", NOON)
    rendered = folder / "rendered"
    assert (rendered / "secret-database.yaml").read_bytes() == SOPS.encode()
    assert (rendered / "sealedsecret-token.yaml").read_bytes() == SEALED.encode()
    assert "- secret-database.yaml\n" in (rendered / "kustomization.yaml").read_text(encoding="utf-8")
    assert checkout.objects("prod/web", ["ConfigMap"])["ConfigMap/web"]["metadata"]["namespace"] == "shop-prod"
    checkout.run("render", "prod/web", "--check")


def test_secrets_in_plain_text_are_refused_unless_allowed(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    secret = checkout.root / "environments/prod/web/secret.yaml"
    secret.write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: hunter2}\n", "utf-8")
    checkout.commit()
    before = checkout.snapshot()
    refused = checkout.run("advance", "prod/web", code=1)
    assert "secret.yaml:4:1: stringData: Secret a has its stringData in plain text" in refused.stderr
    assert "hunter2" not in refused.stderr
    assert checkout.snapshot() == before
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  allow: [plain-secrets]\n")
    checkout.commit()
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    assert checkout.objects("prod/web", ["Secret"])["Secret/a"]["stringData"] == {"password": "hunter2"}
