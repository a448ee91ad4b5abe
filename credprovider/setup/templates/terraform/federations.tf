
# Name of the credential -> the ServiceAccount whose tokens Entra ID takes for the identity.
resource "azurerm_federated_identity_credential" "pull" {
  for_each = var.federations

  name                = each.key
  resource_group_name = azurerm_user_assigned_identity.pull.resource_group_name
  parent_id           = azurerm_user_assigned_identity.pull.id
  audience            = [var.federation_audience]
  issuer              = data.azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject             = each.value
}
