"""Declaration of the commands and stores of quaterion-serving; imports nothing heavy."""

from __future__ import annotations

quaterion_api = 1
