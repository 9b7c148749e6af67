# SPDX-License-Identifier: MIT
"""Runs each example with a server in C, C++, Python or Rust and a client in another language, and
compares the output."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from ipcbus import sync

B = os.environ["B"]


def c(example: str, side: str, *args: str) -> list[str]:
    return [f"{B}/examples/{example}/{side}", *args]


def cpp(example: str, side: str, *args: str) -> list[str]:
    return [f"{B}/examples/cpp/{example}_{side}", *args]


def python(example: str, side: str, *args: str) -> list[str]:
    return [sys.executable, f"examples/python/{example}_{side}.py", *args]


def rust(example: str, side: str, *args: str) -> list[str]:
    return [f"{B}/rust/target/debug/{example}_{side}", *args]


# test-examples of C tests the pair of C and C.
PAIRS = [(c, python), (python, c), (python, python), (cpp, c), (c, cpp), (cpp, python), (cpp, cpp)]
# Rust is not built on all systems.
if pathlib.Path(B, "rust", "built").exists():
    PAIRS += [(c, rust), (rust, c), (rust, rust)]


class Examples(unittest.TestCase):
    @contextlib.contextmanager
    def running(self, server, client, example, name, *args):
        process = subprocess.Popen(server(example, "server", *args))
        try:
            with sync.Connection() as bus:
                bus.wait_raw(name, timeout=20)
            with self.subTest(server=server.__name__, client=client.__name__):
                yield
        finally:
            process.kill()
            process.wait()
        with sync.Connection() as bus:
            while bus.list_names(name):
                time.sleep(0.02)

    def run_client(self, command, status=0, **options):
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, **options)
        self.assertEqual(result.returncode, status, result.stderr)
        return result.stdout + result.stderr

    def test_echo(self):
        for server, client in (pair for pair in PAIRS if cpp not in pair):
            with self.running(server, client, "echo", "demo.echo"):
                self.assertEqual(self.run_client(client("echo", "client", "hi")), "hi\n")
                error = self.run_client(client("echo", "client", ""), status=1)
                self.assertEqual(error, "say: echo.Empty: nothing to say\n")

    def test_chat(self):
        for server, client in PAIRS:
            with self.running(server, client, "chat", "demo.chat"):
                bob = subprocess.Popen(
                    client("chat", "client", "bob"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                # If a message is missing, ends bob, which closes the pipe.
                limit = threading.Timer(20, bob.kill)
                limit.start()
                self.addCleanup(limit.cancel)
                alice = ""
                # A client that joins before bob is alone, so try again.
                while "bob is here" not in alice and limit.is_alive():
                    alice = self.run_client(client("chat", "client", "alice"), input="hello bob\n")
                self.assertEqual(alice, "bob is here\n")
                expected = ["alice: (joins)\n", "alice: hello bob\n", "alice: (leaves)\n"]
                heard = [""] * 3
                while heard[-3:] != expected and limit.is_alive():
                    heard.append(bob.stdout.readline())
                self.assertEqual(heard[-3:], expected)
                taken = self.run_client(client("chat", "client", "bob"), status=1, input="")
                self.assertEqual(taken, "join: chat.Taken: the name bob is taken\n")
                bob.communicate(timeout=10)

    def test_clock(self):
        for server, client in PAIRS:
            with self.running(server, client, "clock", "demo.clock"):
                self.assertEqual(
                    self.run_client(client("clock", "client", "3", "20")),
                    "tick 1\ntick 2\ntick 3\n3 clocks compared, they are slow\n",
                )

    def test_frames(self):
        for server, client in PAIRS:
            with self.running(server, client, "frames", "demo.camera"):
                for size in ("32", "160"):
                    self.assertEqual(
                        self.run_client(client("frames", "client", "20", size, size)),
                        f"20 frames of {size} x {size}, 0 damaged\n",
                    )

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "one").write_text("written by hand\n")
            pathlib.Path(folder, "link").symlink_to("/etc/passwd")
            for server, client in PAIRS:
                with self.running(server, client, "files", "demo.files", folder):
                    say = self.run_client
                    self.assertEqual(say(client("files", "client", "one")), "written by hand\n")
                    self.assertEqual(say(client("files", "client", "two", "from afar")), "")
                    self.assertEqual(pathlib.Path(folder, "two").read_text(), "from afar")
                    listed = sorted(say(client("files", "client")).split())
                    self.assertEqual(listed, ["link", "one", "two"])
                    bad = say(client("files", "client", "../one"), status=1)
                    self.assertEqual(
                        bad, 'open: files.BadName: "../one" is not the name of a file\n'
                    )
                    none = say(client("files", "client", "three"), status=1)
                    self.assertEqual(none, "open: three: No such file or directory\n")
