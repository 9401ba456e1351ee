"""Children of the keeper: started so that they cannot outlive it, and reaped by pidfd."""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from stormproof.faults.processes import RUN_MARK, ProcessId, identify
from stormproof.kernel.errors import EnvironmentFailure, OwnFault
from stormproof.model.part import Part, Task

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HOLD = ("/bin/sh", "-c", 'read -r _; exec "$@" </dev/null', "held")  # until its input ends
_LIBC = ctypes.CDLL(None, use_errno=True)
_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)  # before a link of ours asked for more


def adopt_orphans() -> None:
    """Make this process the parent of what its children leave behind, so that it can end them."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def reap_orphans() -> None:
    """Collect adopted processes that have ended; only once no child of ours is awaited any more."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


class Child:
    """A running child; `exited` gets its return code (negative: the signal that ended it)."""

    def __init__(self, popen: subprocess.Popen[bytes], *, name: str, uid: int) -> None:
        self._popen = popen
        self.name = name
        self.uid = uid
        self.started_wall_ns = time.time_ns()
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._handle = os.pidfd_open(popen.pid)
        loop.add_reader(self._handle, self._reap)
        process = identify(popen.pid)
        if process is None:
            raise OwnFault(f"the child {name} was reaped by somebody else")
        self.process: ProcessId = process

    def signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        self._popen.send_signal(number)

    @property
    def is_held(self) -> bool:
        """Whether it stands before its first instruction."""
        return self._popen.stdin is not None and not self._popen.stdin.closed

    @property
    def has_run_ns(self) -> int:
        """How long it has been there."""
        return time.time_ns() - self.started_wall_ns

    def release(self) -> None:
        """Let a child that was held begin; one that runs goes on."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def _reap(self) -> None:
        code = self._popen.poll()
        if code is None:
            return
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        self.release()
        self.exited.set_result(code)


def spawn(step: Part | Task, *, run_id: str, log: Path, held: bool = False) -> Child:
    """Start a step's command as a child in its own session, its output appended to `log`.

    With `held` the process is there, but does not become the command before `Child.release`.

    Raises:
        EnvironmentFailure: the command cannot be started.
    """
    account = _account(step.user)
    death_signal, cores = signal.SIGKILL.value, list[int]()
    if isinstance(step, Part):
        death_signal, cores = step.death_signal, step.cores
    try:
        with open(log, "ab", opener=_private) as output:
            popen = subprocess.Popen(
                [*_HOLD, *step.argv] if held else step.argv,
                cwd=step.cwd,
                env={**os.environ, **step.env, RUN_MARK: run_id},
                stdin=subprocess.PIPE if held else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
                preexec_fn=birth(os.getpid(), death_signal, cores),  # noqa: PLW1509 - no threads
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentFailure(f"{step.name} cannot be started: {error}") from error
    uid = os.geteuid() if account is None else account.pw_uid
    return Child(popen, name=step.name, uid=uid)


def uid_of(user: str) -> int:
    """Return the uid that `user` has here; the own one where we cannot change users."""
    account = _account(user)
    return os.geteuid() if account is None else account.pw_uid


def gid_of(user: str) -> int:
    """Return the group that `user` has here; the own one where we cannot change users."""
    account = _account(user)
    return os.getegid() if account is None else account.pw_gid


def _account(user: str) -> pwd.struct_passwd | None:
    if not user or os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise EnvironmentFailure(f"there is no user {user} on this machine") from None


def birth(parent_pid: int, death_signal: int, cores: list[int]) -> Callable[[], None]:
    """Build what runs in the child between fork and exec, after the change of user, which would
    clear the death signal."""

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)  # the keeper died before the death signal was set
        if cores:
            os.sched_setaffinity(0, cores)
        resource.setrlimit(resource.RLIMIT_NOFILE, _FILES)

    return prepare


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
