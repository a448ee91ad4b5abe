
resource "google_artifact_registry_repository_iam_member" "pull" {
  for_each = local.members

  project    = var.repository_project
  location   = var.repository_location
  repository = var.repository
  role       = "roles/artifactregistry.reader"
  member     = each.value
}
