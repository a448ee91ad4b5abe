"""The DaemonSet's manifests: what they render to, and whether Kubernetes and the product take it."""
