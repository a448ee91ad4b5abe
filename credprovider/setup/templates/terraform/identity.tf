
resource "azurerm_user_assigned_identity" "pull" {
  name                = var.identity_name
  resource_group_name = var.identity_resource_group
  location            = coalesce(var.location, data.azurerm_kubernetes_cluster.this.location)
}
