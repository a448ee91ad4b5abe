"""The kubelet's own rules restated in Python, byte for byte; cold code, used by people's commands and never by the plugin."""
