locals {
  # Single quotes are refused in the prefix, so this is safe in any POSIX shell.
  quoted_path = can(regex("^[A-Za-z0-9@%+=:,./_-]+$", local.path)) ? local.path : "'${local.path}'"
  scheduler   = var.scheduler_url == null ? "" : " --scheduler-url ${var.scheduler_url}"
}

output "path" {
  description = "The path that the nodes listen to."
  value       = local.path

  # Nobody starts a node before it may do its work.
  depends_on = [google_storage_bucket_iam_member.objects, terraform_data.rights]
}

output "listen" {
  description = "Node to the command that starts its agent."
  value = {
    for node in var.nodes : node =>
    "poltergust listen --path ${local.quoted_path} --subscription ${google_pubsub_subscription.node[node].id} --node ${node}${local.scheduler}"
  }

  depends_on = [
    google_pubsub_subscription_iam_member.node,
    google_storage_bucket_iam_member.objects,
    google_storage_notification.this,
    terraform_data.rights,
  ]
}

output "fleet_listen" {
  description = "The command for every node of a fleet with `own_subscriptions`, else null."
  value       = var.own_subscriptions ? "poltergust listen --path ${local.quoted_path} --topic ${google_pubsub_topic.this.id} --project ${var.project_id}${local.scheduler}" : null

  depends_on = [
    google_project_iam_member.fleet,
    google_pubsub_topic_iam_member.fleet,
    google_storage_bucket_iam_member.objects,
    google_storage_notification.this,
    terraform_data.rights,
  ]
}

output "topic" {
  description = "Full name of the topic."
  value       = google_pubsub_topic.this.id

  # A program that was given the topic's name alone makes its subscription with these rights.
  depends_on = [google_project_iam_member.fleet, google_pubsub_topic_iam_member.fleet, google_storage_notification.this]
}

output "subscriptions" {
  description = "Node to the full name of its subscription."
  value       = { for node in var.nodes : node => google_pubsub_subscription.node[node].id }
}

output "filter" {
  description = "The subscriptions' filter, for nodes that make their own."
  value       = local.filter
}

output "service_agent" {
  description = "Address of the Cloud Storage service agent that publishes the notifications."
  value       = data.google_storage_project_service_account.this.email_address
}
