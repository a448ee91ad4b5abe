"""`node status`: what is installed, what the kubelet has loaded, what is unfinished, and how the last run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from credprovider.errors import ProviderError
from credprovider.node import bundle as bundles
from credprovider.node.change import read_journal
from credprovider.node.edit import entry_of
from credprovider.node.loaded import is_loaded
from credprovider.node.outcome import read_outcome
from credprovider.node.refusal import disk_refusal
from credprovider.node.site import find_site
from credprovider.node.wanted import wanted_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from credprovider.node.host import Host
    from credprovider.node.site import Site


def status(host: Host, instance: str | None, flags: Sequence[str] = ()) -> dict[str, Any]:
    """Everything at once, as JSON values; touches nothing.

    ``installed`` is True when bundle, settings and entry are whole and the kubelet, if there is one, has loaded them;
    ``problems`` says in one line each why not.
    """
    found: dict[str, Any] = {"installed": False, "problems": [], "lastRun": read_outcome(host, instance)}
    problems: list[str] = found["problems"]
    try:
        site = find_site(host, instance, flags=flags)
        found |= _kubelet(site)
        for part in (_bundle, _entry, _settings, _memory):
            found |= part(site, problems)
    except ProviderError as error:
        problems.append(error.line())
    except OSError as error:
        problems.append(disk_refusal(error).line())
    found["installed"] = not problems
    return found


def _kubelet(site: Site) -> dict[str, Any]:
    kubelet = site.kubelet
    shown = {"version": kubelet.version, "config": kubelet.config, "binDir": kubelet.bin_dir}
    return {"provider": site.places.provider, "kubelet": shown}


def _bundle(site: Site, problems: list[str]) -> dict[str, Any]:
    host, places = site.host, site.places
    linked = bundles.linked(host, places)
    if linked is None:
        problems.append(f"{places.link} does not lead to a bundle")
    else:
        folder, version = bundles.folder_of(places, linked), linked.rpartition("-")[0]
        try:
            if not bundles.is_whole(host, places, bundles.read_bundle(host.root + host.follow(folder), version)):
                problems.append(f"{folder} is not as it was installed")
        except ProviderError as error:
            problems.append(error.line())
    return {"bundle": linked, "bundles": bundles.installed(host, places)}


def _entry(site: Site, problems: list[str]) -> dict[str, Any]:
    entry = entry_of(site.config() or b"", site.places.provider)
    if entry is None:
        problems.append(f"{site.places.config} does not list {site.places.provider}")
        return {"entry": None, "loaded": False}
    loaded = None
    if site.host.is_live:
        loaded = is_loaded(site, site.memory().of(site.places.provider), entry.digest)
        if not loaded:
            problems.append("the running kubelet has not loaded the entry")
    return {"entry": entry.fields, "loaded": loaded}


def _settings(site: Site, problems: list[str]) -> dict[str, Any]:
    try:
        settings = wanted_settings(site.host, site.places, site.kubelet.environ, None).settings
    except ProviderError as error:
        problems.append(error.line())
        return {"settings": None}
    shown = {"source": settings.source, "registries": settings.registry_texts, "warnings": settings.warnings}
    return {"settings": {"path": site.places.config_json, **shown}}


def _memory(site: Site, problems: list[str]) -> dict[str, Any]:
    record = site.memory().of(site.places.provider)
    change = read_journal(site.host, site.places.journal)
    if change is not None:
        problems.append(f"{change.action} of {change.provider} is unfinished; the next run finishes or undoes it")
    if record.rejected:
        problems.append(f"a combination was rolled back: {record.rejected.get('reason')}")
    return {
        "version": record.version or None,
        "restarts": record.restarts,
        "rollbacks": record.rollbacks,
        "driftRepairs": record.repairs,
        "rejected": record.rejected or None,
        "unfinished": change.action if change is not None else None,
    }


def status_text(found: dict[str, Any]) -> str:
    """For a person; ends in a newline."""
    kubelet, entry, settings = found.get("kubelet") or {}, found.get("entry") or {}, found.get("settings") or {}
    rows = [
        ("provider", found.get("provider")),
        ("kubelet", kubelet.get("version")),
        ("config", kubelet.get("config")),
        ("version", found.get("version")),
        ("bundle", found.get("bundle")),
        ("images", ", ".join(entry.get("matchImages", []))),
        ("source", settings.get("source")),
        ("loaded", {True: "yes", False: "no"}.get(found.get("loaded"))),  # type: ignore[arg-type]
    ]
    counters = [f"{found[name]} {text}" for name, text in _COUNTERS.items() if found.get(name) is not None]
    lines = [f"{name:<10}{value}" for name, value in [*rows, ("so far", ", ".join(counters))] if value]
    last = found.get("lastRun")
    if last:
        lines.append(f"last run  {last['action']}: {last['line'] or 'good'}")
    lines += [f"problem   {problem}" for problem in found["problems"]]
    lines.append("installed" if found["installed"] else "not installed, or not as it should be")
    return "\n".join(lines) + "\n"


_COUNTERS = {"restarts": "kubelet restarts", "rollbacks": "rollbacks", "driftRepairs": "drift repairs"}
