"""docs/team.md: what needs servers or more runs.

A real sshd, a local S3, one cache, results by params, experiments, merged cells, garbage, runs for what was
pulled.
"""

import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from shell_blocks import Team, executed, restored
from team_origin import make_team, objects

pytestmark = pytest.mark.slow

SSHD = Path("/usr/sbin/sshd")
STUDENT = ["distill@0", "measure@0", "evaluate@0", "stress@0", "draw@0", "export@0", "summarize"]
IMAGES = ["download", "prepare"]
PAGE = ["report"]
CONFLICT = 1
RATIO = "sed -i 's/loss_ratio: .*/loss_ratio: 0.5/' params.yaml"

MakeTeam = Callable[..., Team]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> MakeTeam:
    def made(**variables: str) -> Team:
        return make_team(tmp_path_factory, **variables)

    return made


def prepare(team: Team) -> None:
    """Let Ana name the remote and push, and Ben pull."""
    team.run("ana: name the remote, once for everybody")
    team.run("ana: share what was made")
    team.run("ben: a fresh clone")


@pytest.fixture
def team(make: MakeTeam) -> Team:
    made = make()
    prepare(made)
    return made


class SshServer:
    """An sshd of its own on a free port: one process a connection, one key that may enter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("key", "host", "another"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        self.config = folder / "sshd_config"
        settings = {
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "key.pub",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "StrictModes": "no",
            "UsePAM": "no",
            "PidFile": "none",
            "Subsystem": "sftp internal-sftp",
        }
        self.config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as root, sshd wants this empty folder
        self.log = folder / "log"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._served: list[subprocess.Popen[bytes]] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        command = [str(SSHD), "-i", "-e", "-f", str(self.config)]
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, self.log.open("ab") as log:
                self._served.append(
                    subprocess.Popen(
                        command, stdin=connection.fileno(), stdout=connection.fileno(), stderr=log
                    )
                )

    def close(self) -> None:
        self._listener.close()
        for process in self._served:
            process.terminate()
            process.wait()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SshServer]:
    if not SSHD.exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("needs sshd and ssh-keygen (Debian: openssh-server)")
    if importlib.util.find_spec("dvc_ssh") is None:
        pytest.skip("needs dvc-ssh: pip install 'dvc[ssh]'")
    server = SshServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def s3() -> Iterator[str]:
    pytest.importorskip("dvc_s3", reason="needs dvc-s3: pip install 'dvc[s3]'")
    moto = pytest.importorskip("moto.server", reason="needs moto's server: pip install 'moto[server]'")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def check_that_a_colleague_gets_everything(team: Team) -> None:
    team.shell("ana", "git commit --quiet --all --message remote && git push --quiet")
    team.run("ana: share what was made")
    assert executed(team.run("ben: a fresh clone")) == IMAGES
    assert any((team.folder / "ben/.dvc/cache/runs").iterdir())


def make_ssh_team(make: MakeTeam, sshd: SshServer, key: str) -> Team:
    """Return a team whose ssh has this key, and knows another host key than the server's."""
    team = make()
    team.environment["TEAM_SSH"] = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd.port}{team.folder}/over-ssh"
    home = team.folder / "home/.ssh"
    home.mkdir(mode=0o700)
    known = home / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sshd.port} {(sshd.folder / 'another.pub').read_text()}")
    (home / "config").write_text(
        f"IdentityFile {sshd.folder / key}\nUserKnownHostsFile {known}\n"
        "StrictHostKeyChecking yes\nBatchMode yes\n"
    )
    team.run("ana: a remote over ssh")
    return team


def test_a_remote_over_ssh_carries_everything_and_checks_no_host_key(make: MakeTeam, sshd: SshServer) -> None:
    """With the same configuration ssh refuses the server, and DVC does not."""
    team = make_ssh_team(make, sshd, "key")
    if shutil.which("ssh"):
        refused = team.shell("ana", f"ssh -F $HOME/.ssh/config -p {sshd.port} 127.0.0.1 true", status=255)
        assert "Host key verification failed" in refused
    check_that_a_colleague_gets_everything(team)
    assert objects(team.folder / "over-ssh")
    assert "Accepted publickey" in sshd.log.read_text()


def test_a_key_that_may_not_enter_is_refused(make: MakeTeam, sshd: SshServer) -> None:
    team = make_ssh_team(make, sshd, "another")
    assert "Permission denied" in team.shell("ana", "dvc push", status=255)
    assert not objects(team.folder / "over-ssh")


def test_a_remote_in_s3_carries_everything(make: MakeTeam, s3: str) -> None:
    import boto3  # type: ignore[import-untyped]

    secrets = {
        "AWS_ACCESS_KEY_ID": "team",
        "AWS_SECRET_ACCESS_KEY": "team",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    team = make(TEAM_BUCKET="results", TEAM_S3=s3, **secrets)
    client = boto3.client(
        "s3", endpoint_url=s3, aws_access_key_id="team", aws_secret_access_key="team", region_name="us-east-1"
    )
    client.create_bucket(Bucket="results")
    team.run("ana: a remote in S3")
    check_that_a_colleague_gets_everything(team)
    names = [item["Key"] for item in client.list_objects_v2(Bucket="results")["Contents"]]
    assert {name.split("/")[1] for name in names} == {"files", "runs"}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Ana has run another ratio on a branch and pushed; Ben has pulled the first run."""
    made = make_team(tmp_path_factory)
    prepare(made)
    assert executed(made.run("ana: another ratio")) == STUDENT + PAGE
    return made


def test_clones_with_one_cache_run_nothing_and_hold_one_copy(changed: Team) -> None:
    (changed.folder / "cache").mkdir()
    changed.shell("ana", "git switch --quiet main && dvc checkout --quiet")
    changed.run("ana: give the cache to everybody on this machine")
    printed = changed.run("cara: a clone with the shared cache")
    assert executed(printed) == restored(printed) == []
    assert (changed.folder / "cara/data/archive").exists()
    weights = [changed.folder / who / "data/students/0/weights.safetensors" for who in ("ana", "cara")]
    assert weights[0].samefile(weights[1])
    assert weights[0].stat().st_mode & 0o222 == 0
    printed = changed.shell("cara", f"{RATIO} && dvc repro")
    assert (executed(printed), restored(printed)) == ([], STUDENT + PAGE)


def test_an_experiment_travels_with_its_files(team: Team) -> None:
    assert executed(team.run("ana: send an experiment")) == STUDENT + PAGE
    printed = team.run("ben: take it")
    assert executed(printed) == restored(printed) == []
    students = [team.folder / who / "data/students/0/weights.safetensors" for who in ("ana", "ben")]
    assert students[0].read_bytes() == students[1].read_bytes()
    assert "mild" in team.shell("ben", "dvc exp list --rev main")


def test_two_peoples_seeds_merge_cell_by_cell_and_only_summary_and_page_run(team: Team) -> None:
    for who, seeds in (("ana", "[0, 1]"), ("ben", "[0, 2]")):
        team.shell(who, f"git switch --quiet --create {who}")
        params = team.folder / who / "params.yaml"
        params.write_text(
            yaml.safe_dump(yaml.safe_load(params.read_text()) | {"seeds": yaml.safe_load(seeds)})
        )
        team.shell(
            who, "dvc repro && git add . && git commit -qm seed && git push -qu origin HEAD && dvc push"
        )
    team.shell("ana", "git fetch --quiet && git branch --quiet --track ben origin/ben")
    team.run("ana: start a merge", status=CONFLICT)
    params = team.folder / "ana/params.yaml"
    ours = yaml.safe_load(team.shell("ana", "git show :2:params.yaml"))
    params.write_text(yaml.safe_dump(ours | {"seeds": [0, 1, 2]}))
    printed = team.run("ana: keep both sides")
    assert (executed(printed), restored(printed)) == (["summarize", *PAGE], [])
    staged = team.shell("ana", "git add . && git diff --cached --name-only HEAD")
    assert ".safetensors" not in staged
    assert ".npy" not in staged
    assert executed(team.shell("ana", "git commit -qm both && dvc repro")) == []


def test_garbage_goes_and_what_tags_and_branches_need_stays(team: Team) -> None:
    remote, cache = team.folder / "remote", team.folder / "ana/.dvc/cache"
    team.run("ana: tag what must stay")
    for title in ("ana: another ratio", "ben: another rate"):
        team.run(title)
    needed = objects(remote)
    team.shell("ana", "dvc exp run --set-param distill.loss_ratio=1.5 && dvc push")
    rubbish = objects(remote) - needed
    assert rubbish
    team.shell("ana", "git checkout --quiet . && dvc checkout --quiet")

    shutil.copytree(remote, team.folder / "copy")
    team.shell("folder", "git clone -q $TEAM_GIT narrow")
    team.shell("narrow", "dvc remote modify team url ../copy && dvc gc -aT --cloud --force")
    assert needed - objects(team.folder / "copy"), (
        "gc knows the branches of other clones: the document is wrong"
    )

    team.run("keeper: clean the remote")
    assert objects(remote) < needed, (
        "what git keeps goes, and with it the run-cache; the rest is pulled below"
    )
    before = objects(cache)
    team.run("ana: clean the cache")
    assert objects(cache) < before
    assert not rubbish & objects(cache)

    team.shell("folder", "git clone -q $TEAM_GIT guest")
    assert executed(team.run("guest: go back to the tag")) == []
    for branch in ("ana", "ben"):
        commands = f"git checkout -q {branch} && dvc pull --allow-missing && dvc repro --allow-missing"
        assert executed(team.shell("guest", commands)) == []
    commands = "git checkout -q paper && dvc checkout && dvc repro"
    assert executed(team.shell("ana", commands)) == []
    assert "distill@0" in executed(team.shell("ana", f"{RATIO} && dvc repro --dry"))


def test_pulled_results_get_their_runs(team: Team) -> None:
    printed = team.run("ben: runs for what was pulled")
    assert "run made from files" in printed
    assert "0 made now" in team.run("ben: runs for what was pulled")
