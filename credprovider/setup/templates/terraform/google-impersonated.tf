
resource "google_service_account" "pull" {
  account_id                   = split("@", var.google_service_account)[0]
  project                      = var.google_service_account_project
  create_ignore_already_exists = true

  # It may have been there before, and then others may use it.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_service_account_iam_member" "pull" {
  for_each = local.members

  service_account_id = google_service_account.pull.name
  role               = "roles/iam.workloadIdentityUser"
  member             = each.value
}

resource "google_artifact_registry_repository_iam_member" "pull" {
  project    = var.repository_project
  location   = var.repository_location
  repository = var.repository
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.pull.member
}
