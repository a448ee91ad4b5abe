locals {
  issuer   = @{issuer}
  subjects = @{subjects}

  quoted    = [for subject in local.subjects : "'${subject}'"]
  condition = length(local.quoted) == 1 ? "assertion.sub == ${local.quoted[0]}" : "assertion.sub in [${join(", ", local.quoted)}]"
  pool      = "projects/${var.google_project_number}/locations/global/workloadIdentityPools/${google_iam_workload_identity_pool.pull.workload_identity_pool_id}"
  members   = { for index, subject in local.subjects : tostring(index) => "principal://${var.google_iam_host}/${local.pool}/subject/${trimprefix(subject, var.subject_prefix)}" }
}

resource "google_project_service" "pull" {
  for_each = toset(["iam.googleapis.com", "iamcredentials.googleapis.com", "sts.googleapis.com"])

  service            = each.key
  disable_on_destroy = false
}

resource "google_iam_workload_identity_pool" "pull" {
  workload_identity_pool_id = var.google_pool
  depends_on                = [google_project_service.pull]
}

resource "google_iam_workload_identity_pool_provider" "pull" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.pull.workload_identity_pool_id
  workload_identity_pool_provider_id = var.google_provider
  attribute_condition                = local.condition

  attribute_mapping = {
    "google.subject" = var.attribute_mapping
  }

  oidc {
    issuer_uri        = local.issuer
    allowed_audiences = [var.allowed_audience]
  }
}
