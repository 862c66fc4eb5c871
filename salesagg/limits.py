"""What a program may ask for, and how much of it is used: so that it need not find out by being refused."""

from django.conf import settings
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from accounts import holdings
from accounts.api.auth import user_of
from accounts.api.schemas import Out
from accounts.models import User
from reports import options
from reports.formats import FORMATS
from reports.models import OPEN, Job
from reports.pipelines import Pipeline, pipelines
from uploads import imports

router = Router(tags=["Limits"], by_alias=True)


class KindColumn(Out):
    role: str = Field(description="What the API calls it, as in `options.columns` of a job.")
    key: str = Field(description="What an upload's metadata or form calls it.")
    names: list[str] = Field(description="Its usual names, in small letters, without spaces, `_` and `-`.")
    required: bool


class FileKind(Out):
    """A kind of file that can be uploaded."""

    kind: str = Field(examples=["sales"])
    columns: list[KindColumn]
    has_result: bool = Field(description="Whether it ends in totals, to be downloaded.")
    can_be_undone: bool = Field(description="Whether it is an import, which can be taken back.")


class Limits(Out):
    """Limits that hold for the caller, and what they have used of them."""

    max_body_bytes: int = Field(description="The largest request, and so the largest file of a single one.")
    max_upload_bytes: int = Field(description="The largest file, in chunks to `/uploads/`.")
    chunk_bytes: int = Field(description="A good size for chunks: half of the largest, so that a failure costs less.")
    upload_expires_hours: int = Field(description="An unfinished upload that receives nothing for so long is given up.")
    quota_bytes: int = Field(description="What you may store at a time.")
    used_bytes: int = Field(description="What you store, unfinished uploads counted at their announced length.")
    max_unfinished_uploads: int = Field(description="How many of your uploads may be unfinished at a time.")
    uploads_per_minute: int | None = Field(description="How many you may begin; null: any number.")
    chunks_per_minute: int | None = Field(description="Requests to `/uploads/` of yours; null: any number.")
    max_open_jobs: int = Field(description="How many of your jobs may be pending or processing at a time.")
    open_jobs: int = Field(description="How many are.")
    requests_per_minute: int | None = Field(description="Of yours; null: any number. Chunks of uploads do not count.")
    requests_per_minute_per_address: int | None = Field(description="From one address; null: any number.")
    download_url_seconds: int = Field(description="How long `downloadUrls` work, at least.")
    import_prefix: str | None = Field(
        description="Objects of the storage whose keys begin so can be imported by you; null: none can."
    )
    formats: list[str] = Field(description="What a result can be downloaded as.")
    kinds: list[FileKind] = Field(description="What can be uploaded; the first is what a file is unless you say.")


@router.get("", response=Limits, operation_id="getLimits", summary="Look at limits")
def get_limits(request: HttpRequest) -> Limits:
    """Limits that hold for you, and what you have used of them."""
    return limits_of(user_of(request))


def limits_of(user: User) -> Limits:
    return Limits(
        max_body_bytes=settings.MAX_BODY_BYTES,
        max_upload_bytes=settings.MAX_UPLOAD_BYTES,
        chunk_bytes=max(settings.MAX_BODY_BYTES // 2, 1),
        upload_expires_hours=settings.UPLOAD_EXPIRES_HOURS,
        quota_bytes=settings.QUOTA_BYTES,
        used_bytes=holdings.usage(user),
        max_unfinished_uploads=settings.MAX_UNFINISHED_UPLOADS,
        uploads_per_minute=settings.UPLOADS_PER_MINUTE or None,
        chunks_per_minute=settings.CHUNKS_PER_MINUTE or None,
        max_open_jobs=settings.MAX_OPEN_JOBS,
        open_jobs=Job.objects.filter(owner=user, status__in=OPEN).count(),
        requests_per_minute=settings.API_REQUESTS_PER_MINUTE or None,
        requests_per_minute_per_address=settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS or None,
        download_url_seconds=settings.DOWNLOAD_URL_SECONDS,
        import_prefix=imports.prefix_of(user) or None,
        formats=list(FORMATS),
        kinds=[_told(pipeline) for pipeline in pipelines().values()],
    )


def _told(pipeline: Pipeline) -> FileKind:
    columns = [
        KindColumn(role=role, key=options.key_of(role, pipeline), names=list(column.names), required=column.required)
        for role, column in pipeline.columns.items()
    ]
    return FileKind(
        kind=pipeline.kind,
        columns=columns,
        has_result=pipeline.has_result,
        can_be_undone=pipeline.can_be_undone,
    )
