
# --- on the machines of every node pool. AKS may drop it when a pool is made anew: run this again then ---------------

IDENTITY_ID=$(azure identity show --resource-group "$IDENTITY_GROUP" --name "$IDENTITY" --query id --output tsv)
NODE_GROUP=$(azure aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query nodeResourceGroup --output tsv)
SCALE_SETS=$(azure vmss list --resource-group "$NODE_GROUP" --query '[].name' --output tsv)
[ -n "$SCALE_SETS" ] || die "$NODE_GROUP has no scale sets: this cluster's nodes take no identity of yours. Choose another mode"
while read -r scale_set; do
    say "giving $IDENTITY to $scale_set"
    azure vmss identity assign --resource-group "$NODE_GROUP" --name "$scale_set" --identities "$IDENTITY_ID" --output none </dev/null
done <<<"$SCALE_SETS"
