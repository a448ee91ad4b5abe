"""A node with systemd of its own, laid out as AKS does: the installer and its DaemonSet at work on it."""
