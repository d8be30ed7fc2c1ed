"""Prints what an image's root weighs and how soon its sidecar is ready: `weigh.py ROOT`, as root for chroot."""

import gzip
import http.client
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

RUNS = 20


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    files = [it for it in root.rglob("*") if it.is_file()]
    size = sum(it.stat().st_size for it in files)
    packed = sum(len(gzip.compress(it.read_bytes())) for it in files)
    print(f"image root: {size / 2**20:.1f} MiB in {len(files)} files, {packed / 2**20:.1f} MiB compressed")
    for it in sorted(files, key=lambda it: -it.stat().st_size)[:5]:
        print(f"  {it.stat().st_size / 2**20:6.2f} MiB  /{it.relative_to(root)}")
    times = sorted(seconds_to_ready(root) * 1000 for _ in range(RUNS))
    print(f"from exec to ready: median {statistics.median(times):.1f} ms, slowest of {RUNS} {times[-1]:.1f} ms")


def seconds_to_ready(root):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = [f"--set=admin.listen=127.0.0.1:{port}", "--set=ipc.socket=/run/deepgram-sidecar/weighed.sock"]
    command = ["deepgram-sidecar", "run", *settings]
    env = {"PATH": "/usr/bin", "DEEPGRAM_API_KEY": "not-a-key"}
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=env, preexec_fn=lambda: os.chroot(root), stderr=subprocess.DEVNULL)
    try:
        while not is_ready(port):
            assert process.poll() is None, "it has ended: run it by hand to see why"
        return time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait()


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()


main()
