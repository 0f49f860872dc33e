"""Traces held against the kernel: rulesets loaded in a scratch namespace, real packets sent."""
