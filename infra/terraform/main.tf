# The way of a notification: bucket -> notification config -> topic -> one subscription for each node. It is a hint, and
# the nodes' rights are what matters here: whoever may write below the path may run code on the nodes.

locals {
  path = var.prefix == "" ? "gs://${var.bucket}" : "gs://${var.bucket}/${trimsuffix(var.prefix, "/")}"

  # Where the nodes write: a sibling of the path, or for a whole bucket a folder in it.
  sibling = var.prefix == "" ? ".poltergust/" : "${trimsuffix(var.prefix, "/")}.poltergust/"

  # The notification config selects already; this keeps out what somebody else publishes to the topic, and for a whole
  # bucket the nodes' own records.
  filter = var.prefix == "" ? "attributes.eventType = \"OBJECT_FINALIZE\" AND NOT hasPrefix(attributes.objectId, \"${local.sibling}\")" : "attributes.eventType = \"OBJECT_FINALIZE\" AND hasPrefix(attributes.objectId, \"${var.prefix}\")"

  # Whom IAM means by an account's address, or by a principal of a workload identity pool.
  shared_member = var.member != null ? var.member : "serviceAccount:${var.service_account_email}"
  node_members = {
    for node, account in var.node_service_accounts :
    node => can(regex("^principal(Set)?://", account)) ? account : "serviceAccount:${account}"
  }

  # Keys are names that are known when planning; the addresses may belong to accounts that are made in the same apply.
  shared_account = var.own_subscriptions || length(setsubtract(var.nodes, keys(var.node_service_accounts))) > 0
  members        = merge(local.shared_account ? { "*" = local.shared_member } : {}, local.node_members)

  objects = merge(
    { for prefix in distinct([var.prefix, local.sibling]) : prefix => "roles/storage.objectUser" if var.prefix != "" || prefix == "" },
    { for prefix in var.read_prefixes : prefix => "roles/storage.objectViewer" if var.prefix != "" && !startswith(prefix, var.prefix) && !startswith(prefix, local.sibling) },
  )
  grants = {
    for pair in setproduct(keys(local.members), keys(local.objects)) :
    "${pair[0]} ${pair[1]}" => { member = local.members[pair[0]], prefix = pair[1], role = local.objects[pair[1]] }
  }
}

resource "google_pubsub_topic" "this" {
  project      = var.project_id
  name         = var.name
  labels       = var.labels
  kms_key_name = var.kms_key_name

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

# A new right takes up to minutes to be in force everywhere, and the provider asks for the notification config only once.
resource "terraform_data" "rights" {
  count = var.wait_seconds > 0 ? 1 : 0

  triggers_replace = [
    google_pubsub_topic_iam_member.publisher.id,
    sort([for each in google_storage_bucket_iam_member.objects : each.id]),
  ]

  provisioner "local-exec" {
    command = "sleep ${var.wait_seconds}"
  }
}

# One for the path, whatever the number of nodes: a bucket takes ten for each type of event.
resource "google_storage_notification" "this" {
  bucket             = var.bucket
  topic              = google_pubsub_topic.this.id
  payload_format     = "NONE"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = var.prefix == "" ? null : var.prefix

  # Cloud Storage refuses a notification config whose topic it may not publish to.
  depends_on = [google_pubsub_topic_iam_member.publisher, terraform_data.rights]
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
  member       = lookup(local.node_members, each.value.node, local.shared_member)
}

# Objects: read and write below the path and its sibling, read below read_prefixes, nothing else of the bucket. A
# condition on the name alone would deny listing, whose resource is the bucket: the last part allows a list request that
# asks for the prefix. In a bucket with a hierarchical namespace, folders are resources of their own.
# https://cloud.google.com/iam/docs/conditions-attribute-reference#storage-api-attributes
#
# Each has a title of its own, made of the module's name and the node's: two grants that are equal in role, member and
# condition are one binding, and whoever removes one of them removes both. Titles have at most 100 bytes, descriptions 256;
# substr() counts characters.
resource "google_storage_bucket_iam_member" "objects" {
  for_each = local.grants

  bucket = var.bucket
  role   = each.value.role
  member = each.value.member

  condition {
    title       = "poltergust ${substr(sha256("${var.project_id} ${var.name} ${each.key}"), 0, 8)} ${substr(replace(each.value.prefix, "/[^ -~]/", "?"), 0, 70)}"
    description = substr("Objects below gs://${var.bucket}/${substr(replace(each.value.prefix, "/[^ -~]/", "?"), 0, 150)}, listing included", 0, 256)
    expression = each.value.prefix == "" ? "resource.name.startsWith('projects/_/buckets/${var.bucket}')" : join(" || ", [
      "resource.name.startsWith('projects/_/buckets/${var.bucket}/objects/${each.value.prefix}')",
      "resource.name.startsWith('projects/_/buckets/${var.bucket}/folders/${each.value.prefix}')",
      "api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('${each.value.prefix}')",
    ])
  }
}
