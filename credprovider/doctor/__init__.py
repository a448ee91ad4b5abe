"""Walks every hop between a pod's image and its credential, and says which one fails, why, and what mends it."""
