#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes peer.safetensors with the format's own library, for our reader to read.

    python3 -m venv venv && venv/bin/pip install numpy safetensors && venv/bin/python make.py
"""
import pathlib

import numpy as np
from safetensors.numpy import save_file

save_file({
    "b.weight": np.arange(12, dtype=np.float32).reshape(3, 4) / 4,
    "a.bias": np.array([1.5, -2.0, 65504.0], dtype=np.float16),
    "steps": np.array(123456789012345, dtype=np.int64),
    "flags": np.array([True, False, True]),
    "naïve \"name\"\t/": np.array([[7]], dtype=np.uint8),
    "doubles": np.linspace(0, 1, 5, dtype=np.float64),
    "small": np.array([-1, 300], dtype=np.int16),
}, pathlib.Path(__file__).with_name("peer.safetensors"), metadata={"made by": "safetensors", "ünï": "\\ \"x\""})
