"""The kinds of CSV a job can be made of: one module each, listed here."""

from reports.pipelines import sales
from reports.pipelines.base import Context, FoldedWindow, Line, Pipeline, Result, SoFar

__all__ = ["Context", "FoldedWindow", "Line", "Pipeline", "Result", "SoFar", "pipeline_for"]

_PIPELINES: dict[str, Pipeline] = {"sales": sales.SalesPipeline()}


def pipeline_for(kind: str) -> Pipeline:
    return _PIPELINES[kind]
