"""Competitors that need no framework."""

import time


class Quick:
    """Its loss falls; a step takes about a millisecond."""

    parameters = 101_770

    def __init__(self):
        self.done = 0

    def steps(self, number):
        self.done += number
        time.sleep(number / 1000)
        return 2 / self.done


class Stuck(Quick):
    def steps(self, number):
        return 1.0


class Small(Quick):
    parameters = 3


def build(workload):
    return Quick()


def build_stuck(workload):
    return Stuck()


def build_small(workload):
    return Small()


def build_missing(workload):
    import no_such_framework  # noqa: F401


def build_broken(workload):
    print("what a library prints is no answer")
    raise ValueError("kernels are round")
