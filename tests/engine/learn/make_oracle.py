#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes oracle.h: what river, SciPy and scikit-learn say of the streams and values that tests/engine/learn makes again
with the engine's own random numbers.

    python3 -m venv venv && venv/bin/pip install river scipy scikit-learn && venv/bin/python make_oracle.py >oracle.h
"""
import river
import scipy.stats
import sklearn.metrics
from river import drift

MASK = (1 << 64) - 1


def mix(z):
    z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & MASK
    z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & MASK
    return z ^ (z >> 31)


def uniform(seed, index):
    """engine/kernels/random.c"""
    start = mix((seed + 0x632be59bd9b4e019) & MASK)
    return (mix((start + index * 0x9e3779b97f4a7c15) & MASK) >> 11) * 2.0 ** -53


# seed, then (values, mean shift) one after another
STREAMS = [
    (1, [(4000, 0.0)]),
    (2, [(1000, 0.0), (1000, 0.5)]),
    (3, [(2000, 0.0), (500, 1.0), (2000, 0.2)]),
    (4, [(300, 0.0), (300, 0.3), (300, 0.6), (300, 0.9), (300, 1.2)]),
    (5, [(3000, 1.0), (3000, 0.0)]),
    (6, [(1500, 0.0), (1500, 0.08)]),
]


def stream(seed, parts):
    at = 0
    for values, shift in parts:
        for _ in range(values):
            yield shift + uniform(seed, at)
            at += 1


def alarms(detector, values):
    found = []
    for at, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            found.append(at)
    return found


def put_alarms(name, make):
    print(f"static const struct {{\n    int n, at[16];\n}} {name}[] = {{")
    for seed, parts in STREAMS:
        found = alarms(make(), stream(seed, parts))
        print(f"    {{{len(found)}, {{{', '.join(map(str, found)) or 0}}}}},")
    print("};\n")


print("/* SPDX-License-Identifier: Apache-2.0")
print(f" * Made by make_oracle.py: river {river.__version__}, SciPy {scipy.__version__}, "
      f"scikit-learn {sklearn.__version__}. */\n")
print("static const struct {\n    uint64_t seed;\n    struct {\n        int values;\n        double shift;\n"
      "    } parts[6];\n} streams[] = {")
for seed, parts in STREAMS:
    print(f"    {{{seed}, {{{', '.join(f'{{{values}, {shift}}}' for values, shift in parts)}}}}},")
print("};\n")
put_alarms("page_hinkley_alarms", lambda: drift.PageHinkley(min_instances=30, delta=0.005, threshold=20.0,
                                                           alpha=0.9999, mode="up"))
put_alarms("adwin_alarms", lambda: drift.ADWIN())
print("static const struct {\n    double t, freedom, tail;\n} t_tails[] = {")
for t in (-40.0, -3.0, -0.5, 0.0, 1e-9, 0.1, 1.0, 1.96, 2.5, 6.0, 40.0):
    for freedom in (1, 2, 5, 30, 99, 1000, 1e6):
        print(f"    {{{t}, {freedom}, {scipy.stats.t.sf(t, freedom)!r}}},".replace("np.float64(", "").replace(")}", "}"))
print("};\n")
print("static const struct {\n    uint64_t seed;\n    uint32_t classes;\n    double agree, accuracy, kappa;\n} kappas[] = {")
for seed, classes, agree in ((11, 2, 0.5), (12, 2, 0.9), (13, 10, 0.7), (14, 5, 0.0), (15, 3, 1.0)):
    actual = [int(uniform(seed, 3 * i) ** 2 * classes) for i in range(500)]
    predicted = [a if uniform(seed, 3 * i + 1) < agree else int(uniform(seed, 3 * i + 2) * classes)
                 for i, a in enumerate(actual)]
    accuracy = float(sklearn.metrics.accuracy_score(actual, predicted))
    kappa = float(sklearn.metrics.cohen_kappa_score(actual, predicted))
    print(f"    {{{seed}, {classes}, {agree}, {accuracy!r}, {kappa!r}}},")
print("};")
