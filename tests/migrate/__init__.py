"""`setup migrate`: on the guide's own manifests and many others, its plans carried out."""
