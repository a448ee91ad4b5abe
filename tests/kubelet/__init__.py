"""The kubelet's own code as judge: of the vectors, of our restatement of its rules, and of the built executable.

Variables of the environment:

- ``KUBELET_CASES``: how many cases are generated for each comparison, 2,000 by default; simple rules get ten times as
  many. An eighth as many more come from a seed that no run has had before.
- ``KUBELET_SEED``: that seed, to repeat a run. Pytest's header and every failure tell it.
- ``KUBELET_CACHE``: where what Go builds is kept, ``.cache/kubelet`` by default.
- ``KUBERNETES_VERSIONS``: which kubelets judge instead of the pinned ones, e.g. ``"1.33.13 1.36.3"``.
"""
