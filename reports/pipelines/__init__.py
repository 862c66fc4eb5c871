"""The kinds of CSV a job can be made of: one module each in this package, found by being there.

See docs/pipelines.md for how to add one.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from reports.pipelines.base import Column, Context, FoldedWindow, Line, Pipeline, Result, SoFar

__all__ = [
    "Column",
    "Context",
    "FoldedWindow",
    "Line",
    "Pipeline",
    "Result",
    "SoFar",
    "pipeline_for",
    "pipelines",
]


@cache
def pipelines() -> dict[str, Pipeline]:
    """Every kind's pipeline: of each class in a module of this package that says what its `kind` is. Sales first, then
    in order of their names."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    found: list[Pipeline] = [made() for made in _subclasses(Pipeline) if "kind" in vars(made)]
    return {pipeline.kind: pipeline for pipeline in sorted(found, key=lambda each: (each.kind != "sales", each.kind))}


def pipeline_for(kind: str) -> Pipeline:
    return pipelines()[kind]


def _subclasses(base: Any) -> list[Any]:
    return [found for direct in base.__subclasses__() for found in (direct, *_subclasses(direct))]
