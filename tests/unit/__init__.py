"""Tests of single modules, without the loopback cloud."""
