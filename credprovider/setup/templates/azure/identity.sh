
# --- a managed identity of its own -----------------------------------------------------------------------------------

IDENTITY=@{identity}
IDENTITY_GROUP=@{identity_group}

# Ends with 0 or 1; az itself ends with 3 when a thing is not there, and otherwise for every other reason.
exists() {
    local code=0 complaint
    complaint=$(azure "$@" --output none 2>&1) || code=$?
    case $code in
    0) return 0 ;;
    3) return 1 ;;
    *) die "az $*: $complaint" ;;
    esac
}

if ! exists identity show --resource-group "$IDENTITY_GROUP" --name "$IDENTITY"; then
    say "making the managed identity $IDENTITY"
    azure identity create --resource-group "$IDENTITY_GROUP" --name "$IDENTITY"@{location} --output none
fi
CLIENT_ID=$(azure identity show --resource-group "$IDENTITY_GROUP" --name "$IDENTITY" --query clientId --output tsv)
PRINCIPAL_ID=$(azure identity show --resource-group "$IDENTITY_GROUP" --name "$IDENTITY" --query principalId --output tsv)
