# SPDX-License-Identifier: Apache-2.0
"""tensorflow_smoke.py SLICE-BYTES: TensorFlow in a slice; one line of JSON for each check."""
import json

import tensorflow as tf


def say(what, ok, note=""):
    print(json.dumps({"what": what, "ok": bool(ok), "note": str(note)}), flush=True)


gpus = tf.config.list_physical_devices("GPU")
say("it finds the GPU", gpus, f"tensorflow {tf.__version__}")
if gpus:
    with tf.device("/GPU:0"):
        a = tf.random.normal((512, 512))
        say("a product", float(tf.reduce_max(tf.abs(tf.matmul(a, tf.eye(512)) - a))) < 1e-2)
        w = tf.Variable(tf.zeros((512, 1)))
        first = last = None
        for _ in range(20):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((tf.matmul(a, w) - 1.0) ** 2)
            w.assign_sub(0.05 * tape.gradient(loss, w))
            last = float(loss)
            first = last if first is None else first
        say("training", last < first, f"loss {first:.3f} to {last:.3f}")
