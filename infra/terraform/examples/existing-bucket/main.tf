# Wiring for a bucket that exists: three nodes, each running as a service account of its own.
#
# The bucket needs uniform bucket-level access. A lifecycle rule for the nodes' records belongs to whoever owns the
# bucket: see ../new-bucket for the rule.

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
  description = "Name of the bucket that exists."
  type        = string
}

variable "scheduler_url" {
  description = "The Luigi scheduler that the nodes share."
  type        = string
  default     = "http://head:8082"
}

provider "google" {
  project = var.project_id
}

locals {
  nodes = ["node-1", "node-2", "node-3"]
}

resource "google_service_account" "node" {
  for_each = toset(local.nodes)

  account_id   = "poltergust-${each.key}"
  display_name = "Poltergust ${each.key}"
}

module "poltergust" {
  source = "../.."

  project_id            = var.project_id
  bucket                = var.bucket
  prefix                = "pipeline/"
  read_prefixes         = ["environment/", "code/"]
  nodes                 = local.nodes
  service_account_email = google_service_account.node["node-1"].email
  node_service_accounts = { for node, account in google_service_account.node : node => account.email }
  scheduler_url         = var.scheduler_url
  labels                = { app = "poltergust" }
}

output "listen" {
  description = "Node to the command that starts its agent."
  value       = module.poltergust.listen
}
