# SPDX-License-Identifier: Apache-2.0
"""The conformance tests that hold the simulated drivers to the real ones: plain, and in a slice."""
import json
import os
import re


OF_THE_SLICE = ("library", "device.bytes", "context.used-bytes")


def alike(a, b):
    """Times are never quite the same."""
    if isinstance(a, float) and isinstance(b, (int, float)):
        return abs(a - b) <= 0.2 * abs(a)
    return a == b


def count(part, what, done, checks, surprises):
    lines = [line for line in (done.err + done.out).splitlines() if line.startswith("surprise at")]
    part.row(what, surprises, "surprises", 0, None, f"{checks} checks" + "".join("; " + line for line in lines[:4]),
             failed=done.rc != 0)


def nvml(part, what, done):
    told = re.search(r"(\d+) checks, (\d+) surprises", done.out)
    if done.rc == 77:
        part.skip(what, done.out.strip())
    elif not told:
        part.fail(what, done.why())
    else:
        count(part, what, done, int(told[1]), int(told[2]))
    return done.out.splitlines()


def cuda(part, what, done):
    try:
        seen = json.loads(done.out)
    except json.JSONDecodeError:
        part.fail(what, done.why())
        return {"broken": done.out[-4000:]}
    count(part, what, done, seen["checks"], seen["surprises"])
    return seen


def run(part):
    world = part.world
    cuda_program, nvml_program = world.program("cuda-conformance"), world.program("nvml-conformance")
    answers = {"machine": world.identity}
    answers["nvml"] = nvml(part, "NVML, plain", part.run([nvml_program], most=60))
    answers["plain"] = cuda(part, "CUDA, plain", part.run([cuda_program], most=90))
    answers["slice"] = cuda(part, "CUDA, in a slice", part.in_slice([cuda_program], most=90, memory="16GiB",
                                                                    compute="50%"))
    with open(os.path.join(world.out, "answers.json"), "w", encoding="utf-8") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")
    differ = [name for name in answers["plain"] if name not in OF_THE_SLICE and
              not alike(answers["plain"][name], answers["slice"].get(name))]
    part.row("answers that are others in a slice", len(differ), "answers", None, None, ", ".join(differ[:8]))
