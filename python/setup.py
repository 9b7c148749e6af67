# SPDX-License-Identifier: MIT
"""Builds what pyproject.toml cannot describe: the extension, which needs the installed libipc, and
protobuf's modules of the messages that all services share."""

import pathlib
import re
import shlex
import subprocess

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

SHARED = ["ipc/ipc.proto", "ipc/options.proto"]


def libipc(what: str, package: str = "libipc") -> list[str]:
    said = subprocess.run(["pkg-config", what, package], check=True, stdout=subprocess.PIPE)
    return shlex.split(said.stdout.decode())


class BuildMessages(build_py):
    def run(self) -> None:
        super().run()
        (protos,) = libipc("--variable=protodir")
        out = self.build_lib
        subprocess.run(
            ["protoc", "-I", protos, f"--python_out={out}", f"--pyi_out={out}", *SHARED], check=True
        )
        # protoc declares a class for ipc.None, which is a syntax error.
        types = pathlib.Path(out, "ipc", "ipc_pb2.pyi")
        types.write_text(re.sub(r"(?ms)^class None\(.*?^$\n", "", types.read_text()))


setup(
    cmdclass={"build_py": BuildMessages},
    ext_modules=[
        Extension(
            "ipcbus._core",
            sorted(map(str, pathlib.Path("core").glob("*.c"))),
            depends=["core/core.h"],
            extra_compile_args=["-fvisibility=hidden", *libipc("--cflags")],
            extra_link_args=libipc("--libs", "libipc-test"),
            py_limited_api=True,
        )
    ],
    # The version of Py_LIMITED_API in core/core.h and of requires-python.
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
