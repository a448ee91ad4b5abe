"""What PyInstaller cannot see of pydantic: modules it imports by name; version 1 and the mypy plugin stay out."""

from PyInstaller.utils.hooks import collect_submodules

_OLD = ("pydantic.v1", "pydantic.mypy")

hiddenimports = collect_submodules("pydantic", filter=lambda name: not name.startswith(_OLD))
