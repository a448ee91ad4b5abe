"""`setup`: from a few answers to everything a cluster and the registry's owner need; executes nothing."""
