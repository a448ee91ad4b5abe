"""The built bundle: that it runs where a kubelet would run it, and that its build is judged rightly."""
