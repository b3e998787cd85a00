"""Signals that stop a command: one line, the exit code, and no process left, whatever the command is doing."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

#: Starts a process that starts another, says so, and then does something.
PROGRAM = """
import ctypes, os, signal, subprocess, sys, threading, time
from benevolent.orchestrator.training.stopping import stop, stopped_by_signals, undone_when_stopped

def swallow():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def outside_python():
    ctypes.CDLL(None).sleep(60)

def with_another_handler():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
    time.sleep(60)

def with_a_handler_in_c():
    ctypes.CDLL(None).signal(signal.SIGTERM, None)
    print("ready", flush=True)
    time.sleep(60)

def with_the_pipe_of_a_fork():
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    os.wait()
    time.sleep(60)

def with_a_reason_that_stopping_brings_about():
    def say_that_it_has_ended():
        children.wait()
        stop("it has ended")
    threading.Thread(target=say_that_it_has_ended, daemon=True).start()
    time.sleep(60)

def with_a_library_that_complains_and_starts_another_process():
    def complain():
        children.wait()
        os.write(2, b"a process has died")
        subprocess.Popen(["sleep", "60"])
    threading.Thread(target=complain, daemon=True).start()
    time.sleep(60)

def on_another_system():
    time.sleep(60)

if sys.argv[1] == "on_another_system":
    import psutil  # of this system
    sys.platform = "another"
    del ctypes.CDLL

with stopped_by_signals(), undone_when_stopped(lambda: print("undone", flush=True)):
    children = subprocess.Popen(["sh", "-c", "sleep 60 & exec sleep 60"])
    if sys.argv[1] != "with_a_handler_in_c":
        print("ready", flush=True)
    globals()[sys.argv[1]]()
"""


@pytest.fixture
def start():
    """Starts a program that does something with two processes below it, in a session of its own."""
    with ExitStack() as programs:
        yield lambda doing, **keywords: programs.enter_context(program(doing, **keywords))


@contextmanager
def program(doing: str, **keywords) -> "Iterator[subprocess.Popen[str]]":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and their children
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as does what `nohup` starts
    command = [sys.executable, "-c", PROGRAM, doing]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, **keywords) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def check_end(process: "subprocess.Popen[str]", number: int) -> None:
    output, errors = process.communicate(timeout=10)  # until no process below it has the pipes open
    assert process.returncode == 128 + number and output == "undone\n"
    assert errors == "\nstopped. Nothing is lost: the same command continues from here.\n"


def check_stopped(process: "subprocess.Popen[str]", number: int) -> None:
    check_end(process, number)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize("whole_group", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_that_was_started(start, number, whole_group):
    process = start("swallow")
    (os.killpg if whole_group else os.kill)(process.pid, number)
    check_stopped(process, number)


@pytest.mark.parametrize(
    "doing",
    [
        "outside_python",
        "with_another_handler",
        "with_a_handler_in_c",
        "with_a_reason_that_stopping_brings_about",
        "with_a_library_that_complains_and_starts_another_process",
    ],
)
def test_a_signal_is_seen_whatever_the_main_thread_does_and_others_install(start, doing):
    process = start(doing)
    process.send_signal(signal.SIGTERM)
    check_stopped(process, signal.SIGTERM)


def test_what_only_linux_has_is_not_called_elsewhere(start):
    process = start("on_another_system")
    process.send_signal(signal.SIGTERM)
    check_end(process, signal.SIGTERM)  # zombies are left to the system


def test_a_forked_process_that_is_terminated_stops_only_itself(start):
    process = start("with_the_pipe_of_a_fork")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    check_stopped(process, signal.SIGINT)


def test_a_signal_that_is_ignored_at_the_start_stays_ignored(start):
    process = start("swallow", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGTERM)
    check_stopped(process, signal.SIGTERM)
