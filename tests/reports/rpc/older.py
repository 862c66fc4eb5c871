"""The older systems' messages, made from descriptors of their own: what their clients have, and nothing of ours."""

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

_TYPES = {
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "bool": FieldDescriptorProto.TYPE_BOOL,
}
_MESSAGES = {
    "UploadRequest": {"data": "bytes", "filename": "string"},
    "UploadResponse": {
        "result_id": "string",
        "download_url": "string",
        "rows": "uint64",
        "bad_rows": "uint64",
        "departments": "uint64",
        "elapsed_sec": "double",
    },
    "UploadChunk": {"data": "bytes", "filename": "string", "eof": "bool"},
    "DownloadRequest": {"result_id": "string"},
    "DownloadResponse": {"data": "bytes"},
    "JobStatusRequest": {"job_id": "string"},
}


def messages(package: str = "sales.v1") -> dict[str, Any]:
    """The classes by their names. Fields are numbered in their order, from one."""
    file = FileDescriptorProto(name="older/sales.proto", package=package, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            message.field.add(name=field, number=number, type=_TYPES[kind], label=FieldDescriptorProto.LABEL_OPTIONAL)
    # A pool of its own, or they would clash with ours, which have the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in _MESSAGES
    }
