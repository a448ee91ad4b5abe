#!/usr/bin/env bash
# Azure's side of pulls from Google Artifact Registry, mode @{mode}; made by `@{program} setup`.
# What is there already stays; it can be run again at any time. Writes azure-outputs.json beside itself, which holds no
# secret. Needs az, logged in.
set -euo pipefail

SUBSCRIPTION=@{subscription}
TENANT=@{tenant}
RESOURCE_GROUP=@{resource_group}
CLUSTER=@{cluster}
AZURE_CLOUD=@{azure_cloud}
OUTPUTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/azure-outputs.json

say() { printf '%s\n' "$*" >&2; }
die() { say "azure.sh: $*"; exit 1; }
azure() { az "$@" --subscription "$SUBSCRIPTION" --only-show-errors; }

command -v az >/dev/null || die "az is not installed"
FOUND=$(az cloud show --query name --output tsv)
[ "$FOUND" = "$AZURE_CLOUD" ] || die "az uses another cloud: az cloud set --name $AZURE_CLOUD"
FOUND=$(azure account show --query tenantId --output tsv)
[ "$FOUND" = "$TENANT" ] || die "subscription $SUBSCRIPTION is of another tenant than $TENANT"
