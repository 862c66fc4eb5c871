"""The form that runs a file once more: with other columns, or as a file of another kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise

from reports import columns, options
from reports.engine.columns import positions
from reports.models import Job
from reports.pipelines import Pipeline, pipelines


@dataclass(frozen=True)
class Field:
    """A column to be named: under `key`, by default the one that is `chosen`; nothing for none, or for one that has to
    be chosen yet."""

    key: str
    title: str | Promise
    required: bool
    chosen: str


@dataclass(frozen=True)
class Form:
    """`names` are the file's columns; `others` are the kinds that it is not about. `fitting` is the kind whose columns
    the file has, where the job found that it has not those of its own."""

    kind: Pipeline
    names: Sequence[str]
    fields: Sequence[Field]
    takes_amounts: bool
    amounts: bool
    others: Sequence[Pipeline]
    fitting: Pipeline | None


def form_for(job: Job, kind: str = "") -> Form:
    """The form for `job`, as one of its own kind unless another is asked for."""
    kind = kind if kind in pipelines() else job.kind
    pipeline, names = pipelines()[kind], columns.columns_of(job)
    chosen = _by_names(names, pipeline)
    if kind == job.kind:
        chosen |= job.options.get("columns", {}) | columns.found_in(job)
    return Form(
        kind=pipeline,
        names=names,
        fields=[
            Field(
                options.key_of(role, pipeline),
                column.title,
                column.required,
                chosen[role] if chosen[role] in names else "",
            )
            for role, column in pipeline.columns.items()
        ],
        takes_amounts=options.takes_amounts(pipeline),
        amounts=kind == job.kind and bool(job.options.get("amounts")),
        others=[other for other in pipelines().values() if other is not pipeline],
        fitting=_fitting(job, names),
    )


def _fitting(job: Job, names: Sequence[str]) -> Pipeline | None:
    if job.error_code != "missing_columns":
        return None
    others = (pipeline for kind, pipeline in pipelines().items() if kind != job.kind)
    return next((other for other in others if _has_all(_by_names(names, other), other)), None)


def _has_all(found: Mapping[str, str], pipeline: Pipeline) -> bool:
    return all(found[role] for role, column in pipeline.columns.items() if column.required)


def _by_names(names: Sequence[str], pipeline: Pipeline) -> dict[str, str]:
    """Which of the names are those that a kind's columns usually have."""
    found = positions(names, {role: column.names for role, column in pipeline.columns.items()}) or {}
    return {role: names[places[0]] if places else "" for role, places in found.items()}
