import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UploadRequest(_message.Message):
    __slots__ = ("data", "filename", "eof", "options")
    DATA_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    EOF_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    filename: str
    eof: bool
    options: UploadOptions
    def __init__(self, data: _Optional[bytes] = ..., filename: _Optional[str] = ..., eof: _Optional[bool] = ..., options: _Optional[_Union[UploadOptions, _Mapping]] = ...) -> None: ...

class UploadOptions(_message.Message):
    __slots__ = ("kind", "columns", "amounts")
    class ColumnsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    columns: _containers.ScalarMap[str, str]
    amounts: bool
    def __init__(self, kind: _Optional[str] = ..., columns: _Optional[_Mapping[str, str]] = ..., amounts: _Optional[bool] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("result_id", "download_url", "rows", "bad_rows", "departments", "elapsed_sec", "errors_url", "total")
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BAD_ROWS_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENTS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SEC_FIELD_NUMBER: _ClassVar[int]
    ERRORS_URL_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    download_url: str
    rows: int
    bad_rows: int
    departments: int
    elapsed_sec: float
    errors_url: str
    total: str
    def __init__(self, result_id: _Optional[str] = ..., download_url: _Optional[str] = ..., rows: _Optional[int] = ..., bad_rows: _Optional[int] = ..., departments: _Optional[int] = ..., elapsed_sec: _Optional[float] = ..., errors_url: _Optional[str] = ..., total: _Optional[str] = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("result_id", "file")
    RESULT_ID_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    result_id: str
    file: str
    def __init__(self, result_id: _Optional[str] = ..., file: _Optional[str] = ...) -> None: ...

class DownloadResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class JobStatusRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class JobStatus(_message.Message):
    __slots__ = ("job_id", "status", "state", "version", "kind", "file_name", "uploaded_bytes", "total_bytes", "processed_bytes", "processed_rows", "total_rows", "success_count", "failed_count", "departments", "total", "reasons", "error", "created_at", "started_at", "finished_at", "download_urls", "download_urls_expire_at")
    class ReasonsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DownloadUrlsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_ROWS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_ROWS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URLS_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URLS_EXPIRE_AT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    status: str
    state: str
    version: int
    kind: str
    file_name: str
    uploaded_bytes: int
    total_bytes: int
    processed_bytes: int
    processed_rows: int
    total_rows: int
    success_count: int
    failed_count: int
    departments: int
    total: str
    reasons: _containers.ScalarMap[str, int]
    error: JobError
    created_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    download_urls: _containers.ScalarMap[str, str]
    download_urls_expire_at: _timestamp_pb2.Timestamp
    def __init__(self, job_id: _Optional[str] = ..., status: _Optional[str] = ..., state: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[str] = ..., file_name: _Optional[str] = ..., uploaded_bytes: _Optional[int] = ..., total_bytes: _Optional[int] = ..., processed_bytes: _Optional[int] = ..., processed_rows: _Optional[int] = ..., total_rows: _Optional[int] = ..., success_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., departments: _Optional[int] = ..., total: _Optional[str] = ..., reasons: _Optional[_Mapping[str, int]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., download_urls: _Optional[_Mapping[str, str]] = ..., download_urls_expire_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("code", "detail")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    code: str
    detail: str
    def __init__(self, code: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...
