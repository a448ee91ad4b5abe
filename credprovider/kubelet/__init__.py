"""The kubelet's own rules restated in Python; cold code, used by people's commands and never by the plugin."""
