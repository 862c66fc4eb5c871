"""What the commands do. Each returns an exit code or raises a `ClientError`."""

import argparse
import contextlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from salesagg.client import kinds, memory, output, sending
from salesagg.client.cli import FORMATS
from salesagg.client.errors import DONE, FAILED, REJECTED_ROWS, Refused, Unusable
from salesagg.client.following import Glance, follow
from salesagg.client.screen import Screen
from salesagg.client.server import Json, Server


def upload(options: argparse.Namespace, server: Server, screen: Screen) -> int:
    _check_can_save(options)
    limits = server.limits()
    metadata = _metadata(options, kinds.chosen(limits["kinds"], options))
    with _opened(options.file, screen) as (file, path):
        key = memory.fingerprint(path, file, url=server.url, metadata=metadata) if path else None
        options.goes_on = key is not None
        remembered = memory.Memory()
        uploader, is_resumed = sending.begin(server, file, metadata=metadata, memory=remembered, key=key)
        if is_resumed:
            screen.say(f"Going on where it stopped: {uploader.offset:,} of {uploader.stop_at:,} bytes are there.")
        file_key = uploader.url.rstrip("/").rpartition("/")[2]
        largest = limits["chunkBytes"]
        with screen.bars(uploader.stop_at) as bars:
            bars.begin_at(uploader.offset)
            if options.keep:
                sending.send(server, uploader, largest=largest, sent=bars.sent, stop=lambda: False)
            else:
                job_id = _job_of(server, file_key)
                glance = Glance(server, job_id, bars.processed)
                try:
                    # A job that has failed already needs no more of the file.
                    sending.send(server, uploader, largest=largest, sent=bars.sent, stop=glance.has_ended)
                except Refused as error:
                    # Cancelled by somebody, say; the job tells.
                    if error.status not in sending.GONE:
                        raise
                job = follow(server, job_id, bars.processed)
        if key:
            remembered.remove_item(key)
    if options.keep:
        return _report_file(server.get(f"files/{file_key}"), options)
    return _report(job, options, server)


def watch(options: argparse.Namespace, server: Server, screen: Screen) -> int:
    _check_can_save(options)
    job = server.job(options.job)
    with screen.bars(job["totalBytes"] or 0) as bars:
        bars.begin_at(job["uploadedBytes"])
        job = follow(server, options.job, bars.processed)
    return _report(job, options, server)


def result(options: argparse.Namespace, server: Server, screen: Screen) -> int:
    _check_can_save(options)
    return _report(server.job(options.job), options, server)


def cancel(options: argparse.Namespace, server: Server, screen: Screen) -> int:
    return _do("cancel", options, server)


def undo(options: argparse.Namespace, server: Server, screen: Screen) -> int:
    return _do("undo", options, server)


def _do(action: str, options: argparse.Namespace, server: Server) -> int:
    job = server.post(f"jobs/{options.job}/{action}")
    _print_json(job) if options.json else print(f"{job['jobId']}: {job['state']}")
    return DONE


def jobs(options: argparse.Namespace, server: Server, screen: Screen) -> int:
    page = server.get("jobs", limit=options.limit)
    if options.json:
        _print_json(page)
        return DONE
    rows = (
        [
            *(job["jobId"], job["state"], job["kind"]),
            *(f"{job['processedRows']:,}", f"{job['failedCount']:,}", job["fileName"]),
        ]
        for job in page["items"]
    )
    print(output.table(["Job", "State", "Kind", "Rows", "Rejected", "File"], rows))
    return DONE


def _metadata(options: argparse.Namespace, chosen: dict[str, str]) -> dict[str, str]:
    name = options.name or ("stdin.csv" if options.file == "-" else Path(options.file).name)
    metadata = {"filename": name, **chosen}
    metadata |= {"amounts": "true"} if options.amounts else {}
    metadata |= {"keep": "true"} if options.keep else {}
    # Names of files may be bytes that are no text.
    return {key: value.encode(errors="replace").decode() for key, value in metadata.items()}


@contextlib.contextmanager
def _opened(name: str, screen: Screen) -> Iterator[tuple[IO[bytes], Path | None]]:
    """The file, and where it is. What can be read but once is read into a temporary file, and is nowhere."""
    path = Path(name)
    with contextlib.ExitStack() as stack:
        try:
            # Standard input is not ours to close.
            file: IO[bytes] = stack.enter_context(open(0 if name == "-" else path, "rb", closefd=name != "-"))
            can_be_read_again = name != "-" and path.is_file()
            if not can_be_read_again:
                screen.say("Reading all of the input first, since it can be read but once …")
                copy = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(file, copy)
                file = copy
        except OSError as error:
            raise Unusable(f"{name}: {error.strerror or error}") from None
        yield file, path if can_be_read_again else None


def _job_of(server: Server, file_key: str) -> str:
    """The job that came with the upload: the oldest of those over this file."""
    items = server.get("jobs", fileKey=file_key, limit=200)["items"]
    if not items:
        raise Refused("The file's job was deleted meanwhile.", status=404, code="not_found")
    return str(items[-1]["jobId"])


def _check_can_save(options: argparse.Namespace) -> None:
    for path in (options.output, options.errors):
        if path:
            output.check_can_save(path)


def _report(job: Json, options: argparse.Namespace, server: Server) -> int:
    """Save and print what a job has ended in."""
    is_done = job["status"] == "completed"
    has_result = any(kind in job["downloadUrls"] for kind in FORMATS)
    path = f"jobs/{job['jobId']}"
    if options.output and is_done and not has_result:
        raise Unusable(kinds.NO_RESULT)
    saved: dict[str, str] = {}
    if options.output and is_done:
        kind = options.output.suffix[1:].lower()
        output.save(options.output, lambda out: server.download(f"{path}/result.{kind}", out))
        saved["result"] = str(options.output)
    if options.errors and "errors" in job["downloadUrls"]:
        output.save(options.errors, lambda out: server.download(f"{path}/errors.csv", out))
        saved["errors"] = str(options.errors)
    if options.json:
        _print_json({**job, "saved": saved})
    elif is_done:
        if has_result and not options.output:
            print(_table(server, path))
        if not has_result:
            print(_imported(job))
        if not options.quiet:
            print(_summary(job, saved, has_result=has_result))
    if not is_done:
        print(f"error: {_why_not_done(job)}", file=sys.stderr)
        return FAILED
    return REJECTED_ROWS if options.strict and job["failedCount"] else DONE


def _report_file(file: Json, options: argparse.Namespace) -> int:
    if options.json:
        _print_json({**file, "saved": {}})
    else:
        print(f"Stored as {file['fileKey']}" if not options.quiet else file["fileKey"])
    return DONE


def _table(server: Server, path: str) -> str:
    loaded = io.BytesIO()
    server.download(f"{path}/result.csv", loaded)
    return output.totals_table(loaded.getvalue())


def _imported(job: Json) -> str:
    """What an import has come to: it has no other result."""
    counted = f"{job['processedRows']:,} rows, {job['successCount']:,} imported, {job['failedCount']:,} rejected."
    return f"{counted} The import has been undone." if job["state"] == "undone" else counted


def _summary(job: Json, saved: dict[str, str], *, has_result: bool) -> str:
    total = output.grouped(job["total"] or "0")
    counted = f"{job['processedRows']:,} rows, {job['failedCount']:,} rejected, total {total}." if has_result else ""
    names = ", ".join(saved.values())
    return "\n".join(filter(None, [counted, f"Saved: {names}" if names else "", f"Report: {job['url']}"]))


def _why_not_done(job: Json) -> str:
    if job["status"] in ("cancelled", "failed"):
        why = "The job was cancelled." if job["status"] == "cancelled" else str(job["error"]["detail"])
        stays = f" {job['successCount']:,} rows had been imported, and stay. To remove them, see “undo”."
        return why + stays if "undo" in job["actions"] else why
    return f"The job has not ended ({job['state']}). See “watch”."


def _print_json(told: Any) -> None:
    print(json.dumps(told, ensure_ascii=False, indent=2))
