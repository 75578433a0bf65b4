# SPDX-License-Identifier: Apache-2.0
"""torch_smoke.py SLICE-BYTES: PyTorch in a slice of so many bytes; one line of JSON for each check."""
import json
import sys

import torch


def say(what, ok, note="", **more):
    print(json.dumps({"what": what, "ok": bool(ok), "note": str(note), **more}), flush=True)


wanted = int(sys.argv[1])
free, total = torch.cuda.mem_get_info()
say("mem_get_info", total == wanted and free <= total, f"{free} of {total}, torch {torch.__version__}")
say("get_device_properties", torch.cuda.get_device_properties(0).total_memory == wanted,
    torch.cuda.get_device_properties(0).name)

a = torch.randn(1024, 1024, device="cuda")
say("a product", torch.allclose((a @ a).cpu(), a.cpu() @ a.cpu(), atol=1e-1), "")

model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10)).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(512, 256, device="cuda"), torch.randint(0, 10, (512,), device="cuda")
losses = []
for _ in range(40):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
say("training", losses[-1] < losses[0], f"loss {losses[0]:.3f} to {losses[-1]:.3f}")

still = torch.randn(512, 512, device="cuda")
graph = torch.cuda.CUDAGraph()
side = torch.cuda.Stream()
side.wait_stream(torch.cuda.current_stream())
with torch.cuda.stream(side):
    still @ still
torch.cuda.current_stream().wait_stream(side)
with torch.cuda.graph(graph):
    out = still @ still + 1
still.copy_(torch.eye(512))
graph.replay()
torch.cuda.synchronize()
say("a CUDA graph's replay", torch.equal(out, torch.eye(512, device="cuda") + 1), "")

held, refused = [], ""
try:
    while len(held) < 4096:
        held.append(torch.empty(256 << 20, dtype=torch.uint8, device="cuda"))
except torch.OutOfMemoryError as error:
    refused = str(error).splitlines()[0][:150]
kept = torch.cuda.memory_reserved()
say("out of memory at the limit, as its own error", refused, refused)
say("what it could reserve", wanted - (2 << 30) < kept <= wanted, "", value=kept / (1 << 20), unit="MiB")
del held
torch.cuda.empty_cache()
say("memory after that", torch.cuda.mem_get_info()[0] > total - (3 << 30) and torch.ones(1 << 20, device="cuda").sum() > 0,
    f"{torch.cuda.mem_get_info()[0]} free")
