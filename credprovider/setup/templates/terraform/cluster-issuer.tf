
# The cluster is yours and only read here; it must have its OIDC issuer switched on (oidc_issuer_enabled = true).
data "azurerm_kubernetes_cluster" "this" {
  name                = var.cluster
  resource_group_name = var.resource_group

  lifecycle {
    postcondition {
      condition     = self.oidc_issuer_enabled
      error_message = "Switch the OIDC issuer on first: oidc_issuer_enabled = true, or az aks update --enable-oidc-issuer."
    }
  }
}
