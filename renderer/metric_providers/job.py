"""A Job (``metricproviders/job``), through ``kubectl``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from renderer.metric_providers.access import Access
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.programs import Output, program, run_program
from renderer.metric_providers.question import Question
from renderer.rollouts.analysis.evaluate import FAILED, INCONCLUSIVE, SUCCESSFUL
from renderer.rollouts.analysis.metrics import Metric
from renderer.rollouts.analysis.run import COMPLETED, RUNNING, Measurement

JOB_NAME, JOB_NAMESPACE = "job-name", "job-namespace"
NAME_ANNOTATION, NAMESPACE_ANNOTATION = "analysisrun.argoproj.io/name", "analysisrun.argoproj.io/namespace"
METRIC_ANNOTATION = "analysisrun.argoproj.io/metric-name"
UID_LABEL = "analysisrun.argoproj.io/uid"
NAMESPACE_VARIABLE = "ARGO_ROLLOUTS_ANALYSIS_JOB_NAMESPACE"
"""The controller's variable for the namespace of all Jobs."""

TIMEOUT_SECONDS = 30
LONGEST_NAME = 63
_TERMINAL = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


def has_past(metric: Metric) -> bool:
    """Return False: a Job runs now."""
    return False


def problems(metric: Metric, access: Access) -> Iterator[str]:
    """Yield the reasons for which the metric cannot be measured from here."""
    if program("kubectl", access.environment) is None:
        yield "a Job needs kubectl, which is not installed"


async def ask(question: Question) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Return the Job and its Pods: of a new Job, of the one in flight, or of one that is deleted now."""
    if question.incomplete is None:
        return await _create(question), ()
    name, namespace = _reference(question, question.incomplete)
    if question.terminates:
        argv = ["delete", "job", name, "--cascade=foreground", "--ignore-not-found", "--wait=false"]
        await _kubectl(question, namespace, argv)
        return {}, ()
    job = await _read(question, namespace, ["get", "job", name])
    if _phase(job) != RUNNING:
        return job, ()
    selector = _selector(job)
    pods = await _read(question, namespace, ["get", "pods", "--selector", selector]) if selector else {}
    return job, pods.get("items") or ()


async def _create(question: Question) -> Mapping[str, Any]:
    """Return the Job of the measurement, created now or by an earlier attempt for the same run."""
    job = job_of(question)
    metadata = job["metadata"]
    output = await _run(question, metadata["namespace"], ["create", "--filename", "-"], json.dumps(job).encode())
    if output.status == 0:
        return _object(output)
    if "AlreadyExists" not in output.stderr:
        raise ProviderError(output.stderr or "kubectl create failed")
    existing = await _read(question, metadata["namespace"], ["get", "job", metadata["name"]])
    labels: Mapping[str, str] = (existing.get("metadata") or {}).get("labels") or {}
    if labels.get(UID_LABEL) != question.run.uid:
        raise ProviderError(output.stderr)
    return existing


def job_of(question: Question) -> dict[str, Any]:
    """Return the Job of a measurement; its name has the run's uid, the metric and the measurement's number."""
    fields = question.provider("job")
    own: Mapping[str, Any] = fields.get("metadata") or {}
    run, metric = question.run, question.metric.name
    result = run.status.result(metric)
    number = 1 if result is None else result.count + result.error + 1
    over = max(len(f"{run.uid}.{metric}.{number}") - LONGEST_NAME, 0)
    namespace = question.access.environment.get(NAMESPACE_VARIABLE) or question.access.namespace
    spec = json.loads(json.dumps(fields.get("spec") or {}))
    template_metadata = spec.setdefault("template", {}).setdefault("metadata", {})
    template_metadata["labels"] = {**(template_metadata.get("labels") or {}), UID_LABEL: run.uid}
    annotations = {
        NAME_ANNOTATION: run.name,
        NAMESPACE_ANNOTATION: question.access.namespace,
        METRIC_ANNOTATION: metric,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{run.uid}.{metric[: len(metric) - over]}.{number}",
            "namespace": namespace,
            "annotations": {**(own.get("annotations") or {}), **annotations},
            "labels": {**(own.get("labels") or {}), UID_LABEL: run.uid},
        },
        "spec": spec,
    }


def _reference(question: Question, measurement: Measurement) -> tuple[str, str]:
    name = measurement.metadata.get(JOB_NAME, "")
    if not name:
        raise ProviderError("job metadata reference missing")
    return name, measurement.metadata.get(JOB_NAMESPACE) or question.access.namespace


async def _run(question: Question, namespace: str, arguments: Sequence[str], given: bytes = b"") -> Output:
    place = ["--namespace", namespace] if namespace else []
    output = [] if arguments[0] == "delete" else ["--output", "json"]
    argv = ["kubectl", *arguments, *place, *output]
    return await run_program(argv, question.access.environment, timeout=TIMEOUT_SECONDS, given=given)


async def _kubectl(question: Question, namespace: str, arguments: Sequence[str]) -> Output:
    output = await _run(question, namespace, arguments)
    if output.status:
        raise ProviderError(output.stderr or f"kubectl {arguments[0]} failed")
    return output


async def _read(question: Question, namespace: str, arguments: Sequence[str]) -> Mapping[str, Any]:
    return _object(await _kubectl(question, namespace, arguments))


def _object(output: Output) -> Mapping[str, Any]:
    try:
        value = json.loads(output.stdout)
    except (ValueError, RecursionError):
        raise ProviderError("kubectl prints no JSON") from None
    if not isinstance(value, dict):
        raise ProviderError("kubectl prints no object")
    return value


def _selector(job: Mapping[str, Any]) -> str:
    labels: Mapping[str, str] = ((job.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _phase(job: Mapping[str, Any]) -> str:
    """Return the phase by the Job's conditions; the last that is over counts, whatever its status, as there."""
    phase = RUNNING
    for condition in (job.get("status") or {}).get("conditions") or ():
        phase = {"Complete": SUCCESSFUL, "Failed": FAILED}.get(str(condition.get("type")), phase)
    return phase


def measurement(question: Question, answer: tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]) -> Measurement:
    """Return the measurement of a Job: in flight until it is over; a Pod that cannot start is Inconclusive."""
    job, pods = answer
    before = question.incomplete
    if before is None:
        metadata: Mapping[str, Any] = job.get("metadata") or {}
        names = {JOB_NAME: str(metadata.get("name")), JOB_NAMESPACE: str(metadata.get("namespace") or "")}
        return Measurement(RUNNING, metadata=names, resume_at=question.at)
    if question.terminates:
        return replace(before, phase=INCONCLUSIVE)
    phase = _phase(job)
    if phase in COMPLETED:
        return replace(before, phase=phase)
    error = _pod_error(pods)
    if error:
        return replace(before, phase=INCONCLUSIVE, message=error)
    elapsed = (question.at - before.started_at).total_seconds() if before.started_at is not None else 0.0
    return replace(before, resume_at=question.at + timedelta(seconds=math.sqrt(2 * max(elapsed, 0))))


def _pod_error(pods: Sequence[Mapping[str, Any]]) -> str:
    for pod in pods:
        status: Mapping[str, Any] = pod.get("status") or {}
        for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in _TERMINAL:
                name = (pod.get("metadata") or {}).get("name")
                place = f"Pod {name}, container {container.get('name')} has terminal error"
                return f"{place} ({waiting['reason']}): {waiting.get('message') or ''}\n"
    return ""
