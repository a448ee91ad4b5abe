"""Brings the bundle to a node and keeps it there: cold code for `node install | uninstall | status | run`."""
