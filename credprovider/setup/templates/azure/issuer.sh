
# --- the cluster's OIDC issuer ---------------------------------------------------------------------------------------

ENABLED=$(azure aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query oidcIssuerProfile.enabled --output tsv)
if [ "$ENABLED" != true ]; then
    say "switching on the OIDC issuer of $CLUSTER; this takes minutes and cannot be undone"
    azure aks update --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --enable-oidc-issuer --output none
fi
ISSUER=$(azure aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query oidcIssuerProfile.issuerUrl --output tsv)
[[ $ISSUER =~ ^https://[A-Za-z0-9./_-]+$ ]] || die "the cluster shows no OIDC issuer"
