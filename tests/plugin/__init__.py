"""The plugin against the loopback cloud: the same question asked of the package in this process and of the bundle."""
