"""The kinds of files there are: told to the pages that let people choose, and guessed from a stored file's header."""

from typing import Any

from reports import options
from reports.columns import head_of
from reports.engine import columns
from reports.engine.heading import look
from reports.models.jobs import DEFAULT_KIND
from reports.pipelines import Pipeline, pipelines
from uploads.models import Upload


def described() -> list[dict[str, Any]]:
    """Every kind with its columns, for the scripts that look into files before they are sent; the default first.

    ``key`` is what an upload's metadata calls the column.
    """
    return [
        {
            "name": pipeline.kind,
            "title": pipeline.title,
            "sign": pipeline.sign or None,
            "columns": [
                {
                    "role": role,
                    "key": options.key_of(role, pipeline),
                    "title": column.title,
                    "names": column.names,
                    "required": column.required,
                }
                for role, column in pipeline.columns.items()
            ],
        }
        for pipeline in pipelines().values()
    ]


def titles() -> dict[str, Any]:
    """What people call each kind."""
    return {pipeline.kind: pipeline.title for pipeline in pipelines().values()}


def guess(upload: Upload) -> str:
    """The first kind whose columns are all in the file's header; else one that a column of it is a sign of."""
    headers = [reading.names for reading in look(head_of(upload), final=True).readings]
    for pipeline in pipelines().values():
        if any(_fits(pipeline, header) for header in headers):
            return pipeline.kind
    for pipeline in pipelines().values():
        if pipeline.sign and any(_positions(pipeline, header)[pipeline.sign] for header in headers):
            return pipeline.kind
    return DEFAULT_KIND


def _fits(pipeline: Pipeline, header: tuple[str, ...]) -> bool:
    found = _positions(pipeline, header)
    return all(found[role] for role, column in pipeline.columns.items() if column.required)


def _positions(pipeline: Pipeline, header: tuple[str, ...]) -> dict[str, list[int]]:
    usual = {role: column.names for role, column in pipeline.columns.items()}
    return columns.positions(header, usual) or {}
