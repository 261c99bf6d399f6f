#!/usr/bin/env bash
# Undoes dataproc-create-cluster.sh: the cluster, then its wiring. The buckets stay, unless it is asked for.
set -Eeuo pipefail

HERE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE
# shellcheck source=clusters/lib.sh
source "${HERE}/lib.sh"

usage() {
  cat <<'TEXT'
usage: dataproc-delete-cluster.sh CLUSTER [options]

Deletes the cluster, waits until it is gone, and destroys its wiring: topic, subscriptions, rights, service account.

  --project PROJECT   default: the one gcloud is set to
  --region REGION     default: the one that the cluster was created in, else us-central1
  --bucket BUCKET     default: the one that the cluster was created with
  --prefix PREFIX     default: the one that the cluster was created with, else pipeline
  --boot-bucket BUCKET  default: the one that the cluster was created with
  --delete-bucket     delete both buckets too, with everything in them
  --state-dir DIR     where Terraform's state is kept; default: ~/.local/state/poltergust/PROJECT/CLUSTER
  --dry-run           look, print what would be run, and change nothing
  -h, --help          this text
TEXT
}

parse() {
  local -a words=()
  PROJECT='' REGION='' BUCKET='' BOOT='' KEEP_BOOT=false PREFIX='' STATE_DIR='' DELETE_BUCKET=false DRY_RUN=false
  while (($# > 0)); do
    case "$1" in
      -h | --help) usage && exit 0 ;;
      --delete-bucket) DELETE_BUCKET=true ;;
      --dry-run) DRY_RUN=true ;;
      --*=*)
        local option="$1"
        shift
        set -- "${option%%=*}" "${option#*=}" "$@"
        continue
        ;;
      --*)
        (($# > 1)) || die "$1 needs a value"
        case "$1" in
          --project) PROJECT="$2" ;;
          --region) REGION="$2" ;;
          --bucket) BUCKET="${2#gs://}" ;;
          --boot-bucket) BOOT="${2#gs://}" ;;
          --prefix) PREFIX="${2%/}" ;;
          --state-dir) STATE_DIR="$2" ;;
          *) die "unknown option $1; see --help" ;;
        esac
        shift
        ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  ((${#words[@]} == 1)) || die "write: dataproc-delete-cluster.sh CLUSTER; see --help"
  CLUSTER="${words[0]}"
  check_cluster "${CLUSTER}"
  need gcloud terraform
  PROJECT="$(resolve_project "${PROJECT}")"
  STATE_DIR="${STATE_DIR:-$(default_state_dir)}"
  REGION="${REGION:-$(remembered region us-central1)}"
  PREFIX="${PREFIX:-$(remembered prefix pipeline)}"
  # Deleting the wrong one cannot be undone: a guess is not enough for that.
  [[ "${DELETE_BUCKET}" == false || -n "${BUCKET}" || -f "${STATE_DIR}/bucket" ]] ||
    die "--delete-bucket: ${STATE_DIR} does not say which; add --bucket BUCKET"
  [[ "${DELETE_BUCKET}" == false || -n "${BOOT}" || -f "${STATE_DIR}/boot-bucket" ]] || KEEP_BOOT=true
  BUCKET="${BUCKET:-$(default_bucket)}"
  BOOT="${BOOT:-$(remembered boot-bucket "${BUCKET}-boot")}"
  readonly PROJECT REGION KEEP_BOOT BOOT BUCKET PREFIX STATE_DIR DELETE_BUCKET DRY_RUN CLUSTER
}

delete_cluster() {
  step "delete the cluster ${CLUSTER}"
  read_cluster
  if [[ -n "${STATE}" ]]; then
    run gcloud dataproc clusters delete "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" --quiet
  else
    say "there is no cluster ${CLUSTER} in ${REGION} (was it created in another? see --region)"
  fi
}

destroy_wiring() {
  step "destroy its wiring"
  if [[ "${DRY_RUN}" == false && ! -f "${STATE_DIR}/terraform.tfstate" ]]; then
    say "no state in ${STATE_DIR}: nothing to destroy (was it created on another machine? see --state-dir)"
    return
  fi
  wiring_init
  wiring destroy -input=false -no-color -auto-approve -state="${STATE_DIR}/terraform.tfstate" \
    -var "project_id=${PROJECT}" -var "cluster=${CLUSTER}" -var workers=2 -var "bucket=${BUCKET}" -var "boot_bucket=${BOOT}" \
    -var "prefix=${PREFIX}/" -var wait_seconds=0
  # The buckets stay; another cluster of this name is told everything else again.
  run rm -f "${STATE_DIR}/region" "${STATE_DIR}/prefix" "${STATE_DIR}/password-secret"
}

delete_bucket() {
  step "delete the bucket gs://${BUCKET}"
  if [[ -n "$(own_bucket "${BUCKET}")" ]]; then
    run gcloud storage rm --recursive "gs://${BUCKET}"
  fi
  if [[ "${KEEP_BOOT}" == false && -n "$(own_bucket "${BOOT}")" ]]; then
    run gcloud storage buckets update "gs://${BOOT}" --clear-retention-period
    run gcloud storage rm --recursive "gs://${BOOT}"
  fi
}

main() {
  parse "$@"
  trap on_error ERR
  delete_cluster
  destroy_wiring
  if [[ "${DELETE_BUCKET}" == true ]]; then
    delete_bucket
  else
    say "gs://${BUCKET} is kept, with every task file and outcome, and gs://${BOOT}; --delete-bucket removes them"
  fi
}

main "$@"
