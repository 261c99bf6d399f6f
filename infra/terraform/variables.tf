variable "project_id" {
  description = "Project of the topic and the subscriptions."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is a project's id, such as \"my-project-123\": not its name or number."
  }
}

variable "bucket" {
  description = "Name of the bucket, without `gs://`. It must exist and have uniform bucket-level access."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$", var.bucket))
    error_message = "bucket is a bucket's name alone, such as \"mybucket\": no \"gs://\", no path."
  }
}

variable "bucket_project_id" {
  description = "Project of the bucket, if it is another one: its Cloud Storage service agent is the one that publishes."
  type        = string
  default     = null

  validation {
    condition     = var.bucket_project_id == null || can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.bucket_project_id))
    error_message = "bucket_project_id is a project's id, such as \"my-project-123\", or null."
  }
}

variable "prefix" {
  description = "Where task files are dropped, with its slash: `pipeline/` for `gs://mybucket/pipeline`. Empty: the whole bucket."
  type        = string
  default     = "pipeline/"
  nullable    = false

  validation {
    condition     = !strcontains(var.prefix, "://") && !startswith(var.prefix, "/")
    error_message = "prefix is the part after the bucket, such as \"pipeline/\": no \"gs://bucket/\", no slash in front."
  }

  validation {
    condition     = var.prefix == "" || endswith(var.prefix, "/")
    error_message = "prefix ends with a slash: \"pipeline\" would match \"pipeline2/\" too."
  }

  validation {
    condition     = !endswith(var.prefix, "//") && !can(regex("[\"'\\\\\\x00-\\x1f\\x7f]", var.prefix))
    error_message = "prefix has no quotes, backslashes, control characters or doubled slash at its end."
  }

  validation {
    # Bytes of UTF-8, which Terraform's length() does not count; 79 are the filter without the prefix.
    condition     = length(replace(urlencode(var.prefix), "/%[0-9A-F]{2}/", "x")) + 79 <= 256
    error_message = "prefix is too long: the subscriptions' filter made of it has more than 256 bytes, the most that Pub/Sub takes."
  }
}

variable "read_prefixes" {
  description = "What the nodes may read besides: the folders of environment files and of private packages, each with its slash."
  type        = list(string)
  default     = ["environment/"]
  nullable    = false

  validation {
    condition = alltrue([
      for each in var.read_prefixes :
      endswith(each, "/") && !startswith(each, "/") && !strcontains(each, "://") && !can(regex("[\"'\\\\\\x00-\\x1f\\x7f]", each))
    ])
    error_message = "Each of read_prefixes is a folder of the bucket with its slash, such as \"environment/\": no \"gs://\", no slash in front, no quotes."
  }

  validation {
    condition     = length(distinct(var.read_prefixes)) == length(var.read_prefixes) && length(var.read_prefixes) <= 20
    error_message = "read_prefixes are at most 20 different folders: a bucket's policy takes 20 conditions for one role and member."
  }
}

variable "name" {
  description = "Name of the topic, and what the subscriptions' names begin with. One for each path of a project."
  type        = string
  default     = "poltergust"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9._~+%-]{2,149}$", var.name)) && !startswith(lower(var.name), "goog")
    error_message = "name has 3 to 150 letters, digits and -._~+%, begins with a letter and not with \"goog\"."
  }
}

variable "nodes" {
  description = "Names of the nodes: each gets the subscription `<name>-<node>` and a line of the `listen` output."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for node in var.nodes : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", node)) && !strcontains(node, "..")])
    error_message = "A node's name has 1 to 100 letters, digits and -._ (no \"..\") and begins with a letter or digit."
  }

  validation {
    condition     = length(distinct(var.nodes)) == length(var.nodes)
    error_message = "nodes names a node twice: two agents on one subscription would each see half of the notifications."
  }
}

variable "service_account_email" {
  description = "The service account that the nodes run as, unless `node_service_accounts` names another. Null with `member`."
  type        = string
  default     = null

  validation {
    condition     = var.service_account_email == null || can(regex("^[^@:\\s]+@[^@:\\s]+\\.gserviceaccount\\.com$", var.service_account_email))
    error_message = "service_account_email is an address such as \"nodes@my-project.iam.gserviceaccount.com\", without \"serviceAccount:\"."
  }

  validation {
    condition     = (var.service_account_email == null) != (var.member == null)
    error_message = "service_account_email and member exclude each other, and one of them is needed."
  }
}

variable "member" {
  description = "Instead of a service account: the principal that the nodes are, such as a Kubernetes service account by Workload Identity."
  type        = string
  default     = null

  validation {
    condition     = var.member == null || can(regex("^principal(Set)?://iam\\.googleapis\\.com/[^\\s]+$", var.member))
    error_message = "member is a principal such as \"principal://iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/my-project.svc.id.goog/subject/ns/NAMESPACE/sa/NAME\"."
  }
}

variable "node_service_accounts" {
  description = "Node to service account (or to a principal://…), for nodes that run as an account of their own."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setsubtract(keys(var.node_service_accounts), var.nodes)) == 0
    error_message = "node_service_accounts names a node that is not among nodes."
  }

  validation {
    condition = alltrue([
      for account in values(var.node_service_accounts) :
      can(regex("^([^@:\\s]+@[^@:\\s]+\\.gserviceaccount\\.com|principal(Set)?://iam\\.googleapis\\.com/[^\\s]+)$", account))
    ])
    error_message = "node_service_accounts are addresses such as \"node-1@my-project.iam.gserviceaccount.com\" or principal://iam.googleapis.com/…, without \"serviceAccount:\"."
  }
}

variable "own_subscriptions" {
  description = "Let nodes make their own subscriptions (`--topic`), for fleets whose nodes come and go. Adds a custom role in the project."
  type        = bool
  default     = false
  nullable    = false
}

variable "scheduler_url" {
  description = "The Luigi scheduler of all nodes, such as `http://head:8082`. Null: the only node runs an embedded one."
  type        = string
  default     = null

  validation {
    condition     = var.scheduler_url == null || can(regex("^https?://[A-Za-z0-9._~\\[\\]:/-]+$", var.scheduler_url))
    error_message = "scheduler_url is an http or https address such as \"http://head:8082\", without a user or password."
  }

  validation {
    condition     = var.scheduler_url != null || (length(var.nodes) <= 1 && !var.own_subscriptions)
    error_message = "scheduler_url is needed with more than one node: with a scheduler of its own on each, every task would run on every node."
  }
}

variable "message_retention_duration" {
  description = "How long an undelivered notification is kept, in seconds. The nodes' scan finds what is lost, so the least is enough."
  type        = string
  default     = "600s"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+s$", var.message_retention_duration)) && try(tonumber(trimsuffix(var.message_retention_duration, "s")), 0) >= 600 && try(tonumber(trimsuffix(var.message_retention_duration, "s")), 0) <= 2678400
    error_message = "message_retention_duration is between \"600s\" (10 minutes) and \"2678400s\" (31 days)."
  }
}

variable "expiration_ttl" {
  description = "After how long without a node the subscriptions expire, in seconds. Empty: never."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.expiration_ttl == "" || (can(regex("^[0-9]+s$", var.expiration_ttl)) && try(tonumber(trimsuffix(var.expiration_ttl, "s")), 0) >= 86400)
    error_message = "expiration_ttl is empty (never) or at least \"86400s\", one day."
  }

  validation {
    condition     = var.expiration_ttl == "" || try(tonumber(trimsuffix(var.expiration_ttl, "s")) >= tonumber(trimsuffix(var.message_retention_duration, "s")), false)
    error_message = "expiration_ttl is not below message_retention_duration."
  }
}

variable "ack_deadline_seconds" {
  description = "How long a node may take to acknowledge. It does so once the name is queued, so the least is enough."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.ack_deadline_seconds >= 10 && var.ack_deadline_seconds <= 600 && floor(var.ack_deadline_seconds) == var.ack_deadline_seconds
    error_message = "ack_deadline_seconds is a whole number from 10 to 600."
  }
}

variable "minimum_backoff" {
  description = "The least delay before a notification that was not acknowledged is delivered again, in seconds."
  type        = string
  default     = "1s"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+s$", var.minimum_backoff)) && try(tonumber(trimsuffix(var.minimum_backoff, "s")), 601) <= 600
    error_message = "minimum_backoff is between \"0s\" and \"600s\"."
  }
}

variable "maximum_backoff" {
  description = "The greatest such delay, in seconds."
  type        = string
  default     = "60s"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+s$", var.maximum_backoff)) && try(tonumber(trimsuffix(var.maximum_backoff, "s")), 601) <= 600
    error_message = "maximum_backoff is between \"0s\" and \"600s\"."
  }

  validation {
    condition     = try(tonumber(trimsuffix(var.maximum_backoff, "s")) >= tonumber(trimsuffix(var.minimum_backoff, "s")), false)
    error_message = "maximum_backoff is not below minimum_backoff."
  }
}

variable "allowed_persistence_regions" {
  description = "Regions that notifications may be kept in. Empty: wherever the organisation's policy allows."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for region in var.allowed_persistence_regions : can(regex("^[a-z]+-[a-z]+[0-9]+$", region))])
    error_message = "allowed_persistence_regions are regions such as \"europe-west1\"."
  }
}

variable "kms_key_name" {
  description = "Key of Cloud KMS that encrypts the topic (the project's Pub/Sub service agent must be allowed to use it). Null: Google's own keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_name == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key_name))
    error_message = "kms_key_name is a full name such as \"projects/my-project/locations/europe-west1/keyRings/ring/cryptoKeys/key\"."
  }
}

variable "wait_seconds" {
  description = "How long new rights are given to be in force everywhere, in seconds, before the notification config is made. 0: not at all."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.wait_seconds >= 0 && var.wait_seconds <= 600 && floor(var.wait_seconds) == var.wait_seconds
    error_message = "wait_seconds is a whole number from 0 to 600."
  }
}

variable "labels" {
  description = "Labels of the topic and the subscriptions."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = length(var.labels) <= 64 && alltrue([
      for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "labels are at most 64, of lower-case letters, digits, - and _, up to 63 each; a key begins with a letter."
  }
}
