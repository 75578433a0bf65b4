# SPDX-License-Identifier: Apache-2.0
"""jax_smoke.py SLICE-BYTES: JAX in a slice; it takes three quarters of what it is shown at once."""
import json
import sys

import jax
import jax.numpy as jnp


def say(what, ok, note=""):
    print(json.dumps({"what": what, "ok": bool(ok), "note": str(note)}), flush=True)


device = jax.devices()[0]
say("it finds the GPU", device.platform in ("gpu", "cuda"), f"jax {jax.__version__}: {device}")
stats = device.memory_stats() or {}
say("its own limit is of the slice", 0 < stats.get("bytes_limit", 0) <= int(sys.argv[1]), stats.get("bytes_limit"))
a = jax.random.normal(jax.random.PRNGKey(0), (512, 512))
say("a product", bool(jnp.allclose(a @ jnp.eye(512), a, atol=1e-2)))
step = jax.jit(jax.value_and_grad(lambda w: jnp.mean((a @ w - 1) ** 2)))
w = jnp.zeros((512, 1))
losses = []
for _ in range(20):
    loss, slope = step(w)
    w = w - 0.05 * slope
    losses.append(float(loss))
say("training", losses[-1] < losses[0], f"loss {losses[0]:.3f} to {losses[-1]:.3f}")
