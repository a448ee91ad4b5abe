"""The node installer: trees, a stand-in for systemd and kubelet, and every way to be interrupted."""
