"""A real kubelet, a real container runtime and the built executable, in front of the loopback cloud."""
