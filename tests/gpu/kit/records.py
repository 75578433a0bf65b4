# SPDX-License-Identifier: Apache-2.0
"""What divvy-burn-cuda leaves in its file: struct dv_cuda_record (src/bench/cuda-record.h), times, moments."""
import struct

HEAD, COUNT, EACH = 13, 6, 5  # words in all; which of them tell how many, and launches that one stands for


class Record:
    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        words = struct.unpack(f"<{len(data) // 8}Q", data)
        if len(words) != HEAD + 2 * words[COUNT]:
            raise ValueError(f"{path} is no record of this build")
        self.each = words[EACH]
        self.ended = words[HEAD + words[COUNT]:]  # moments in ns, ascending


def windows(ended, window_ns):
    """How many ended in each window, which begin in steps of a tenth of it."""
    start, step = ended[0], window_ns // 10
    while start + window_ns <= ended[-1]:
        yield sum(start < moment <= start + window_ns for moment in ended)
        start += step
