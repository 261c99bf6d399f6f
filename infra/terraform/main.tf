# The way of a notification: bucket -> notification config -> topic -> one subscription for each node. It is a hint, and
# the nodes' rights are what matters here: whoever may write below the path may run code on the nodes.

locals {
  path = var.prefix == "" ? "gs://${var.bucket}" : "gs://${var.bucket}/${trimsuffix(var.prefix, "/")}"

  # Where the nodes write: a sibling of the path, or for a whole bucket a folder in it.
  sibling = var.prefix == "" ? ".poltergust/" : "${trimsuffix(var.prefix, "/")}.poltergust/"

  # The notification config selects already; this keeps out what somebody else publishes to the topic, and for a whole
  # bucket the nodes' own records.
  filter = var.prefix == "" ? "attributes.eventType = \"OBJECT_FINALIZE\" AND NOT hasPrefix(attributes.objectId, \"${local.sibling}\")" : "attributes.eventType = \"OBJECT_FINALIZE\" AND hasPrefix(attributes.objectId, \"${var.prefix}\")"

  # Keys are names that are known when planning; the addresses may belong to accounts that are made in the same apply.
  shared_account = var.own_subscriptions || length(setsubtract(var.nodes, keys(var.node_service_accounts))) > 0
  accounts       = merge(local.shared_account ? { "*" = var.service_account_email } : {}, var.node_service_accounts)

  objects = merge(
    { for prefix in distinct([var.prefix, local.sibling]) : prefix => "roles/storage.objectUser" if var.prefix != "" || prefix == "" },
    { for prefix in var.read_prefixes : prefix => "roles/storage.objectViewer" if var.prefix != "" && !startswith(prefix, var.prefix) },
  )
  grants = {
    for pair in setproduct(keys(local.accounts), keys(local.objects)) :
    "${pair[0]} ${pair[1]}" => { member = "serviceAccount:${local.accounts[pair[0]]}", prefix = pair[1], role = local.objects[pair[1]] }
  }
}

resource "google_pubsub_topic" "this" {
  project = var.project_id
  name    = var.name
  labels  = var.labels

  dynamic "message_storage_policy" {
    for_each = length(var.allowed_persistence_regions) > 0 ? [var.allowed_persistence_regions] : []

    content {
      allowed_persistence_regions = message_storage_policy.value
    }
  }
}

# Cloud Storage publishes as its service agent, the one of the bucket's project.
data "google_storage_project_service_account" "this" {
  project = coalesce(var.bucket_project_id, var.project_id)
}

resource "google_pubsub_topic_iam_member" "publisher" {
  project = var.project_id
  topic   = google_pubsub_topic.this.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
}

# One for the path, whatever the number of nodes: a bucket takes ten for each type of event.
resource "google_storage_notification" "this" {
  bucket             = var.bucket
  topic              = google_pubsub_topic.this.id
  payload_format     = "NONE"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = var.prefix == "" ? null : var.prefix

  # Cloud Storage refuses a notification config whose topic it may not publish to.
  depends_on = [google_pubsub_topic_iam_member.publisher]
}

resource "google_pubsub_subscription" "node" {
  for_each = toset(var.nodes)

  project                    = var.project_id
  name                       = "${var.name}-${each.key}"
  topic                      = google_pubsub_topic.this.id
  labels                     = var.labels
  filter                     = local.filter
  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = var.message_retention_duration

  expiration_policy {
    ttl = var.expiration_ttl
  }

  retry_policy {
    minimum_backoff = var.minimum_backoff
    maximum_backoff = var.maximum_backoff
  }
}

# A node consumes from its own subscription, and looks at it: a deleted topic shows there only (and the subscriber role
# does not hold pubsub.subscriptions.get).
resource "google_pubsub_subscription_iam_member" "node" {
  for_each = {
    for pair in setproduct(var.nodes, ["subscriber", "viewer"]) : "${pair[0]} ${pair[1]}" => { node = pair[0], role = pair[1] }
  }

  project      = var.project_id
  subscription = google_pubsub_subscription.node[each.value.node].name
  role         = "roles/pubsub.${each.value.role}"
  member       = "serviceAccount:${lookup(var.node_service_accounts, each.value.node, var.service_account_email)}"
}

# Objects: read and write below the path and its sibling, read below read_prefixes, nothing else of the bucket. A
# condition on the name alone would deny listing, whose resource is the bucket: the second half allows a list request
# that asks for the prefix. https://cloud.google.com/iam/docs/conditions-attribute-reference#storage-api-attributes
resource "google_storage_bucket_iam_member" "objects" {
  for_each = local.grants

  bucket = var.bucket
  role   = each.value.role
  member = each.value.member

  dynamic "condition" {
    for_each = each.value.prefix == "" ? [] : [each.value.prefix]

    content {
      title       = "poltergust ${substr(condition.value, 0, 80)}"
      description = "Objects below gs://${var.bucket}/${substr(condition.value, 0, 150)}, listing included"
      expression = join(" || ", [
        "resource.name.startsWith('projects/_/buckets/${var.bucket}/objects/${condition.value}')",
        "api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('${condition.value}')",
      ])
    }
  }
}
