"""The image: its definition, the bills of materials, and what `./dev image` built, run by a real runtime."""
