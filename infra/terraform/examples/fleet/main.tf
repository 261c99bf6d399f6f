# A fleet whose nodes come and go (spot instances, an autoscaled group): each makes its own subscription to the topic,
# which expires when unused and is removed on a clean stop. All run the same command as the same service account.

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
  description = "Project of everything; best one of its own, because the nodes' right to use subscriptions holds for all of it."
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

resource "google_service_account" "fleet" {
  account_id   = "poltergust-fleet"
  display_name = "Poltergust fleet"
}

module "poltergust" {
  source = "../.."

  project_id            = var.project_id
  bucket                = var.bucket
  own_subscriptions     = true
  service_account_email = google_service_account.fleet.email
  scheduler_url         = var.scheduler_url
}

output "listen" {
  description = "The command that starts the agent on every node."
  value       = module.poltergust.fleet_listen
}
