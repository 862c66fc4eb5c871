"""The client's command line. Its exit codes are in `salesagg.client.errors`, and in docs/client.md."""

import argparse
import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from salesagg.client.errors import DONE, INTERRUPTED, UNREACHABLE, ClientError

DEFAULT_URL = "http://localhost:8000"
FORMATS = ("csv", "xlsx", "json", "parquet")
EPILOG = """\
exit codes:
  0  done
  1  the job failed or was cancelled
  2  wrong usage, or a file here that cannot be read or written
  3  the token is not valid, or may not do this
  4  the server refused
  5  the server cannot be reached; the same command goes on later
  6  rows were rejected (with --strict)
  130  interrupted; the same command goes on later
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.goes_on = False
    if problem := _problem_of(options):
        parser.error(problem)
    # Requests would look there for a password, and send it instead of the token.
    os.environ["NETRC"] = os.devnull
    try:
        return _run(options)
    except ClientError as error:
        print(f"error: {error}{_hint(options, error.exit_code)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"Interrupted.{_hint(options, INTERRUPTED)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is still buffered must not be tried again at exit.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return DONE


def _run(options: argparse.Namespace) -> int:
    # Imported when needed: they take longer than to say what is wrong with the arguments.
    from salesagg.client import commands
    from salesagg.client.patience import Patience
    from salesagg.client.screen import Screen
    from salesagg.client.server import Server

    screen = Screen(quiet=options.quiet)
    command = getattr(commands, options.command)
    with Server(options.url, options.token, patience=Patience(options.patience, say=screen.say)) as server:
        code: int = command(options, server, screen)
    sys.stdout.flush()
    return code


def _hint(options: argparse.Namespace, code: int) -> str:
    """Said when there is something to go on with."""
    goes_on = options.goes_on and code in (UNREACHABLE, INTERRUPTED)
    return " The same command goes on where this one stopped." if goes_on else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m salesagg.client",
        description="Send CSVs to a Salesagg site, sales or customers, and fetch what comes of them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    everywhere, reporting = _everywhere(), _reporting()

    upload = commands.add_parser(
        "upload",
        parents=[everywhere, reporting],
        help="send a file, and wait for its report or its import",
        description="Send a file, wait for its report, and print or save it; of an import, say what came in. Called "
        "again after an interruption, the same command goes on where it stopped.",
    )
    upload.add_argument("file", metavar="FILE", help="the CSV, perhaps gzipped; - reads standard input")
    upload.add_argument("--department", metavar="COLUMN", help="the column of departments, if it has an unusual name")
    upload.add_argument("--date", metavar="COLUMN", help="the column of dates; '' if there is none")
    upload.add_argument("--sales", metavar="COLUMN", help="the column of sales")
    upload.add_argument("--kind", help="what the file is, such as customers (default: sales)")
    upload.add_argument(
        "--column",
        metavar="ROLE=NAME",
        dest="columns",
        type=_column,
        action="append",
        default=[],
        help="a column of any kind that has an unusual name, such as email=Mail; once for each",
    )
    upload.add_argument("--amounts", action="store_true", help="sales are decimals, perhaps negative")
    upload.add_argument("--keep", action="store_true", help="only store the file, to be processed later")
    upload.add_argument("--name", help="what to call the file on the site (default: its own name)")

    watch = commands.add_parser("watch", parents=[everywhere, reporting], help="wait for a job's report")
    result = commands.add_parser("result", parents=[everywhere, reporting], help="print or save a finished report")
    cancel = commands.add_parser("cancel", parents=[everywhere], help="cancel a job")
    undo = commands.add_parser("undo", parents=[everywhere], help="remove what an import has brought")
    for command in (watch, result, cancel, undo):
        command.add_argument("job", metavar="JOB", type=_job, help="the job's id")
    jobs = commands.add_parser("jobs", parents=[everywhere], help="list the latest jobs")
    jobs.add_argument("--limit", type=_limit, default=20, help="how many at most, up to 200 (default: 20)")
    return parser


def _everywhere() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--url",
        default=os.environ.get("SALESAGG_URL") or DEFAULT_URL,
        help=f"where the site is (default: SALESAGG_URL in the environment, or {DEFAULT_URL})",
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("SALESAGG_TOKEN", ""),
        help="an API token (default: SALESAGG_TOKEN in the environment, which other users of this machine cannot see, "
        "as they can a command line)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")
    parser.add_argument("--quiet", action="store_true", help="no bars, no messages: only results and errors")
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="how long to go on trying while the site does not answer (default: 120)",
    )
    return parser


def _reporting() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--output",
        type=_output,
        metavar="FILE",
        help="save the result instead of printing it, as its suffix says: .csv, .xlsx, .json or .parquet",
    )
    parser.add_argument("--errors", type=Path, metavar="FILE", help="save the rejected rows, with the reasons, as CSV")
    parser.add_argument("--strict", action="store_true", help="exit with 6 when rows were rejected")
    return parser


def _problem_of(options: argparse.Namespace) -> str:
    """What is wrong with the arguments beyond each of them."""
    address = urlsplit(options.url)
    if address.scheme not in ("http", "https") or not address.netloc:
        return f"{options.url} is no address of a site, such as {DEFAULT_URL}."
    options.token = options.token.strip()
    if not options.token:
        return (
            "Name an API token: SALESAGG_TOKEN in the environment, or --token. The page Account → API tokens has them."
        )
    if not (options.token.isascii() and options.token.isprintable()):
        return "The token has characters that no token has."
    if options.command == "upload" and options.keep and (options.output or options.errors or options.strict):
        return "With --keep there is no report to save or to judge."
    return ""


def _output(value: str) -> Path:
    path = Path(value)
    if path.suffix[1:].lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"{value} must end in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}")
    return path


def _job(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value} is no job's id") from None


def _column(value: str) -> tuple[str, str]:
    role, is_named, name = value.partition("=")
    if not role or not is_named:
        raise argparse.ArgumentTypeError(f"{value} is not like email=Mail")
    return role, name


def _limit(value: str) -> int:
    limit = int(value)
    if not 1 <= limit <= 200:
        raise argparse.ArgumentTypeError("must be from 1 to 200")
    return limit
