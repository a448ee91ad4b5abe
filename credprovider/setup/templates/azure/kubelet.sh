
# --- the kubelet's identity, which every node of the cluster has -----------------------------------------------------

CLIENT_ID=$(azure aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query identityProfile.kubeletidentity.clientId --output tsv)
PRINCIPAL_ID=$(azure aks show --resource-group "$RESOURCE_GROUP" --name "$CLUSTER" --query identityProfile.kubeletidentity.objectId --output tsv)
