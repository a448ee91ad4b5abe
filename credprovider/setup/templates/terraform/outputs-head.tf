
# terraform output -json azure_outputs > ../azure-outputs.json
output "azure_outputs" {
  value = {
    subscriptionId = var.subscription
    tenantId       = var.tenant
