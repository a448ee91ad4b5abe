"""Writes the generated parts of the documentation: ``python -m docs.generate``, from data and from the program itself.

A page marks such a part by two comments, and everything around them is written by hand::

    <!-- generated: help node install -->
    …
    <!-- end -->

The parts are checked in, so that the pages can be read where they lie; `tests/docs` fails when one is not current.
"""
