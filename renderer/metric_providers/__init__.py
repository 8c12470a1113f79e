"""Measurements for analyses, from the providers that the Argo Rollouts controller has, and from programs.

Each module has one provider: ``ask`` waits for its answer, ``measurement`` is a pure function of that answer.
Source: ``metricproviders`` of Argo Rollouts v1.10.2.
"""
