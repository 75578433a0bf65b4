# SPDX-License-Identifier: Apache-2.0
"""The cases of `divvy bench cuda/`: the bench's own, with a slice of the gate for each tenant."""
import json
import os

SPLITS = ("50:50", "30:70", "10:90")
LENGTHS = ("5us", "1ms", "10ms", "mixed")
ALIKE = ["cuda/share/30:70/1ms", "cuda/share/30:70/mixed", "cuda/share/10:90/1ms/sync"]
HAMI = ["cuda/cap/1ms/sync", "cuda/cap/graph/sync", "cuda/gate/alone/1ms/sync", "cuda/start/10"]


def chosen(part, prefixes, how="divvy"):
    world = part.world
    words = [world.program("cases"), "--socket", world.dir, "--limit", str(max(1, int(part.left()) - 3))]
    seen = []

    def line(text):
        result = json.loads(text)
        what = result["case"] + (f" {result['metric']}" if "metric" in result else "")
        what = what if how == "divvy" else f"{how}: {what}"
        seen.append(what)
        if "failed" in result:
            part.fail(what, result["failed"])
        elif "skipped" in result:
            part.skip(what, result["skipped"])
        else:
            # Goals are divvy's.
            part.row(what, result["value"], result["unit"], result.get("goal") if how == "divvy" else None,
                     result.get("baseline"), f"{result['n']} runs, spread {result['spread']:.3g}" if result["n"] > 1 else "")

    done = part.run(words + (["--quick"] if world.quick else []) + prefixes, world.slice_env(how), most=part.left(),
                    on_line=line)
    if done.rc != 0 and not done.late:
        part.fail(" ".join(prefixes), done.why())
    elif not seen:
        part.skip(" ".join(prefixes), "none of these cases is a part of --quick" if world.quick else done.why())


def gate(part):
    chosen(part, ["cuda/gate/launch", "cuda/gate/alone"])


def shared(part):
    chosen(part, ["cuda/gate/shared"])


def share(part):
    chosen(part, [f"cuda/share/{split}/{length}" for split in SPLITS for length in LENGTHS])


def three(part):
    chosen(part, [f"cuda/share/20:30:50/{length}" for length in LENGTHS] + ["cuda/cap/200ms"])


def cap(part):
    chosen(part, [f"cuda/cap/{length}" for length in ("5us", "1ms", "10ms", "graph")])


def long(part):
    chosen(part, [f"cuda/share/{split}/200ms" for split in ("30:70", "10:90", "20:30:50")])


def latency(part):
    chosen(part, ["cuda/latency"])


def memory(part):
    chosen(part, ["cuda/memory"])


def start(part):
    chosen(part, ["cuda/start/10"])  # 10 and 100
    chosen(part, ["cuda/start/300"])


def start_more(part):
    chosen(part, ["cuda/start/apart", "cuda/start/contexts"])


def others(part):
    chosen(part, ALIKE, "plain")
    library = part.world.env.get("HAMI_CORE", "")
    if os.path.isfile(library):
        chosen(part, ALIKE + HAMI, "hami")
    else:
        part.skip("hami", f"HAMI_CORE is no file: '{library}'" if library else
                  "HAMI_CORE does not name HAMi-core's library")
