"""Faults between containers, and between this host and others."""

from trial import Fault

FAULTS: list[Fault] = []
