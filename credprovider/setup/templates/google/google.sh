#!/usr/bin/env bash
# Google's side of pulling from Artifact Registry with an Azure identity, mode @{mode}; made by `@{program} setup`.
# What is there already stays; it can be run again at any time. Needs gcloud, logged in.
set -euo pipefail

PROJECT=@{project}
POOL=@{pool}
PROVIDER=@{provider}
ISSUER=@{issuer}
AUDIENCE=@{audience}
MAPPING=@{mapping}
CONDITION=@{condition}
REPOSITORY=@{repository}
REPOSITORY_LOCATION=@{repository_location}
REPOSITORY_PROJECT=@{repository_project}
MEMBERS=(
@{members}
)

say() { printf '%s\n' "$*" >&2; }
die() { say "google.sh: $*"; exit 1; }
google() { gcloud "$@" --project="$PROJECT" --quiet; }

command -v gcloud >/dev/null || die "gcloud is not installed"
FOUND=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)')
[ "$FOUND" = @{project_number} ] ||
    die "project $PROJECT is not number @{project_number}, which the credential file names"

google services enable iamcredentials.googleapis.com sts.googleapis.com iam.googleapis.com

# gcloud does not tell "not there" from other failures by its exit code; `list` does, as it then answers nothing.
FOUND=$(google iam workload-identity-pools list --location=global --show-deleted --filter="name~/$POOL\$" --format='value(name)')
if [ -z "$FOUND" ]; then
    say "making the pool $POOL"
    google iam workload-identity-pools create "$POOL" --location=global
fi

provider=("$PROVIDER" --location=global --workload-identity-pool="$POOL")
content=(--issuer-uri="$ISSUER" --allowed-audiences="$AUDIENCE" --attribute-mapping="google.subject=$MAPPING" --attribute-condition="$CONDITION")
FOUND=$(google iam workload-identity-pools providers list --location=global --workload-identity-pool="$POOL" --show-deleted --filter="name~/$PROVIDER\$" --format='value(name)')
if [ -z "$FOUND" ]; then
    say "making the provider $PROVIDER"
    google iam workload-identity-pools providers create-oidc "${provider[@]}" "${content[@]}"
fi

# A provider may serve others as well: it is compared, and never changed behind their backs.
same=yes
compare() {
    local known
    known=$(google iam workload-identity-pools providers describe "${provider[@]}" --format="$2")
    [ "$known" != "$3" ] || return 0
    say "$1 of provider $PROVIDER is not as wanted:"
    say "  there   $known"
    say "  wanted  $3"
    same=no
}
compare issuer 'value(oidc.issuerUri)' "$ISSUER"
compare audience 'value(oidc.allowedAudiences)' "$AUDIENCE"
compare 'attribute mapping' 'value(attributeMapping["google.subject"])' "$MAPPING"
compare 'attribute condition' 'value(attributeCondition)' "$CONDITION"
if [ "$same" != yes ]; then
    say "If nobody else needs it as it is:"
    printf '  gcloud' >&2
    printf ' %q' iam workload-identity-pools providers update-oidc "${provider[@]}" "${content[@]}" --project="$PROJECT" >&2
    printf '\n' >&2
    die "nothing was granted"
fi
@{grants}
say "done; a grant takes a minute or two to be in force"
