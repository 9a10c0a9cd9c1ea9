"""Lamina: build, run, understand and shrink container images, with no daemon."""

from __future__ import annotations

__version__ = "0.1.0"
