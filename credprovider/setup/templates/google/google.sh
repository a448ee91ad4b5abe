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
show() {
    printf '  gcloud' >&2
    printf ' %q' "$@" --project="$PROJECT" >&2
    printf '\n' >&2
}

command -v gcloud >/dev/null || die "gcloud is not installed"
FOUND=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)')
[ "$FOUND" = @{project_number} ] ||
    die "project $PROJECT is not number @{project_number}, which the credential file names"

google services enable iamcredentials.googleapis.com sts.googleapis.com iam.googleapis.com

# Whoever deleted or disabled a pool or a provider had a reason: both are looked at, and never changed.
stop() {
    say "$1. If it is to be used, this puts it in force again:"
    shift
    show "$@"
    die "nothing was granted"
}

# gcloud does not tell "not there" from other failures by its exit code; `list` does, as it then answers nothing.
pool=("$POOL" --location=global)
FOUND=$(google iam workload-identity-pools list --location=global --show-deleted --filter="name~/$POOL\$" --format='value(state,disabled)')
case $FOUND in
'')
    say "making the pool $POOL"
    google iam workload-identity-pools create "${pool[@]}"
    ;;
ACTIVE | $'ACTIVE\t' | $'ACTIVE\tFalse') ;;
ACTIVE*) stop "the pool $POOL is disabled" iam workload-identity-pools update "${pool[@]}" --no-disabled ;;
DELETED*) stop "the pool $POOL is deleted" iam workload-identity-pools undelete "${pool[@]}" ;;
*) die "the pool $POOL is in the state $FOUND" ;;
esac

provider=("$PROVIDER" --location=global --workload-identity-pool="$POOL")
content=(--issuer-uri="$ISSUER" --allowed-audiences="$AUDIENCE" --attribute-mapping="google.subject=$MAPPING" --attribute-condition="$CONDITION")
FOUND=$(google iam workload-identity-pools providers list --location=global --workload-identity-pool="$POOL" --show-deleted --filter="name~/$PROVIDER\$" --format='value(state,disabled)')
case $FOUND in
'')
    say "making the provider $PROVIDER"
    google iam workload-identity-pools providers create-oidc "${provider[@]}" "${content[@]}"
    ;;
ACTIVE | $'ACTIVE\t' | $'ACTIVE\tFalse') ;;
ACTIVE*) stop "the provider $PROVIDER is disabled" iam workload-identity-pools providers update-oidc "${provider[@]}" --no-disabled ;;
DELETED*) stop "the provider $PROVIDER is deleted" iam workload-identity-pools providers undelete "${provider[@]}" ;;
*) die "the provider $PROVIDER is in the state $FOUND" ;;
esac

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
    show iam workload-identity-pools providers update-oidc "${provider[@]}" "${content[@]}"
    die "nothing was granted"
fi
@{grants}
say "done; a grant takes a minute or two to be in force"
