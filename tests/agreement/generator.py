"""Deterministic crowd generator for the cases big_*.json (splitmix64 on integers, the same on every numpy version).

big(**case["generator"]) -> item, annotator, label, truth : integer arrays, one entry per judgment (truth: per item).
"""

import numpy as np


def _mix(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _u(seed, a, b):
    with np.errstate(over="ignore"):
        h = _mix(_mix(np.uint64(seed) * np.uint64(1000003) + np.asarray(a, np.uint64)) + np.asarray(b, np.uint64))
        return (h >> np.uint64(11)).astype(np.float64) / 2**53


def big(seed, n_items, n_ann, q, kmin, kmax, prev):
    i = np.arange(n_items)
    k = kmin + np.floor(_u(seed, i, 1) * (kmax - kmin + 1)).astype(int)
    truth = np.where(_u(seed, i, 2) < prev, 0, 1 + np.floor(_u(seed, i, 3) * (q - 1)).astype(int))
    item = np.repeat(i, k)
    pos = np.arange(len(item)) - np.repeat(np.cumsum(k) - k, k)
    start = np.floor(_u(seed, i, 4) * n_ann).astype(int)
    step = 1 + np.floor(_u(seed, i, 5) * (n_ann // 6 - 1)).astype(int)
    ann = (start[item] + pos * step[item]) % n_ann
    acc = 0.80 + 0.19 * _u(seed, np.arange(n_ann), 6)
    ok = _u(seed, item, 100 + ann) < acc[ann]
    lab = np.where(ok, truth[item], (truth[item] + 1 + np.floor(_u(seed, item, 1000 + ann) * (q - 1)).astype(int)) % q)
    return item, ann, lab, truth
