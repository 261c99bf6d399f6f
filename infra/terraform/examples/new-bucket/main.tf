# A bucket made for Poltergust, with the lifecycle rule that only its owner can give it, and two nodes.

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
  description = "Project of everything."
  type        = string
}

variable "bucket" {
  description = "Name of the new bucket."
  type        = string
}

variable "location" {
  description = "Where the bucket is: best the region of the nodes."
  type        = string
  default     = "europe-west1"
}

variable "keep_days" {
  description = "How long logs and run records are kept, in days."
  type        = number
  default     = 30

  # A rule without an age deletes everything, heartbeats and logs of running pipelines too; `--keep 0` keeps everything.
  validation {
    condition     = var.keep_days >= 1 && floor(var.keep_days) == var.keep_days
    error_message = "keep_days is a whole number of at least 1: with 0 the bucket would delete records while runs need them."
  }
}

variable "scheduler_url" {
  description = "The Luigi scheduler that the nodes share."
  type        = string
  default     = "http://head:8082"
}

provider "google" {
  project = var.project_id
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

  # Everything below the sibling prefix may be deleted at any time; the heartbeats of live nodes are never this old.
  lifecycle_rule {
    condition {
      age            = var.keep_days
      matches_prefix = ["pipeline.poltergust/"]
    }

    action {
      type = "Delete"
    }
  }

  labels = { app = "poltergust" }
}

resource "google_service_account" "nodes" {
  account_id   = "poltergust-nodes"
  display_name = "Poltergust nodes"
}

module "poltergust" {
  source = "../.."

  project_id            = var.project_id
  bucket                = google_storage_bucket.this.name
  nodes                 = ["node-1", "node-2"]
  service_account_email = google_service_account.nodes.email
  scheduler_url         = var.scheduler_url
  labels                = { app = "poltergust" }
}

output "listen" {
  description = "Node to the command that starts its agent."
  value       = module.poltergust.listen
}
