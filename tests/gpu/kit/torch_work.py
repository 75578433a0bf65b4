# SPDX-License-Identifier: Apache-2.0
"""PyTorch's work for throughput.py: reads "WORK SECONDS", works for so long, says how often a second."""
import json
import sys
import time

import torch


def make_gemm():
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)


def make_step():
    model = torch.nn.Sequential(torch.nn.Linear(1024, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 2048),
                                torch.nn.ReLU(), torch.nn.Linear(2048, 100)).cuda()
    optimizer = torch.optim.AdamW(model.parameters())
    x, y = torch.randn(256, 1024, device="cuda"), torch.randint(0, 100, (256,), device="cuda")

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return step


def make_graph():
    x = torch.randn(512, 512, device="cuda")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.tanh(x @ x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = x
        for _ in range(20):
            y = torch.tanh(y @ x)
    return graph.replay


makers = {"gemm": make_gemm, "step": make_step, "graph": make_graph}
works = {}
torch.cuda.init()
print(json.dumps({"ready": torch.__version__}), flush=True)
for line in sys.stdin:
    name, seconds = line.split()
    if name not in works:
        works[name] = makers[name]()
        for _ in range(10):
            works[name]()
    work, count = works[name], 0
    torch.cuda.synchronize()
    begun = time.perf_counter()
    end = begun + float(seconds)
    while time.perf_counter() < end:
        for _ in range(20):
            work()
        torch.cuda.synchronize()
        count += 20
    print(json.dumps({"per_s": count / (time.perf_counter() - begun)}), flush=True)
