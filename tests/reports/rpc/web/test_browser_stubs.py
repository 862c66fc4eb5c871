"""What is written for browsers from the `.proto` is what `make stubs` would write now."""

from pathlib import Path

from tests.e2e.grpcweb import pages
from tests.services.processes import ROOT

WRITTEN = ROOT / "proto" / "browser"
NAME = "sales/v1/sales.proto"


def test_browsers_have_the_same_service_but_that_uploads_are_one_message() -> None:
    ours, theirs = (ROOT / "proto" / NAME).read_text(), (WRITTEN / NAME).read_text()
    assert theirs.split("\n", 2)[2] == ours.replace("(stream UploadRequest)", "(UploadRequest)")
    assert theirs != ours


def test_the_javascript_is_written_from_it(tmp_path: Path) -> None:
    pages.protoc(tmp_path, WRITTEN, NAME)
    written = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.*")}
    assert set(map(str, written)) == {"sales/v1/sales_pb.js", "sales/v1/sales_pb.d.ts"}
    for path, text in written.items():
        assert (WRITTEN / path).read_text() == text, f"{path} is old; run “make stubs”"
