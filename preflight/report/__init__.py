"""Findings to text, json, yaml, junit and sarif. Pure: nothing here reads or writes a file."""
