"""Where the first token comes from, one module a source; for `answer` alone, must not know the kubelet or Google.

Each source answers in three ways: None when it is not the one that settings chose, an error when it is and fails, else
a token. Settings choose one; it never falls through to another.
"""
