"""States of main that people may have data of: each release, and before the first one the last state of each schema.

A release adds its line here (CONTRIBUTING.md), so that its data is upgraded by every later version.
"""

RELEASED = {"0.1.0": "0d1ab637053da5c35878e43658f4a249ce987107"}
BEFORE = {
    "schema 7": "1c6a3f0bc6",
    "schema 6": "0a9828b159",
    "schema 5": "8dcad1b8e2",
    "schema 4": "634ef67937",
}
"""By the last schema file; events and formats have changed in between, too."""
