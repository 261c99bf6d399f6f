# What deploy/helm/poltergust needs: a bucket, the wiring, and rights for the chart's Kubernetes service account, without a
# key and without a Google service account (Workload Identity Federation for GKE, which the cluster must have on).
#
#   terraform apply
#   terraform output -raw values >values.yaml
#   helm install poltergust deploy/helm/poltergust --namespace poltergust --create-namespace \
#     --values values.yaml --set image.repository=REGISTRY/poltergust,image.tag=VERSION

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0, < 9.0"
    }
  }
}

variable "project_id" {
  description = "Project of everything, the cluster included."
  type        = string
}

variable "bucket" {
  description = "Name of the new bucket."
  type        = string
}

variable "location" {
  description = "Where the bucket is: best the region of the cluster."
  type        = string
  default     = "europe-west1"
}

variable "namespace" {
  description = "Namespace of the release."
  type        = string
  default     = "poltergust"
}

variable "release" {
  description = "Name of the release, after which the chart names its service account and its pods."
  type        = string
  default     = "poltergust"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.release))
    error_message = "release has at most 40 lower-case letters, digits and dashes, and begins with a letter: the chart cuts longer names."
  }
}

variable "workers" {
  description = "How many workers get a subscription each. 0: any number, which make their own (rights in the project, see ../fleet)."
  type        = number
  default     = 2

  # range() of a negative number is not empty.
  validation {
    condition     = var.workers >= 0 && floor(var.workers) == var.workers
    error_message = "workers is a whole number, 0 for workers that make their own subscriptions."
  }
}

provider "google" {
  project = var.project_id
}

data "google_project" "this" {
  project_id = var.project_id
}

resource "google_storage_bucket" "this" {
  name                        = var.bucket
  location                    = var.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # Live logs are overwritten while they grow, and with soft delete each version is kept and billed for a week.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  labels = { app = "poltergust" }
}

locals {
  pool = "projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${var.project_id}.svc.id.goog"
}

module "poltergust" {
  source = "../.."

  project_id        = var.project_id
  bucket            = google_storage_bucket.this.name
  read_prefixes     = ["environment/", "code/"]
  member            = "principal://iam.googleapis.com/${local.pool}/subject/ns/${var.namespace}/sa/${var.release}"
  nodes             = [for index in range(var.workers) : "${var.release}-worker-${index}"]
  own_subscriptions = var.workers == 0
  scheduler_url     = "http://${var.release}-scheduler:8082"
  labels            = { app = "poltergust" }
}

output "values" {
  description = "The chart's values, as YAML."
  value = yamlencode({
    path               = module.poltergust.path
    topic              = var.workers == 0 ? module.poltergust.topic : ""
    subscriptionPrefix = var.workers == 0 ? "" : "projects/${var.project_id}/subscriptions/poltergust"
    worker             = { replicas = var.workers == 0 ? 2 : var.workers }
  })

  # Nobody installs the chart before its pods may do their work.
  depends_on = [module.poltergust]
}
