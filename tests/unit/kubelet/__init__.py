"""Our restatement of the kubelet's rules, against the vectors and cases whose verdicts the kubelet's own code gave."""
