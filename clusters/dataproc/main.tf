# The wiring of one Dataproc cluster: the nodes' service account, and the subscriptions of the workers that will exist
# (Dataproc names them <cluster>-w-0, <cluster>-w-1, ...). Applied by ../dataproc-create-cluster.sh.

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
  description = "Project of the cluster."
  type        = string
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.cluster))
    error_message = "cluster has 2 to 24 lower-case letters, digits and dashes: its service account's name is made of it."
  }
}

variable "workers" {
  description = "How many workers the cluster has."
  type        = number

  validation {
    condition     = var.workers >= 2 && floor(var.workers) == var.workers
    error_message = "workers is a whole number of at least 2, which Dataproc needs."
  }
}

variable "bucket" {
  description = "Name of the bucket, which exists."
  type        = string
}

variable "boot_bucket" {
  description = "Name of the bucket that machines boot from, which exists: they read it, and can replace nothing in it."
  type        = string
}

variable "prefix" {
  description = "Where task files are dropped, with its slash."
  type        = string
  default     = "pipeline/"
}

variable "elastic" {
  description = "Let workers that have no subscription of their name (secondary and autoscaled ones) make their own."
  type        = bool
  default     = false
}

variable "wait_seconds" {
  description = "How long new rights are given to be in force everywhere before something relies on them."
  type        = number
  default     = 60
}

provider "google" {
  project = var.project_id
}

resource "google_service_account" "nodes" {
  account_id   = "${var.cluster}-nodes"
  display_name = "Nodes of the Dataproc cluster ${var.cluster}"
}

# What Dataproc asks of the account its machines run as. It is a right in the whole project, and it holds object rights
# in every bucket of it: a cluster in a project of its own keeps that small.
resource "google_project_iam_member" "dataproc" {
  project = var.project_id
  role    = "roles/dataproc.worker"
  member  = "serviceAccount:${google_service_account.nodes.email}"
}

# Dataproc looks at once whether the account has the right, and a right takes up to minutes to be in force everywhere.
resource "terraform_data" "dataproc" {
  count = var.wait_seconds > 0 ? 1 : 0

  triggers_replace = [google_project_iam_member.dataproc.id, google_storage_bucket_iam_member.boot.id]

  provisioner "local-exec" {
    command = "sleep ${var.wait_seconds}"
  }
}

resource "google_storage_bucket_iam_member" "boot" {
  bucket = var.boot_bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_service_account.nodes.email}"
}

module "poltergust" {
  source = "../../infra/terraform"

  project_id            = var.project_id
  bucket                = var.bucket
  prefix                = var.prefix
  read_prefixes         = ["environment/", "code/", "cluster/"]
  name                  = "poltergust-${var.cluster}"
  nodes                 = [for index in range(var.workers) : "${var.cluster}-w-${index}"]
  service_account_email = google_service_account.nodes.email
  own_subscriptions     = var.elastic
  scheduler_url         = "http://${var.cluster}-m:8082"
  wait_seconds          = var.wait_seconds
  labels                = { app = "poltergust", cluster = var.cluster }
}

output "service_account" {
  description = "The account that the machines run as."
  value       = google_service_account.nodes.email

  # A machine without this right fails to join its cluster.
  depends_on = [google_project_iam_member.dataproc, google_storage_bucket_iam_member.boot, terraform_data.dataproc]
}

output "path" {
  description = "The path that the workers listen to."
  value       = module.poltergust.path
}

output "listen" {
  description = "Worker to the command that its agent is started with."
  value       = module.poltergust.listen
}
