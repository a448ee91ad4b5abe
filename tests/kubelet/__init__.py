"""The kubelet's own code as judge: of the vectors, of our restatement of its rules, and of the built executable."""
