# Run by `terraform test` in this folder, with a provider that only pretends: it needs no credentials and makes nothing,
# also where credentials are at hand.

mock_provider "google" {
  mock_data "google_storage_project_service_account" {
    defaults = {
      email_address = "service-123456789012@gs-project-accounts.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id            = "my-project"
  bucket                = "mybucket"
  nodes                 = ["node-1", "node-2"]
  service_account_email = "nodes@my-project.iam.gserviceaccount.com"
  scheduler_url         = "http://head:8082"
  wait_seconds          = 0
}

run "one_notification_config_and_a_subscription_per_node" {
  command = plan

  assert {
    condition     = google_storage_notification.this.object_name_prefix == "pipeline/"
    error_message = "The notification config is not restricted to the path with its slash."
  }

  assert {
    condition     = google_storage_notification.this.event_types == toset(["OBJECT_FINALIZE"]) && google_storage_notification.this.payload_format == "NONE"
    error_message = "Notifications are of the wrong kind."
  }

  assert {
    condition     = toset([for each in google_pubsub_subscription.node : each.name]) == toset(["poltergust-node-1", "poltergust-node-2"])
    error_message = "There is not exactly one subscription for each node."
  }

  assert {
    condition     = alltrue([for each in google_pubsub_subscription.node : each.expiration_policy[0].ttl == ""])
    error_message = "A subscription would expire."
  }

  assert {
    condition     = length(google_project_iam_custom_role.fleet) == 0 && length(google_project_iam_member.fleet) == 0
    error_message = "Rights in the project although nodes make no subscriptions of their own."
  }
}

run "whole_bucket" {
  command = plan

  variables {
    prefix = ""
  }

  assert {
    condition     = output.path == "gs://mybucket" && strcontains(output.filter, "NOT hasPrefix(attributes.objectId, \".poltergust/\")")
    error_message = "The nodes' own records would wake the nodes."
  }

  assert {
    condition     = [for each in google_storage_bucket_iam_member.objects : each.role] == ["roles/storage.objectUser"]
    error_message = "A whole bucket needs one grant."
  }
}

run "fleet" {
  command = plan

  variables {
    nodes             = []
    own_subscriptions = true
  }

  assert {
    condition     = length(google_pubsub_subscription.node) == 0 && length(google_project_iam_custom_role.fleet) == 1
    error_message = "A fleet has no fixed subscriptions and one custom role."
  }
}

run "quotes_a_path_with_a_space" {
  command = apply

  variables {
    prefix = "my data/in/"
  }

  assert {
    condition     = startswith(output.listen["node-1"], "poltergust listen --path 'gs://mybucket/my data/in' --subscription ")
    error_message = "The path is not quoted for the shell."
  }
}

run "refuses_a_prefix_without_its_slash" {
  command = plan

  variables {
    prefix = "pipeline"
  }

  expect_failures = [var.prefix]
}

run "refuses_two_nodes_without_a_scheduler" {
  command = plan

  variables {
    scheduler_url = null
  }

  expect_failures = [var.scheduler_url]
}
