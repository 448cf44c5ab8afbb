"""Programs get the verdict they deserve, whatever they try; real processes throughout."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest

from adaqueue.adapters.code_isolation import isolation
from adaqueue.adapters.code_server import serve
from adaqueue.adapters.code_verifier import CodeVerifier, Limits, Report, Request
from adaqueue.adapters.code_wire import STARTED
from adaqueue.adapters.sandbox import frames
from adaqueue.core.query import Query
from adaqueue.core.records import Sample
from adaqueue.errors import VerifierError

SHORT = Limits(cpu_seconds=1, output_bytes=1 << 16)
STDIN = {"style": "stdin", "tests": [["1 2\n", "3\n"], ["10 20\n", "30\n"]]}
FUNCTION = {
    "style": "function",
    "entry": "add",
    "tests": [{"args": [1, 2], "expected": 3}, {"args": [10, 20], "expected": 30}],
}
CHECK = {
    "style": "assert",
    "entry": "add",
    "check": "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert add(10, 20) == 30\n",
}
ADD = "def add(a, b): return a + b"
READ = "a, b = map(int, input().split())\n"
KEPT = "import io, sys\nkept, sys.stdout = sys.stdout, io.StringIO()\n"
SERVER = """
import signal, sys
from pathlib import Path
from threading import Event
from adaqueue.adapters.code_server import serve
stopping = Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
serve(Path(sys.argv[1]), stopping)
"""


@contextmanager
def verifier_process(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "ADAQUEUE_SECRET": "hidden"}
    with subprocess.Popen([sys.executable, "-c", SERVER, str(path)], env=environment) as process:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.02)
        yield process
        process.terminate()
        assert process.wait(10) in (0, -signal.SIGKILL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    folder = tmp_path_factory.mktemp("v")
    with verifier_process(folder / "a.sock") as process:
        yield folder, process.pid


@pytest.fixture
def verifier(server: tuple[Path, int]) -> CodeVerifier:
    return CodeVerifier(server[0], SHORT, patience_seconds=2)


def examined(verifier: CodeVerifier, program: str, reference: dict[str, Any], prompt: str = "") -> Report:
    request = Request((program,), reference, prompt, SHORT, every_test=True)
    return verifier.examine([request])[0]


@pytest.mark.parametrize(
    ("program", "reference"),
    [
        (READ + "print(a + b)", STDIN),
        (READ + "print(a + b, end='')\nraise SystemExit", STDIN),
        (READ + "if __name__ == '__main__': print(a + b); exit()", STDIN),
        ("print(sum(map(int, open('/dev/stdin').read().split())))", STDIN),
        ("import sys, threading\n" + READ + "threading.Thread(target=print, args=(a + b,)).start()", STDIN),
        ("import atexit\n" + READ + "atexit.register(print, a + b)", STDIN),
        (KEPT + READ + "kept.write(str(a + b))", STDIN),
        (KEPT + READ + "import atexit\natexit.register(lambda: kept.write(str(a + b)))", STDIN),
        (READ + "out = open(1, 'w')\nprint(a + b, file=out)", STDIN),
        (READ + "import sys\nprint(a + b)\nsys.stdout.close()", STDIN),
        (
            "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())\n" + READ + "print(a + b)",
            STDIN,
        ),
        (READ + "class Last:\n    def __del__(self): print(a + b)\nlast = Last()", STDIN),
        (READ + "import os\nprint(a + b if os.path.basename(__file__).endswith('.py') else 0)", STDIN),
        (READ + "import platform\nprint(a + b if platform.platform() else 0)", STDIN),
        ("\ufeff" + READ + "print(a + b)", STDIN),
        (ADD, FUNCTION),
        ("class Solution:\n    def add(self, a, b): return a + b", FUNCTION),
        ("def add(a, b):\n    print('working')\n    return a + b", FUNCTION),
        ("if __name__ == '__main__': input()\n" + ADD, FUNCTION),
        (ADD, CHECK),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n" + ADD, CHECK),
    ],
)
def test_a_right_program_passes(verifier: CodeVerifier, program: str, reference: dict[str, Any]) -> None:
    report = examined(verifier, program, reference)
    assert report.verdict == "passed"
    assert set(report.tests) == {"passed"}
    assert report.route == reference["style"]
    assert report.tier == isolation().tier != "none"


PATIENT = """
import signal, time
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
def work(result):
    until = time.process_time() + 1.2
    while time.process_time() < until: pass
    return result
"""
LOUD = """
import os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def add(a, b):
    try:
        while True: os.write(2, bytes(1 << 14))
    except OSError:
        return a + b
"""
ALWAYS_EQUAL = "class X:\n    def __eq__(s, o): return True\n    def __ne__(s, o): return False\n"
WRONG = {
    "wrong output": ("print(4)", STDIN, "wrong_answer"),
    "no output": ("import sys; sys.exit(0)", STDIN, "wrong_answer"),
    "wrong result": ("def add(a, b): return a - b", FUNCTION, "wrong_answer"),
    "wrong result in a check": ("def add(a, b): return a - b", CHECK, "wrong_answer"),
    "float for a whole number": ("def add(a, b): return float(a + b)", FUNCTION, "wrong_answer"),
    "exception": (READ + "print(a + b)\nraise ValueError", STDIN, "runtime_error"),
    "exception in a call": ("def add(a, b): raise ValueError", FUNCTION, "runtime_error"),
    "exception in a check's call": ("def add(a, b): raise ValueError", CHECK, "runtime_error"),
    "assertion of its own": ("def add(a, b): assert False", CHECK, "runtime_error"),
    "no Python": ("print('3'", STDIN, "runtime_error"),
    "no such function": ("def sub(a, b): return 3", FUNCTION, "runtime_error"),
    "no such function in a check": ("def sub(a, b): return 3", CHECK, "runtime_error"),
    "exit before the call": ("import sys; sys.exit(0)", FUNCTION, "runtime_error"),
    "exit before the check": ("import sys; sys.exit(0)", CHECK, "runtime_error"),
    "exit in the call": ("def add(a, b): raise SystemExit(0)", FUNCTION, "runtime_error"),
    "exit in the check's call": ("def add(a, b): raise SystemExit(0)", CHECK, "runtime_error"),
    "hard exit": ("import os; os._exit(0)", FUNCTION, "runtime_error"),
    "hard exit in a check": ("import os; os._exit(0)", CHECK, "runtime_error"),
    "the check's own status": ("import os; os._exit(100)", CHECK, "runtime_error"),
    "segmentation fault": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", STDIN, "runtime_error"),
    "endless loop": ("while True: pass", STDIN, "timeout"),
    "endless loop in a call": ("def add(a, b):\n    while True: pass", FUNCTION, "timeout"),
    "endless loop in a check's call": ("def add(a, b):\n    while True: pass", CHECK, "timeout"),
    "endless loop before the check": ("while True: pass", CHECK, "timeout"),
    "sleep": ("import time; time.sleep(1000)", CHECK, "timeout"),
    "stop": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", CHECK, "timeout"),
    "memory": ("x = bytearray(8 << 30)", STDIN, "memory_limit"),
    "memory in a call": ("def add(a, b): return bytearray(8 << 30)", FUNCTION, "memory_limit"),
    "memory in a check's call": ("def add(a, b): return bytearray(8 << 30)", CHECK, "memory_limit"),
    "output": ("while True: print('A' * 1000)", STDIN, "output_limit"),
    "output in a call": ("def add(a, b):\n    while True: print('A' * 1000)", FUNCTION, "output_limit"),
    "output in a check's call": ("def add(a, b):\n    while True: print('A' * 1000)", CHECK, "output_limit"),
    "errors": ("import sys\nwhile True: sys.stderr.write('E' * 1000)", STDIN, "output_limit"),
    "CPU time beyond its signal": (PATIENT + "def add(a, b): return work(a + b)", FUNCTION, "timeout"),
    "CPU time beyond its signal in a check": (
        PATIENT + "def add(a, b): return work(a + b)",
        CHECK,
        "timeout",
    ),
    "CPU time beyond its signal before the call": (PATIENT + "work(0)\n" + ADD, FUNCTION, "timeout"),
    "output beyond its signal": (LOUD, FUNCTION, "output_limit"),
    "output beyond its signal in a check": (LOUD, CHECK, "output_limit"),
    "hashes that collide": (
        "def add(a, b): return {n * (2**61 - 1) for n in range(8, 2_008)}",
        FUNCTION,
        "wrong_answer",
    ),
    "result": ("def add(a, b): return 'x' * 100_000", FUNCTION, "output_limit"),
    "result in a check": ("def add(a, b): return 'x' * 100_000", CHECK, "output_limit"),
    "equal to everything": (ALWAYS_EQUAL + "def add(a, b): return X()", FUNCTION, "wrong_answer"),
    "equal to everything in a check": (ALWAYS_EQUAL + "def add(a, b): return X()", CHECK, "wrong_answer"),
    "equal to everything, printed": (ALWAYS_EQUAL + "print(X())", STDIN, "wrong_answer"),
    "forged replies": (
        "import os\ndef add(a, b):\n    os.write(3, b'\\0\\0\\0\\x0a{\"ok\": 42}')\n    return 3",
        FUNCTION,
        "wrong_answer",
    ),
    "forged replies in a check": (
        "import os\ndef add(a, b):\n    os.write(3, b'\\0\\0\\0\\x0a{\"ok\": 42}')\n    return 3",
        CHECK,
        "wrong_answer",
    ),
}


@pytest.mark.parametrize(("program", "reference", "verdict"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_program_does_not_pass(
    verifier: CodeVerifier, program: str, reference: dict[str, Any], verdict: str
) -> None:
    assert examined(verifier, program, reference).verdict == verdict
    assert examined(verifier, READ + "print(a + b)", STDIN).verdict == "passed"


def test_every_test_has_its_own_verdict_also_after_one_that_ended_the_process(verifier: CodeVerifier) -> None:
    tests = [{"args": [n], "expected": n} for n in range(5)]
    program = (
        "import os\n"
        "def same(n):\n"
        "    if n == 1: os._exit(0)\n"
        "    if n == 2: return -1\n"
        "    while n == 3: pass\n"
        "    return n"
    )
    report = examined(verifier, program, {"style": "function", "entry": "same", "tests": tests})
    assert report.tests == ("passed", "runtime_error", "wrong_answer", "timeout", "passed")
    assert report.verdict == "runtime_error"


def test_tests_after_the_first_failed_one_are_left_out_unless_asked_for(verifier: CodeVerifier) -> None:
    report = verifier.examine([Request(("print(4)",), STDIN)])[0]
    assert report.tests == ("wrong_answer",)


def test_each_call_has_the_whole_cpu_time(verifier: CodeVerifier) -> None:
    tests = [{"args": [n], "expected": n} for n in range(8)]
    program = (
        "import time\n"
        "def same(n):\n"
        "    until = time.process_time() + 0.3\n"
        "    while time.process_time() < until: pass\n"
        "    return n"
    )
    reference = {"style": "function", "entry": "same", "tests": tests}
    assert examined(verifier, program, reference).verdict == "passed"


def test_a_check_sees_plain_results_of_any_type_and_the_candidates_exceptions(verifier: CodeVerifier) -> None:
    check = """
import math
def check(candidate):
    assert candidate("tuple") == (1, {2: {3}}, b"4", 5j)
    assert math.isnan(candidate("nan"))
    assert same([1], key=(2,)) == ([1], (2,))
    try:
        candidate("raise")
    except KeyError as error:
        assert error.args == ("lost",)
    else:
        raise AssertionError
"""
    program = """
def same(what, **named):
    if what == "raise": raise KeyError("lost")
    if named: return (what, *named.values())
    return {"tuple": (1, {2: {3}}, b"4", 5j), "nan": float("nan")}[what]
"""
    reference = {"style": "assert", "entry": "same", "check": check}
    assert examined(verifier, program, reference).verdict == "passed"


def test_an_exception_of_the_programs_own_says_to_a_check_what_it_was_given(verifier: CodeVerifier) -> None:
    check = (
        "def check(candidate):\n"
        "    try:\n"
        "        candidate()\n"
        "    except Exception as error:\n"
        "        assert (type(error).__name__, str(error)) == ('Own', 'text')\n"
        "    else:\n"
        "        assert False\n"
    )
    program = "class Own(Exception): pass\ndef fail(): raise Own('text')"
    reference = {"style": "assert", "entry": "fail", "check": check}
    assert examined(verifier, program, reference).verdict == "passed"


def test_a_program_ends_no_loop_of_a_check_from_inside(verifier: CodeVerifier) -> None:
    check = "def check(candidate):\n    assert all(map(lambda n: candidate(n, n) == 2 * n, range(3)))\n"
    reference = {"style": "assert", "entry": "add", "check": check}
    assert examined(verifier, ADD, reference).verdict == "passed"
    assert examined(verifier, "def add(a, b): raise StopIteration", reference).verdict == "runtime_error"


def test_a_check_may_use_what_the_prompt_defines_and_the_program_can_not_replace_it(
    verifier: CodeVerifier,
) -> None:
    prompt = "def rule(x):\n    return x == 3\n\ndef three():\n    '''Returns three.'''\n"
    check = "def check(candidate):\n    assert rule(candidate())\n    assert rule(three())\n"
    reference = {"style": "assert", "entry": "three", "check": check}
    right = "def three(): return 3"
    cheat = "def rule(x): return True\ndef three(): return 4"
    assert examined(verifier, right, reference, prompt).verdict == "passed"
    assert examined(verifier, cheat, reference, prompt).verdict == "wrong_answer"


def test_a_check_may_call_other_functions_of_the_program(verifier: CodeVerifier) -> None:
    check = "def check(candidate):\n    assert decode(candidate('x')) == 'x'\n"
    program = "def encode(x): return x[::-1]\ndef decode(x): return x[::-1]"
    reference = {"style": "assert", "entry": "encode", "check": check}
    assert examined(verifier, program, reference).verdict == "passed"


def test_a_check_that_fails_by_itself_says_nothing_about_the_program(verifier: CodeVerifier) -> None:
    check = "import no_such_module\ndef check(candidate):\n    pass\n"
    report = examined(verifier, ADD, {"style": "assert", "entry": "add", "check": check})
    assert report.verdict == "not_verified"
    assert report.tier is None


@pytest.mark.parametrize("reference", [FUNCTION, CHECK])
def test_expected_values_are_not_in_the_candidates_process(
    verifier: CodeVerifier, reference: dict[str, Any]
) -> None:
    program = """
import gc, sys
def held():
    frame, found = sys._getframe(), []
    while frame:
        found.append(frame.f_locals)
        frame = frame.f_back
    return repr(found) + repr([o for o in gc.get_objects() if isinstance(o, (dict, list, tuple, str))])
def add(a, b):
    text = held()
    return a + b if "".join(["assert", " candidate"]) in text or "".join(["'expec", "ted'"]) in text else 0
"""
    assert examined(verifier, program, reference).verdict == "wrong_answer"


def test_programs_inherit_no_environment(verifier: CodeVerifier) -> None:
    program = """
import os
print(dict(os.environ))
for pid in ("self", os.getppid()):
    try:
        print("ADAQUEUE" in open(f"/proc/{pid}/environ").read())
    except OSError:
        print(False)
"""
    reference = {"style": "stdin", "tests": [["", "{}\nFalse\nFalse\n"]]}
    assert examined(verifier, program, reference).verdict == "passed"


def test_hundreds_of_runs_leave_no_process_and_no_descriptor_behind(
    verifier: CodeVerifier, server: tuple[Path, int]
) -> None:
    def held() -> list[int]:
        process = psutil.Process(server[1])
        everyone = [process, *process.children(recursive=True)]
        return [len(everyone), *(one.num_fds() for one in everyone)]

    programs = [
        ADD,
        "def add(a, b): raise ValueError",
        "import os; os._exit(1)",
        "def add(a, b): return 'x' * 10**6",
    ]
    requests = [
        Request((program,), reference) for program in programs for reference in (FUNCTION, CHECK, STDIN)
    ]
    verifier.examine(requests * 2)
    before = held()
    verifier.examine(requests * 20)
    time.sleep(0.2)
    assert held() == before


def test_a_zygote_that_is_killed_is_started_afresh(verifier: CodeVerifier, server: tuple[Path, int]) -> None:
    assert examined(verifier, ADD, FUNCTION).verdict == "passed"
    for zygote in psutil.Process(server[1]).children():
        zygote.kill()
    verdicts = {examined(verifier, ADD, FUNCTION).verdict for _ in range(6)}
    assert verdicts <= {"passed", "not_verified"}
    assert examined(verifier, ADD, FUNCTION).verdict == "passed"


def test_a_verifier_that_is_gone_says_nothing_and_the_next_one_goes_on(tmp_path: Path) -> None:
    verifier = CodeVerifier(tmp_path, SHORT, patience_seconds=0.5)
    with verifier_process(tmp_path / "a.sock") as process:
        assert examined(verifier, ADD, FUNCTION).verdict == "passed"
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        with pytest.raises(VerifierError, match="no sandbox can be reached"):
            examined(verifier, ADD, FUNCTION)
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
    with verifier_process(tmp_path / "b.sock"):
        assert examined(verifier, ADD, FUNCTION).verdict == "passed"


def test_a_program_whose_verifier_is_killed_goes_to_another(tmp_path: Path) -> None:
    verifier = CodeVerifier(tmp_path, SHORT)
    slow = Request(("import time; time.sleep(1)\n" + READ + "print(a + b)",), STDIN)
    with verifier_process(tmp_path / "a.sock") as first, verifier_process(tmp_path / "b.sock"):
        reports: list[Report] = []
        thread = Thread(target=lambda: reports.extend(verifier.examine([slow] * 4)))
        thread.start()
        time.sleep(0.5)
        first.kill()
        thread.join()
    assert [report.verdict for report in reports] == ["passed"] * 4


def test_a_server_that_is_stopped_at_its_start_ends_without_a_complaint(tmp_path: Path) -> None:
    stopping = Event()
    stopping.set()
    serve(tmp_path / "a.sock", stopping)
    assert not (tmp_path / "a.sock").exists()


def test_a_stopped_server_ends_at_once_with_what_it_runs_and_removes_its_socket(tmp_path: Path) -> None:
    path, stopping = tmp_path / "deep" / "a.sock", Event()
    server = Thread(target=serve, args=(path, stopping))
    server.start()
    while not path.exists():
        time.sleep(0.02)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    verifier = CodeVerifier(path.parent, Limits(), patience_seconds=0.1)
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            verifier.examine([Request(("import time; time.sleep(1000)",), STDIN)])
        except VerifierError as error:
            failures.append(error)

    asking = Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    started = time.monotonic()
    stopping.set()
    server.join()
    asking.join()
    assert time.monotonic() - started < 5
    assert failures
    assert not path.exists()


class Counted:
    """A sandbox that says `passed` to everything and counts what it was asked."""

    def __init__(self, path: Path) -> None:
        self.requests: list[Request] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while True:
                try:
                    request = Request.from_bytes(frames.receive(connection, 1 << 20))
                except ConnectionError:
                    return
                self.requests.append(request)
                frames.send(connection, STARTED)
                time.sleep(0.02)
                frames.send(connection, Report("passed", ("passed",), "stdin", "none", 0.0).to_bytes())


def drawn(texts: Sequence[str], reference: dict[str, Any] = CHECK) -> list[tuple[Query, Sample]]:
    query = Query(domain="code", prompt="def add(a, b):\n", reference=reference)
    query_id = uuid.uuid4()
    return [
        (query, Sample(query_id, number, None, text, None, None, "stop", 0.0))
        for number, text in enumerate(texts)
    ]


def test_two_verifiers_share_the_work(tmp_path: Path) -> None:
    both = [Counted(tmp_path / "a.sock"), Counted(tmp_path / "b.sock")]
    verdicts = CodeVerifier(tmp_path, SHORT).verify(drawn([f"    return {n}" for n in range(20)]))
    assert [verdict.number for verdict in verdicts] == list(range(20))
    assert all(one.requests for one in both)
    assert sum(len(one.requests) for one in both) == 20


def test_a_stale_socket_is_passed_over_and_a_program_that_occurs_twice_is_run_once(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "a.sock"))
    stale.close()
    counted = Counted(tmp_path / "b.sock")
    texts = ["    return a + b", "    return a", "    return a + b\n"[:-1]]
    verdicts = CodeVerifier(tmp_path, SHORT).verify(drawn(texts))
    assert len(verdicts) == 3
    assert len(counted.requests) == 2


def test_samples_get_verdicts_with_rewards(verifier: CodeVerifier) -> None:
    fenced = "Here it is:\n```python\ndef add(a, b):\n    return a + b\n```"
    verdicts = verifier.verify(drawn(["    return a + b\n", "    return a\n", fenced, ADD, "?"]))
    words = ["passed", "wrong_answer", "passed", "passed", "runtime_error"]
    assert [verdict.verdict for verdict in verdicts] == words
    assert [verdict.reward for verdict in verdicts] == [1.0, 0.0, 1.0, 1.0, 0.0]
    assert verdicts[0].verifier == "code"
    assert verdicts[0].tier == isolation().tier


def test_programs_of_a_sandbox_do_not_take_each_others_time(tmp_path: Path) -> None:
    busy = READ + "import time\nwhile time.process_time() < 0.3: pass\nprint(a + b)"
    requests = [Request((f"# {n}\n{busy}",), STDIN, limits=Limits(cpu_seconds=1.0)) for n in range(16)]
    with verifier_process(tmp_path / "a.sock"):
        asked = [
            Thread(target=lambda one=one: reports.append(CodeVerifier(tmp_path, SHORT).examine([one])[0]))
            for one in requests
        ]
        reports: list[Report] = []
        for thread in asked:
            thread.start()
        for thread in asked:
            thread.join()
    # side by side they would need 4.8 s of time by the clock, where 3 s are granted
    assert [report.verdict for report in reports] == ["passed"] * 16


@pytest.mark.parametrize("result", ["10 ** 400", "-(10 ** 5000)", "[10 ** 400]", "float('nan')"])
def test_a_result_beyond_every_float_is_a_wrong_answer(verifier: CodeVerifier, result: str) -> None:
    reference = {"style": "function", "entry": "f", "tests": [{"args": [], "expected": 0.5}]}
    report = examined(verifier, f"def f(): return {result}", reference)
    assert report.verdict == "wrong_answer"


def test_samples_of_a_broken_check_get_no_reward(verifier: CodeVerifier) -> None:
    check = "import no_such_module\ndef check(candidate):\n    pass\n"
    reference = {"style": "assert", "entry": "add", "check": check}
    [verdict] = verifier.verify(drawn(["    return a + b\n"], reference))
    assert verdict.verdict == "not_verified"
    assert verdict.reward is None
