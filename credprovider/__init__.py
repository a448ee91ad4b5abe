"""The kubelet credential provider for AKS nodes that pull from Google Artifact Registry.

Nothing is imported here: every exec of the plugin pays for what this file does.
"""

__version__ = "0.1.0"
