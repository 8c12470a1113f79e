"""Analyses as the Argo Rollouts controller runs them: conditions, arguments, metrics and runs, as pure functions.

Sources: ``analysis``, ``metricproviders``, ``utils/analysis`` and ``utils/evaluate`` of Argo Rollouts v1.10.2.
"""
