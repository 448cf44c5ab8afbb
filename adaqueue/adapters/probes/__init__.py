"""Probes: what turns a prompt into beliefs of its success, how they are fitted, kept and read back.

`heads` names the kinds, `fitting` fits and reads back any of them, `lora` adapts the base model too.
"""
