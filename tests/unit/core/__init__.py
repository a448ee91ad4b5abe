"""The core: everything between the request on stdin and the first socket."""
