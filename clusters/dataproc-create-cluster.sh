#!/usr/bin/env bash
# A Dataproc cluster whose workers run pipelines the moment a task file lands in the bucket.
set -Eeuo pipefail

HERE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE
# shellcheck source=clusters/lib.sh
source "${HERE}/lib.sh"

usage() {
  cat <<'TEXT'
usage: dataproc-create-cluster.sh CLUSTER WORKERS [options]

Makes the bucket if it is missing, applies the wiring for the workers that will exist, uploads the initialization
action, creates the cluster (or adds workers to it), waits until every worker's heartbeat is there, and opens ssh with
the Luigi scheduler's page on http://localhost:8082. Run again it does what is missing.

  --project PROJECT            default: the one gcloud is set to
  --region REGION              default: us-central1
  --bucket BUCKET              default: PROJECT-CLUSTER
  --prefix PREFIX              where task files are dropped; default: pipeline
  --version VERSION            Poltergust's version on the nodes; default: that of this source tree
  --wheel FILE                 instead: this wheel, put in the bucket
  --master-machine-type TYPE   default: e2-standard-2
  --worker-machine-type TYPE   default: e2-standard-4
  --image-version VERSION      default: 2.2-debian12
  --subnet SUBNET              default: the project's default network
  --public-ip                  give the machines public addresses: without, they need Cloud NAT to install packages
  --iap                        ssh through the Identity-Aware Proxy
  --no-ssh                     end when the workers are there
  --timeout SECONDS            how long to wait for the workers' heartbeats; default: 900
  --state-dir DIR              where Terraform's state is kept; default: ~/.local/state/poltergust/PROJECT/CLUSTER
  --dry-run                    print what would be run, and run nothing
  -h, --help                   this text

Needs gcloud (logged in, and with application-default credentials for Terraform) and terraform.
Undone by dataproc-delete-cluster.sh.
TEXT
}

parse() {
  local -a words=()
  PROJECT='' REGION=us-central1 BUCKET='' PREFIX=pipeline VERSION='' WHEEL='' SUBNET='' STATE_DIR=''
  MASTER_TYPE=e2-standard-2 WORKER_TYPE=e2-standard-4 IMAGE=2.2-debian12
  PUBLIC_IP=false IAP=false SSH=true TIMEOUT=900 DRY_RUN=false
  while (($# > 0)); do
    case "$1" in
      -h | --help) usage && exit 0 ;;
      --public-ip) PUBLIC_IP=true ;;
      --iap) IAP=true ;;
      --no-ssh) SSH=false ;;
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
          --prefix) PREFIX="${2%/}" ;;
          --version) VERSION="$2" ;;
          --wheel) WHEEL="$2" ;;
          --master-machine-type) MASTER_TYPE="$2" ;;
          --worker-machine-type) WORKER_TYPE="$2" ;;
          --image-version) IMAGE="$2" ;;
          --subnet) SUBNET="$2" ;;
          --timeout) TIMEOUT="$2" ;;
          --state-dir) STATE_DIR="$2" ;;
          *) die "unknown option $1; see --help" ;;
        esac
        shift
        ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  ((${#words[@]} == 2)) || die "write: dataproc-create-cluster.sh CLUSTER WORKERS; see --help"
  CLUSTER="${words[0]}" WORKERS="${words[1]}"
  check_cluster "${CLUSTER}"
  [[ "${WORKERS}" =~ ^([2-9]|[1-9][0-9]{1,3})$ ]] || die "WORKERS '${WORKERS}': a number of at least 2"
  [[ "${TIMEOUT}" =~ ^[0-9]{1,6}$ ]] || die "--timeout '${TIMEOUT}': a number of seconds"
  [[ "${PREFIX}" =~ ^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$ ]] || die "--prefix '${PREFIX}': a folder's name, such as pipeline"
  [[ -z "${VERSION}" || -z "${WHEEL}" ]] || die "--version and --wheel exclude each other"
  [[ -z "${WHEEL}" || -f "${WHEEL}" ]] || die "--wheel '${WHEEL}': no such file"
  [[ -n "${VERSION}" ]] || VERSION="$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "${HERE}/../poltergust/__init__.py")"
  [[ "${VERSION}" =~ ^[0-9][0-9A-Za-z.+!-]*$ ]] || die "--version '${VERSION}': a version, such as 0.1.0"
  need gcloud terraform
  PROJECT="$(resolve_project "${PROJECT}")"
  BUCKET="${BUCKET:-${PROJECT//[:.]/-}-${CLUSTER}}"
  [[ "${BUCKET}" =~ ^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$ ]] || die "--bucket '${BUCKET}': a bucket's name"
  STATE_DIR="${STATE_DIR:-${XDG_STATE_HOME:-${HOME}/.local/state}/poltergust/${PROJECT}/${CLUSTER}}"
  PACKAGE="poltergust==${VERSION}"
  [[ -z "${WHEEL}" ]] || PACKAGE="gs://${BUCKET}/cluster/${WHEEL##*/}"
  readonly PROJECT REGION BUCKET PREFIX VERSION WHEEL SUBNET STATE_DIR MASTER_TYPE WORKER_TYPE IMAGE PUBLIC_IP IAP SSH
  readonly TIMEOUT DRY_RUN CLUSTER WORKERS PACKAGE
}

make_bucket() {
  step "make the bucket gs://${BUCKET} if it is missing"
  if [[ "${DRY_RUN}" == false ]] &&
    gcloud storage buckets describe "gs://${BUCKET}" --format='value(name)' >/dev/null 2>&1; then
    return
  fi
  run gcloud storage buckets create "gs://${BUCKET}" --project="${PROJECT}" --location="${REGION}" \
    --uniform-bucket-level-access --public-access-prevention
}

apply_wiring() {
  step "apply the wiring for ${WORKERS} workers"
  wiring_init
  wiring apply -input=false -no-color -auto-approve -state="${STATE_DIR}/terraform.tfstate" \
    -var "project_id=${PROJECT}" -var "cluster=${CLUSTER}" -var "workers=${WORKERS}" \
    -var "bucket=${BUCKET}" -var "prefix=${PREFIX}/"
}

upload() {
  step "upload the initialization action"
  run gcloud storage cp "${HERE}/dataproc-initactions.sh" "gs://${BUCKET}/cluster/dataproc-initactions.sh"
  if [[ -n "${WHEEL}" ]]; then
    run gcloud storage cp "${WHEEL}" "${PACKAGE}"
  fi
}

create_cluster() {
  step "create the cluster ${CLUSTER} with ${WORKERS} workers"
  local -a network=()
  local metadata="poltergust-path=gs://${BUCKET}/${PREFIX},poltergust-project=${PROJECT}"
  metadata+=",poltergust-name=poltergust-${CLUSTER},poltergust-package=${PACKAGE}"
  [[ -z "${SUBNET}" ]] || network+=("--subnet=${SUBNET}")
  [[ "${PUBLIC_IP}" == false ]] || network+=(--public-ip-address)
  run gcloud dataproc clusters create "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" \
    --num-workers="${WORKERS}" --image-version="${IMAGE}" \
    --master-machine-type="${MASTER_TYPE}" --worker-machine-type="${WORKER_TYPE}" \
    --service-account="${CLUSTER}-nodes@${PROJECT}.iam.gserviceaccount.com" --scopes=cloud-platform \
    --initialization-actions="gs://${BUCKET}/cluster/dataproc-initactions.sh" --initialization-action-timeout=15m \
    --metadata="${metadata}" --labels=app=poltergust "${network[@]}"
}

add_workers() {
  step "add workers up to ${WORKERS}"
  run gcloud dataproc clusters update "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" --num-workers="${WORKERS}"
}

# One line for each heartbeat, with the time of its last change by the storage's clock.
heartbeats() {
  gcloud storage ls --long "gs://${BUCKET}/${PREFIX}.poltergust/nodes/" 2>/dev/null || true # none yet is an error there
}

# A heartbeat of an earlier life does not count: it has to change, which a live agent sees to every minute.
await_workers() {
  step "wait for the heartbeats of ${WORKERS} workers"
  if [[ "${DRY_RUN}" == true ]]; then
    return
  fi
  local before="$1" now index line end=$((SECONDS + TIMEOUT))
  local -a missing
  while true; do
    now="$(heartbeats)"
    missing=()
    for ((index = 0; index < WORKERS; index++)); do
      line="$(grep -F "/nodes/${CLUSTER}-w-${index}.json" <<<"${now}" || true)"
      if [[ -z "${line}" ]] || grep -qxF -- "${line}" <<<"${before}"; then
        missing+=("${CLUSTER}-w-${index}")
      fi
    done
    ((${#missing[@]} > 0)) || return 0
    if ((SECONDS >= end)); then
      say "error: no heartbeat of ${missing[*]} within ${TIMEOUT} s; look there with: journalctl -u poltergust-agent"
      return 1
    fi
    sleep "${POLTERGUST_POLL_SECONDS:-5}"
  done
}

open_ssh() {
  step "open ssh"
  local zone=ZONE
  local -a iap=()
  [[ "${IAP}" == false ]] || iap+=(--tunnel-through-iap)
  if [[ "${DRY_RUN}" == false ]]; then
    zone="$(gcloud dataproc clusters describe "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" \
      --format='value(config.gceClusterConfig.zoneUri.basename())')"
  fi
  # luigid listens on the master's own address, not on its loopback: hence not "localhost" on the far side.
  run gcloud compute ssh "${CLUSTER}-m" --project="${PROJECT}" --zone="${zone}" "${iap[@]}" -- \
    -L "8082:${CLUSTER}-m:8082"
}

main() {
  parse "$@"
  trap on_error ERR
  local workers='' before=''
  if [[ "${DRY_RUN}" == false ]]; then
    workers="$(current_workers)"
    before="$(heartbeats)"
  fi
  if [[ -n "${workers}" ]] && ((workers > WORKERS)); then
    die "the cluster has ${workers} workers: taking some away is Dataproc's choice of which, so delete it and create it anew"
  fi
  make_bucket
  apply_wiring
  upload
  if [[ -z "${workers}" ]]; then
    create_cluster
  elif ((workers < WORKERS)); then
    add_workers
  fi
  await_workers "${before}"
  say "drop task files into gs://${BUCKET}/${PREFIX}/"
  [[ "${SSH}" == false ]] || open_ssh
}

main "$@"
