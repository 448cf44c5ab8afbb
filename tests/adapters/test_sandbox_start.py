"""A sandbox starts with the strongest isolation that holds, and refuses to start with none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from adaqueue.adapters.code_canaries import prove
from adaqueue.adapters.code_isolation import establish, isolation, located
from adaqueue.adapters.code_server import serve
from adaqueue.adapters.code_verifier import CodeVerifier, Limits, Request
from adaqueue.adapters.code_zygote import Kind, Zygote
from adaqueue.errors import VerifierError
from tests.adapters.other_user import light_package

UNSHARE, SECCOMP, LANDLOCK = 272, 317, 444
# what a container's profile does: the calls in argv[1] fail; then says what is established, or why nothing is
BEHIND_A_PROFILE = """
import ctypes, json, struct, sys
from adaqueue.adapters.code_isolation import establish
from adaqueue.adapters.sandbox import kernel
from adaqueue.errors import VerifierError
code = [(0x20, 0, 0, 0)]
for number in json.loads(sys.argv[1]):
    code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050001)]
code.append((0x06, 0, 0, 0x7FFF0000))
lines = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(lines)))
kernel.forbid_new_privileges()
kernel.call("seccomp", 317, 1, 0, ctypes.addressof(head))
try:
    found, zygote = establish(or_none=json.loads(sys.argv[2]))
    zygote.close()
    print(json.dumps([found.tier, *found.refused]))
except VerifierError as error:
    print(json.dumps([None, str(error)]))
"""


def established(folder: Path, refused: list[int], *, or_none: bool = False) -> list[str | None]:
    words = [sys.executable, "-c", BEHIND_A_PROFILE, json.dumps(refused), json.dumps(or_none)]
    environment = {"PYTHONPATH": str(light_package(folder))}
    said = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    found: list[str | None] = json.loads(said.stdout)
    return found


def test_where_namespaces_are_refused_the_inner_layer_alone_holds(tmp_path: Path) -> None:
    tier, why = established(tmp_path, [UNSHARE])
    assert tier == "B"
    assert why is not None
    assert "tier A" in why
    assert "unshare: Operation not permitted" in why


@pytest.mark.parametrize(("missing", "name"), [(LANDLOCK, "landlock_create_ruleset"), (SECCOMP, "seccomp")])
def test_less_than_the_inner_layer_is_refused_with_its_name_and_a_remedy(
    tmp_path: Path, missing: int, name: str
) -> None:
    tier, why = established(tmp_path, [missing])
    assert tier is None
    assert why is not None
    assert f"tier B: [Errno 1] {name}: Operation not permitted" in why
    assert "Remedy" in why
    assert "run_code_without_isolation" in why


def test_programs_run_without_isolation_only_where_it_was_asked_for(tmp_path: Path) -> None:
    tier, *why = established(tmp_path, [LANDLOCK], or_none=True)
    assert tier == "none"
    assert len(why) == 2
    with pytest.raises(VerifierError, match="cannot be isolated"):
        serve(tmp_path / "a.sock", Event(), tiers=())


def test_every_verdict_without_isolation_says_so(tmp_path: Path) -> None:
    path, stopping = tmp_path / "a.sock", Event()
    words = {"tiers": (), "run_code_without_isolation": True}
    server = Thread(target=serve, args=(path, stopping), kwargs=words)
    server.start()
    try:
        request = Request(("print(int(input()) + 1)",), {"style": "stdin", "tests": [["1", "2"]]})
        [report] = CodeVerifier(tmp_path, Limits()).examine([request])
    finally:
        stopping.set()
        server.join()
    assert (report.verdict, report.tier) == ("passed", "none")


def test_canaries_get_out_where_nothing_holds_them() -> None:
    zygote = Zygote(Kind("none"))
    try:
        with pytest.raises(VerifierError, match="a program reads the machine's files"):
            prove(zygote)
    finally:
        zygote.close()


def test_the_strongest_tier_that_may_be_used_is_used() -> None:
    for tiers in (("A", "B"), ("B",)):
        found, zygote = establish(tiers)
        zygote.close()
        assert found.tier in tiers
    assert found.tier == "B"
    assert isolation().tier in ("A", "B")


def test_a_library_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    for name in ("no_such_module", "os.path", ""):
        with pytest.raises(VerifierError, match="not installed"):
            serve(tmp_path / "a.sock", Event(), libraries=(name,))


def test_a_zygote_knows_no_secret_and_leads_no_program_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAQUEUE_SECRET", "hidden")
    zygote = Zygote(Kind(isolation().tier, located(["numpy"])))
    try:
        environment = Path(f"/proc/{zygote.pid}/environ")
        if os.geteuid() == 0:  # it is closed to its own user
            assert b"hidden" not in environment.read_bytes()
        prove(zygote)
    finally:
        zygote.close()
