"""The files of a real installation: nothing runs as root, unwatched, unpinned or with a password anybody knows."""

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import ROOT, Settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENDING = {"migrate", "volumes"}  # do one thing and end
ROOT_ALLOWED = {"volumes"}  # hands new volumes to the other users, without network, then ends
SECRETS = ["secret_key", "database_password", "database_url", "store_access_key", "store_secret_key"]


@pytest.fixture
def secrets_folder(tmp_path: Path) -> Path:
    """A deploy folder in which the secrets were just made."""
    shutil.copy(ROOT / "deploy" / "make-secrets.sh", tmp_path)
    subprocess.run(["sh", str(tmp_path / "make-secrets.sh")], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_the_services_of_a_real_installation_are_there() -> None:
    assert set(SERVICES) == {"proxy", "web", "worker", "migrate", "db", "store", "volumes"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_a_password_or_a_default_for_one(name: str) -> None:
    for setting, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|DATABASE_URL|CREDENTIALS", setting):
            assert value is None or re.fullmatch(r"/run/secrets/\w+", value), f"{name}: {setting}"
    assert not re.search(r"://[^/\s]*:[^/\s]*@", str(SERVICES[name])), f"{name} has a password in an address"


def test_every_secret_comes_from_a_file_the_script_makes(secrets_folder: Path) -> None:
    files = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert all(Path(secret["file"]).parent == Path("deploy/secrets") for secret in COMPOSE["secrets"].values())
    assert files == {path.name for path in secrets_folder.iterdir()} - {".gitignore"}
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ENDING))
def test_every_service_that_stays_is_watched_and_comes_back(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_become_root_or_write_to_its_image(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "privileged" not in service
    user = str(service["user"]).split(":")[0]
    assert (user in ("0", "root")) == (name in ROOT_ALLOWED)


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", SERVICES[name]["image"])


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["back"] == {"internal": True}
    assert SERVICES["db"]["networks"] == SERVICES["store"]["networks"] == ["back"]


def test_the_server_waits_for_the_migration_and_the_store() -> None:
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "store": {"condition": "service_healthy"},
        }
    assert SERVICES["migrate"]["depends_on"]["db"] == {"condition": "service_healthy"}


def test_required_variables_are_in_the_example_and_have_no_value_there() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    assert not re.findall(r"^#?[A-Z_]+=.+$", example, re.MULTILINE)
    known = set(re.findall(r"^#?([A-Z_]+)=$", example, re.MULTILINE))
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) | {"TERROIR_METRICS_TOKEN"}
    assert used == known
    required = set(re.findall(r"(?<!\$)\$\{([A-Z_]+):\?", text))
    assert required == set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE))


def test_secrets_are_random_closed_to_others_and_made_once(secrets_folder: Path) -> None:
    first = {name: (secrets_folder / name).read_text() for name in SECRETS}
    assert len(set(first.values())) == len(SECRETS)
    assert stat.S_IMODE(secrets_folder.stat().st_mode) == 0o700
    assert (secrets_folder / ".gitignore").read_text() == "*\n"
    (secrets_folder / "store_secret_key").unlink()
    again = subprocess.run(
        ["sh", str(secrets_folder.parent / "make-secrets.sh")], check=True, capture_output=True, text=True
    )
    assert "made  deploy/secrets/store_secret_key" in again.stdout
    changed = [name for name in SECRETS if (secrets_folder / name).read_text() != first[name]]
    assert changed == ["store_secret_key"]


def test_the_server_takes_the_secrets_that_are_made(secrets_folder: Path) -> None:
    settings = Settings(
        secret_key_file=secrets_folder / "secret_key", database_url_file=secrets_folder / "database_url"
    )
    password = (secrets_folder / "database_password").read_text().strip()
    assert len(settings.resolved_secret_key()) == 96
    assert settings.outside_database_url() == f"postgresql://terroir:{password}@db:5432/terroir"


def test_the_image_installs_by_hash_and_runs_as_nobody_special() -> None:
    build, final = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]
    assert "--require-hashes -r requirements.lock" in build
    assert "pip" not in final
    assert re.findall(r"^USER (.*)$", final, re.MULTILINE) == ["10001:10001"]
    assert 'ENTRYPOINT ["terroir"]\nCMD ["serve"]' in final
    assert "/healthz" in final


def test_the_image_gets_only_the_files_it_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    copied = set(re.findall(r"^COPY (\w[\w.]*) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
