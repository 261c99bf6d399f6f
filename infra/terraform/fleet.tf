# Only for fleets whose nodes make their own subscriptions (`poltergust listen --topic`). Pub/Sub takes no condition on a
# resource's name, so these rights hold for every subscription of the project: give such a fleet a project of its own.

resource "google_project_iam_custom_role" "fleet" {
  count = var.own_subscriptions ? 1 : 0

  project     = var.project_id
  role_id     = "${substr(replace(var.name, "/[^A-Za-z0-9_.]/", "_"), 0, 50)}_fleet"
  title       = "Poltergust fleet node"
  description = "Make, use and remove the node's own Pub/Sub subscription"
  permissions = [
    "pubsub.subscriptions.consume",
    "pubsub.subscriptions.create",
    "pubsub.subscriptions.delete",
    "pubsub.subscriptions.get",
  ]
}

resource "google_project_iam_member" "fleet" {
  count = var.own_subscriptions ? 1 : 0

  project = var.project_id
  role    = google_project_iam_custom_role.fleet[0].id
  member  = local.shared_member
}

# Of this role only pubsub.topics.attachSubscription has a meaning on a topic.
resource "google_pubsub_topic_iam_member" "fleet" {
  count = var.own_subscriptions ? 1 : 0

  project = var.project_id
  topic   = google_pubsub_topic.this.name
  role    = "roles/pubsub.subscriber"
  member  = local.shared_member
}
