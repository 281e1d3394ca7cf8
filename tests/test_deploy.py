"""The files of a real installation: nothing runs as root, unwatched, unpinned or with a password anybody knows."""

import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.evaluation import registry
from app.jobs import QUEUES
from app.settings import ROOT, Settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENDING = {"migrate", "volumes"}  # do one thing and end
PROFILES = {"gpu": {"gpu", "ray"}, "vllm": {"vllm"}}  # left out unless asked for
ROOT_ALLOWED = {"volumes"}  # hands new volumes to the other users, without network, then ends
SECRETS = ["secret_key", "database_password", "database_url", "store_access_key", "store_secret_key", "ray_token"]


@pytest.fixture
def secrets_folder(tmp_path: Path) -> Path:
    """A deploy folder in which the secrets were just made."""
    shutil.copy(ROOT / "deploy" / "make-secrets.sh", tmp_path)
    subprocess.run(["sh", str(tmp_path / "make-secrets.sh")], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_the_services_of_a_real_installation_are_there() -> None:
    always = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert always == {"proxy", "web", "worker", "evaluation", "migrate", "db", "store", "volumes"}
    for profile, names in PROFILES.items():
        assert {name for name, service in SERVICES.items() if profile in service.get("profiles", [])} == names
    assert always.union(*PROFILES.values()) == set(SERVICES)


def test_somebody_works_at_every_queue_and_nobody_without_gpus_loads_weights() -> None:
    queues = {
        name: set(re.findall(r"--queue[ ,']+(\w+)", str(service["command"])))
        for name, service in SERVICES.items()
        if "worker" in str(service.get("command"))
    }
    assert queues == {"worker": {"default", "maintenance"}, "evaluation": {"evaluation"}, "gpu": {"gpu"}}
    assert set().union(*queues.values()) == set(QUEUES)


def test_a_ray_cluster_is_used_only_with_its_token() -> None:
    """Without one, whoever reaches its ports runs code on every machine of it."""
    for name in ("ray", "gpu"):
        assert SERVICES[name]["environment"]["RAY_AUTH_MODE"] == "token"
        assert SERVICES[name]["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
        assert "ray_token" in SERVICES[name]["secrets"]
    assert SERVICES["ray"]["networks"] == ["back"]
    assert "--include-dashboard=false" in SERVICES["ray"]["command"]


def test_the_manifests_for_kubernetes_can_be_read_and_run_what_compose_runs() -> None:
    page = (ROOT / "docs" / "gpu-workers.md").read_text()
    manifests = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert [manifest["kind"] for manifest in manifests] == ["Deployment", "RayCluster"]
    images = set(re.findall(r"image: registry\.example\.org/(\S+)", page))
    assert images == {SERVICES["gpu"]["image"]}
    assert (
        f'rayVersion: "{re.findall(r"^ray==(.*)$", (ROOT / "requirements-gpu.txt").read_text(), re.MULTILINE)[0]}"'
        in page
    )


@pytest.mark.parametrize("name", ["gpu", "vllm"])
def test_what_needs_gpus_gets_them(name: str) -> None:
    (device,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}


def test_the_gpu_worker_fetches_no_weights_unasked() -> None:
    assert SERVICES["gpu"]["environment"]["TERROIR_ALLOW_DOWNLOADS"] == "${TERROIR_ALLOW_DOWNLOADS:-0}"


def test_the_models_file_that_ships_names_none_and_is_read_as_it_is() -> None:
    file = ROOT / "deploy" / "models.toml"
    assert registry.load(Settings(models_file=file)).keys() == registry.load(Settings()).keys()
    example = re.sub(r"^# ?(?=[\[\w])", "", file.read_text().partition("#\n")[2], flags=re.MULTILINE)
    (model,) = tomllib.loads(example)["models"].values()
    assert model["model"] in str(SERVICES["vllm"]["command"])
    assert model["base_url"] == "http://vllm:8000/v1"


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
    needs = {"migrate": {"condition": "service_completed_successfully"}, "store": {"condition": "service_healthy"}}
    for name in ("web", "worker", "evaluation"):
        assert SERVICES[name]["depends_on"] == needs
    assert SERVICES["gpu"]["depends_on"] == needs | {"ray": {"condition": "service_healthy"}}
    assert SERVICES["migrate"]["depends_on"]["db"] == {"condition": "service_healthy"}


def test_required_variables_are_in_the_example_and_have_no_value_there() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    assert not re.findall(r"^#?[A-Z_]+=.+$", example, re.MULTILINE)
    known = set(re.findall(r"^#?([A-Z_]+)=$", example, re.MULTILINE))
    passed_on = {
        name for service in SERVICES.values() for name, value in service.get("environment", {}).items() if value is None
    }
    assert passed_on == {"TERROIR_METRICS_TOKEN", "OPENAI_API_KEY", "GEMINI_API_KEY"}
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) | passed_on
    assert used | {"COMPOSE_PROFILES"} == known  # compose itself reads that one
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


def stages() -> dict[str, str]:
    """The Dockerfile's stages by name; the last one, which is built by default, has none."""
    found = (ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]
    return {(re.findall(r"^\S+ AS (\S+)$", stage.split("\n")[0]) or [""])[0]: stage for stage in found}


def test_the_image_installs_by_hash_and_runs_as_nobody_special() -> None:
    parts = stages()
    assert list(parts) == ["build", "build-gpu", "base", "gpu", ""]
    assert "--require-hashes -r requirements.lock" in parts["build"]
    assert "pip" not in parts["base"] + parts["gpu"] + parts[""]
    assert re.findall(r"^USER (.*)$", "".join(parts.values()), re.MULTILINE) == ["10001:10001"]
    assert 'ENTRYPOINT ["terroir"]\nCMD ["serve"]' in parts["base"]
    assert "/healthz" in parts["base"]
    for name, source in (("gpu", "build-gpu"), ("", "build")):
        assert parts[name].startswith("base")
        assert set(re.findall(r"--from=(\S+)", parts[name])) == {source}
    assert SERVICES["gpu"]["build"] == SERVICES["ray"]["build"] == {"context": ".", "target": "gpu"}


def test_the_image_gets_only_the_files_it_needs() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    copied = set(re.findall(r"^COPY (\w[\w.-]*) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
