"""What is written down is true."""

import re

from reports.engine.faults import CODES
from tests.services.processes import ROOT


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_is_listed_in_the_example_and_none_besides() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text("salesagg/settings.py")))
    listed = set(re.findall(r"^#?([A-Z_]+)=", text(".env.example"), re.MULTILINE))
    assert read == listed


def codes_in(folder: str) -> set[str]:
    code = "".join(path.read_text() for path in (ROOT / folder).rglob("*.py"))
    return set(re.findall(r'(?:Refusal|Invalid|problem_response)\(\s*(?:\d+, )?"(\w+)"', code))


def test_every_code_of_a_refusal_is_documented() -> None:
    codes = set().union(*map(codes_in, ("accounts", "uploads", "reports", "salesagg")))
    told = text("docs/api.md") + text("docs/uploads.md")
    assert len(codes) > 40
    # What is refused by gRPC alone is told where that is.
    by_grpc_alone = {name for name in codes_in("reports/rpc") if f"`{name}`" in text("docs/grpc.md")}
    assert {name for name in codes - by_grpc_alone if f"`{name}`" not in told} == set()


def test_every_code_of_a_refusal_by_grpc_is_in_its_guide() -> None:
    codes = codes_in("reports/rpc")
    assert len(codes) > 8
    assert {name for name in codes if f"`{name}`" not in text("docs/grpc.md")} == set()


def test_every_code_of_the_tus_protocol_is_in_its_guide() -> None:
    sources = ("views", "protocol", "parts", "checksum", "metadata", "lifecycle")
    code = "".join(text(f"uploads/{name}.py") for name in sources) + text("salesagg/body_limit.py")
    raised = set(re.findall(r'Refusal\(\s*"(\w+)"', code)) | {"body_too_large", "unauthorized", "not_found"}
    assert {name for name in raised if f"`{name}`" not in text("docs/uploads.md")} == set()


def test_every_way_a_file_can_fail_is_documented() -> None:
    sources = [*(ROOT / "reports").glob("*.py"), *(ROOT / "reports" / "engine").glob("*.py")]
    code = "".join(path.read_text() for path in sources)
    failures = set(re.findall(r'(?:EngineError\(\s*|error_code=|"error_code": |code=)"(\w+)"', code))
    assert len(failures) >= 7
    assert {name for name in failures if f"`{name}`" not in text("docs/files.md")} == set()


def test_every_reason_for_which_a_row_is_rejected_is_documented() -> None:
    assert {code for code in CODES.values() if f"`{code}`" not in text("docs/files.md")} == set()


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(((?!https?:)[^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
