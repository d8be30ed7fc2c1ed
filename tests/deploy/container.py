"""Becomes a container's process: mounts, read-only root, user, groups, no privileges. Run within fresh namespaces.

unshare --mount --pid --fork --kill-child -- python3 container.py '{"root": …, "mounts": …, "argv": …, …}'
"""

import ctypes
import json
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def main():
    spec = json.loads(sys.argv[1])
    mount("--make-rprivate", "/")
    root = spec["root"]
    mount("--bind", root, root)
    for it in spec["mounts"]:
        mount("--bind", it["source"], root + it["path"])
        if it["read_only"]:
            mount("-o", "remount,bind,ro", root + it["path"])
    mount("-t", "proc", "proc", root + "/proc")
    if spec["read_only_root"]:
        mount("-o", "remount,bind,ro", root)
    os.chroot(root)
    os.chdir("/")
    os.setgroups(spec["groups"])
    os.setresgid(*[spec["gid"]] * 3)
    # Going from root to another user takes the capabilities away.
    os.setresuid(*[spec["uid"]] * 3)
    libc = ctypes.CDLL(None)
    # Change of user has undone what --kill-child asked for.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if spec["no_new_privileges"] and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError("no_new_privs is refused")
    os.execvpe(spec["argv"][0], spec["argv"], spec["env"])


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


main()
