# SPDX-License-Identifier: Apache-2.0
"""The smallest process of a tenant: it speaks to the gate as the layer does, and uses no device.

As a program it attaches with its environment, asks for the device, says so, and holds it for ever.
"""
import mmap
import os
import socket
import struct
import sys
import time

# struct dv_msg and struct dv_grant of wire/gate.h.
MAGIC, VERSION, HELLO, WELCOME, WANT = 0x59565644, 1, 1, 2, 8
MESSAGE = struct.Struct("=IHHQQQQ32s")
HELD = 2


class Attached:
    def __init__(self, path, nonce):
        self.nonce = nonce.encode()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.say(HELLO, 1, os.getpid())
        answer, descriptors, _, _ = socket.recv_fds(self.socket, MESSAGE.size, 2)
        assert MESSAGE.unpack(answer)[2] == WELCOME and len(descriptors) == 2, answer
        self.page = mmap.mmap(descriptors[0], 4096, mmap.MAP_SHARED, mmap.PROT_READ)
        for descriptor in descriptors:
            os.close(descriptor)

    def say(self, what, a=0, b=0):
        self.socket.send(MESSAGE.pack(MAGIC, VERSION, what, 0, a, b, 0, self.nonce))

    def want(self):
        self.say(WANT, struct.unpack_from("=I", self.page, 8)[0])

    def held(self):
        return bool(struct.unpack_from("=I", self.page, 12)[0] & HELD)

    def until_held(self, seconds=10):
        """Look 10,000 times a second; returns when it was, by time.monotonic()."""
        end = time.monotonic() + seconds
        while not self.held():
            if time.monotonic() > end:
                raise TimeoutError(f"no turn within {seconds} s")
            time.sleep(1e-4)
        return time.monotonic()


def attach(environment):
    return Attached(environment["DIVVY_LEASE_SOCKET"], environment["DIVVY_LEASE_NONCE"])


if __name__ == "__main__":
    mine = attach(os.environ)
    mine.want()
    mine.until_held()
    print("held", flush=True)
    sys.stdin.read()
