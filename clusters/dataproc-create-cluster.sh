#!/usr/bin/env bash
# A Dataproc cluster whose workers run pipelines the moment a task file lands in the bucket.
set -Eeuo pipefail

HERE="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE
# shellcheck source=clusters/lib.sh
source "${HERE}/lib.sh"
# shellcheck source=clusters/checks.sh
source "${HERE}/checks.sh"

readonly ATTEMPTS=3 DISK_GB=100
readonly PINS="${HERE}/../requirements/agent.txt" # all that the wheel needs, by hash

usage() {
  cat <<'TEXT'
usage: dataproc-create-cluster.sh CLUSTER WORKERS [options]

Looks at the project first and says what is missing, with the command that adds it. Then makes the bucket if it is
missing, applies the wiring for the workers that will exist, uploads the initialization action and a wheel of this
source tree, creates the cluster (or adds workers to it), waits until every worker's heartbeat is there, and opens ssh
with the Luigi scheduler's page on http://localhost:8082. Run again it does what is missing.

  --project PROJECT            default: the one gcloud is set to
  --region REGION              default: the one that the cluster was created in, else us-central1
  --bucket BUCKET              default: CLUSTER if the project has that bucket, else PROJECT-CLUSTER
  --boot-bucket BUCKET         what machines boot from, and cannot change; default: the bucket's name and -boot
  --password-secret SECRET     take the scheduler's password from that secret of Secret Manager; default: as the cluster
                               was created, else an object
  --prefix PREFIX              where task files are dropped; default: as the cluster was created, else pipeline
  --wheel FILE                 instead of this source tree: that wheel of Poltergust
  --secondary-workers N        so many secondary workers beside the WORKERS; default: 0
  --autoscaling-policy POLICY  let Dataproc add and remove workers by that policy of the region
  --preemptible TYPE           what secondary workers are: spot (default), preemptible or non-preemptible
  --master-machine-type TYPE   default: e2-standard-2
  --worker-machine-type TYPE   default: e2-standard-4
  --image-version VERSION      default: 2.2-debian12
  --subnet SUBNET              default: the project's default network
  --public-ip                  public addresses; default where the network has no Cloud NAT
  --internal-ip                no public addresses; default where the network has Cloud NAT, which it needs
  --iap                        ssh through the Identity-Aware Proxy; default without public addresses
  --no-ssh                     end when the workers are there
  --recreate                   delete the cluster first, whatever its state; bucket and wiring stay
  --timeout SECONDS            how long to wait for the workers' heartbeats; default: 900
  --state-dir DIR              where Terraform's state is kept; default: ~/.local/state/poltergust/PROJECT/CLUSTER
  --dry-run                    look, print what would be run, and change nothing
  -h, --help                   this text

Needs gcloud (logged in, and with application-default credentials for Terraform), terraform, and uv or Python's pip to
build the wheel. Undone by dataproc-delete-cluster.sh.
TEXT
}

parse() {
  local -a words=()
  PROJECT='' REGION='' BUCKET='' BOOT='' SECRET='' PREFIX='' WHEEL='' SUBNET='' STATE_DIR=''
  MASTER_TYPE=e2-standard-2 WORKER_TYPE=e2-standard-4 IMAGE=2.2-debian12 SECONDARY_WORKERS=0 AUTOSCALING='' KIND=spot
  PUBLIC_IP=unset IAP=false SSH=true RECREATE=false TIMEOUT=900 DRY_RUN=false
  while (($# > 0)); do
    case "$1" in
      -h | --help) usage && exit 0 ;;
      --public-ip) PUBLIC_IP=true ;;
      --internal-ip) PUBLIC_IP=false ;;
      --recreate) RECREATE=true ;;
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
          --boot-bucket) BOOT="${2#gs://}" ;;
          --password-secret) SECRET="$2" ;;
          --prefix) PREFIX="${2%/}" && PREFIX="${PREFIX:-/}" ;; # an empty one is refused below
          --wheel) WHEEL="$2" ;;
          --secondary-workers) SECONDARY_WORKERS="$2" ;;
          --autoscaling-policy) AUTOSCALING="$2" ;;
          --preemptible) KIND="$2" ;;
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
  [[ -z "${PREFIX}" || "${PREFIX}" =~ ^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$ ]] || die "--prefix '${PREFIX}': a folder's name, such as pipeline"
  [[ "${SECONDARY_WORKERS}" =~ ^[0-9]{1,4}$ ]] || die "--secondary-workers '${SECONDARY_WORKERS}': a number"
  [[ "${KIND}" =~ ^(spot|preemptible|non-preemptible)$ ]] ||
    die "--preemptible '${KIND}': spot, preemptible or non-preemptible"
  [[ -z "${WHEEL}" || -f "${WHEEL}" ]] || die "--wheel '${WHEEL}': no such file"
  [[ -z "${BUCKET}" || "${BUCKET}" =~ ^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$ ]] || die "--bucket '${BUCKET}': a bucket's name"
  [[ -z "${BOOT}" || "${BOOT}" =~ ^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$ ]] || die "--boot-bucket '${BOOT}': a bucket's name"
  [[ "${SECRET}" =~ ^[A-Za-z0-9_-]{0,255}$ ]] || die "--password-secret '${SECRET}': a secret's name"
  need gcloud terraform
  PROJECT="$(resolve_project "${PROJECT}")"
  STATE_DIR="${STATE_DIR:-$(default_state_dir)}"
  REGION="${REGION:-$(remembered region us-central1)}"
  PREFIX="${PREFIX:-$(remembered prefix pipeline)}"
  SECRET="${SECRET:-$(remembered password-secret '')}"
  readonly PROJECT REGION PREFIX SUBNET STATE_DIR MASTER_TYPE WORKER_TYPE IMAGE SSH SECONDARY_WORKERS AUTOSCALING KIND
  readonly RECREATE TIMEOUT DRY_RUN CLUSTER WORKERS
}

# Whether the cluster that is there can be used; --recreate deletes it.
check_state() {
  if [[ -z "${STATE}" ]]; then
    return
  elif [[ "${RECREATE}" == true ]]; then
    step "delete the cluster ${CLUSTER}, which is ${STATE}"
    run gcloud dataproc clusters delete "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" --quiet
    STATE='' PRIMARY='' SECONDARY='' POLICY=''
  elif [[ "${STATE}" == ERROR* ]]; then
    die "the cluster ${CLUSTER} is in state ${STATE}, which it does not leave: why, says" \
      "'gcloud dataproc clusters describe ${CLUSTER} --project=${PROJECT} --region=${REGION}';" \
      "add --recreate to delete it and create it again (the bucket stays)"
  elif [[ "${STATE}" != RUNNING ]]; then
    die "the cluster ${CLUSTER} is ${STATE}; run this again when it is RUNNING"
  elif [[ -z "${POLICY}" ]] && ((PRIMARY > WORKERS)); then
    die "the cluster has ${PRIMARY} workers, and which of them go is Dataproc's choice; --recreate creates it with ${WORKERS}"
  fi
}

# From this source tree, unless --wheel named one: what a registry has under the name may be somebody else's. Sets RELEASE,
# where it lies in the bucket: a machine that joins later gets what the cluster was created with.
build_wheel() {
  if [[ -z "${WHEEL}" ]]; then
    step "build a wheel of this source tree"
    BUILD_DIR="$(mktemp -d)"
    trap 'rm -rf "${BUILD_DIR}"' EXIT
    if command -v uv >/dev/null; then
      uv build --quiet --wheel --out-dir "${BUILD_DIR}" "${HERE}/.." >&2
    else
      python3 -m pip wheel --quiet --no-deps --wheel-dir "${BUILD_DIR}" "${HERE}/.." >&2
    fi
    WHEEL="$(printf '%s' "${BUILD_DIR}"/*.whl)"
  fi
  RELEASE="gs://${BOOT}/$(cat "${HERE}/dataproc-initactions.sh" "${WHEEL}" "${PINS}" | sha256sum | cut -c1-12)"
}

# An initialization action runs as root, and Dataproc gives its machines rights on the objects of every bucket of the project.
# What is in a bucket with a retention policy nobody can replace, and the machines may change no bucket's policy.
# https://cloud.google.com/storage/docs/bucket-lock
make_boot_bucket() {
  step "make the bucket gs://${BOOT}, which machines boot from, if it is missing"
  [[ "${BOOT_FOUND}" == true ]] ||
    run gcloud storage buckets create "gs://${BOOT}" --project="${PROJECT}" --location="${REGION}" \
      --uniform-bucket-level-access --public-access-prevention --retention-period=P10Y
}

make_bucket() {
  step "make the bucket gs://${BUCKET} if it is missing"
  if [[ "${MAKE_UNIFORM}" == true ]]; then
    run gcloud storage buckets update "gs://${BUCKET}" --uniform-bucket-level-access
  elif [[ "${BUCKET_FOUND}" == false ]]; then
    # Soft delete would keep and bill every overwritten log for a week.
    run gcloud storage buckets create "gs://${BUCKET}" --project="${PROJECT}" --location="${REGION}" \
      --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=0
  fi
}

apply_wiring() {
  step "apply the wiring for ${WORKERS} workers"
  local attempt
  wiring_init
  # For later, and for the delete script.
  remember bucket "${BUCKET}"
  remember boot-bucket "${BOOT}"
  remember region "${REGION}"
  remember prefix "${PREFIX}"
  remember password-secret "${SECRET}"
  for ((attempt = 1; ; attempt++)); do
    if wiring apply -input=false -no-color -auto-approve -state="${STATE_DIR}/terraform.tfstate" \
      -var "project_id=${PROJECT}" -var "cluster=${CLUSTER}" -var "workers=${WORKERS}" \
      -var "bucket=${BUCKET}" -var "boot_bucket=${BOOT}" -var "prefix=${PREFIX}/" -var "elastic=${ELASTIC}"; then
      return
    fi
    again_in "a right may not be in force everywhere yet" "${attempt}" || return 1
  done
}

upload() {
  step "upload the initialization action, the wheel, and the scheduler's password if it is missing"
  local file
  run gcloud storage cp --no-clobber "${HERE}/dataproc-initactions.sh" "${WHEEL}" "${PINS}" "${RELEASE}/"
  # What stood there before stays: a machine may have written it there, under a name that can be computed.
  for file in "${HERE}/dataproc-initactions.sh" "${WHEEL}" "${PINS}"; do
    [[ "${DRY_RUN}" == true ||
      "$(gcloud storage cat "${RELEASE}/${file##*/}" | sha256sum)" == "$(sha256sum <"${file}")" ]] ||
      die "${RELEASE}/${file##*/} is not the file of this name here: somebody else wrote it; look who may write there," \
        "and name another bucket with --boot-bucket"
  done
  if [[ -n "${SECRET}" ]]; then
    run gcloud secrets add-iam-policy-binding "${SECRET}" --project="${PROJECT}" --role=roles/secretmanager.secretAccessor \
      --member="serviceAccount:${CLUSTER}-nodes@${PROJECT}.iam.gserviceaccount.com"
  # The nodes read it there. Whoever can read it can run code on them, as whoever can write into the bucket.
  elif ! gcloud storage ls "${PASSWORD}" >/dev/null 2>&1; then
    run gcloud storage cp - "${PASSWORD}" <<<"$(head -c 24 /dev/urandom | base64)"
  fi
}

create_cluster() {
  step "create the cluster ${CLUSTER} with ${WORKERS} workers"
  local attempt errors
  local -a more=("--no-address")
  local metadata="poltergust-path=gs://${BUCKET}/${PREFIX},poltergust-project=${PROJECT}"
  metadata+=",poltergust-name=poltergust-${CLUSTER},poltergust-package=${RELEASE}/${WHEEL##*/}"
  metadata+=",poltergust-password=${PASSWORD}"
  [[ "${PUBLIC_IP}" == false ]] || more=(--public-ip-address)
  [[ -z "${SUBNET}" ]] || more+=("--subnet=${SUBNET}")
  [[ -z "${AUTOSCALING}" ]] || more+=("--autoscaling-policy=${AUTOSCALING}")
  ((SECONDARY_WORKERS == 0)) ||
    more+=("--num-secondary-workers=${SECONDARY_WORKERS}" "--secondary-worker-type=${KIND}")
  errors="$(mktemp)"
  for ((attempt = 1; ; attempt++)); do
    if { run gcloud dataproc clusters create "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" \
      --num-workers="${WORKERS}" --image-version="${IMAGE}" \
      --master-machine-type="${MASTER_TYPE}" --worker-machine-type="${WORKER_TYPE}" \
      --master-boot-disk-size="${DISK_GB}GB" --worker-boot-disk-size="${DISK_GB}GB" \
      --service-account="${CLUSTER}-nodes@${PROJECT}.iam.gserviceaccount.com" --scopes=cloud-platform \
      --initialization-actions="${RELEASE}/dataproc-initactions.sh" --initialization-action-timeout=15m \
      --metadata="${metadata}" --labels=app=poltergust "${more[@]}" 2>&1 >&3 | tee "${errors}" >&2; } 3>&1; then
      rm -f "${errors}"
      return
    fi
    read_cluster
    if [[ -n "${STATE}" ]]; then
      say "error: the cluster ${CLUSTER} was made and is in state ${STATE}: an initialization action failed, or machines" \
        "did not come up. The lines above name where its output is. Then: this command with --recreate"
      exit 1
    fi
    # Refused before anything was made. The machines' account has its rights since a moment: that is worth a new try.
    grep -qiE 'permission|service account|denied|forbidden' "${errors}" || return 1
    again_in "the rights of the machines' account may not be in force everywhere yet" "${attempt}" || return 1
  done
}

add_workers() {
  local -a numbers=()
  ((PRIMARY >= WORKERS)) || numbers+=("--num-workers=${WORKERS}")
  ((SECONDARY_WORKERS <= ${SECONDARY:-0})) || numbers+=("--num-secondary-workers=${SECONDARY_WORKERS}")
  if ((${#numbers[@]} > 0)) && [[ -z "${POLICY}" ]]; then
    step "add workers: ${numbers[*]}"
    run gcloud dataproc clusters update "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" "${numbers[@]}"
  fi
}

# A heartbeat of an earlier life does not count: it has to change, which a live agent sees to every minute.
await_workers() {
  step "wait for the heartbeats of the workers"
  if [[ "${DRY_RUN}" == true ]]; then
    return
  fi
  local before="$1" now names name line end=$((SECONDS + TIMEOUT))
  local -a missing
  names="$(worker_names)"
  while true; do
    now="$(heartbeats)"
    missing=()
    for name in ${names}; do
      line="$(grep -F "/nodes/${name}.json" <<<"${now}" || true)"
      if [[ -z "${line}" ]] || grep -qxF -- "${line}" <<<"${before}"; then
        missing+=("${name}")
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
  [[ "${IAP}" == false && "${PUBLIC_IP}" == true ]] || iap+=(--tunnel-through-iap)
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
  local before
  read_cluster
  BUCKET="${BUCKET:-$(default_bucket)}"
  BOOT="${BOOT:-$(remembered boot-bucket "${BUCKET}-boot")}"
  [[ "${BOOT}" != "${BUCKET}" && "${#BOOT}" -le 63 ]] ||
    die "--boot-bucket ${BOOT}: name a bucket of at most 63 characters that is not the one the nodes write to"
  PASSWORD="gs://${BUCKET}/cluster/scheduler-password"
  SHOW_PASSWORD="gcloud storage cat ${PASSWORD}"
  if [[ -n "${SECRET}" ]]; then
    PASSWORD="projects/${PROJECT}/secrets/${SECRET}"
    SHOW_PASSWORD="gcloud secrets versions access latest --secret=${SECRET} --project=${PROJECT}"
  fi
  check_all
  check_state
  build_wheel
  # Machines that nobody counted before: they make their own subscriptions, for which they need more rights.
  ELASTIC=false
  [[ "${SECONDARY_WORKERS}${SECONDARY:-0}${AUTOSCALING}${POLICY}" =~ ^0*$ ]] || ELASTIC=true
  make_bucket
  make_boot_bucket
  before="$(heartbeats)"
  apply_wiring
  upload
  if [[ -z "${STATE}" ]]; then
    create_cluster
  else
    add_workers
  fi
  await_workers "${before}"
  say "drop task files into gs://${BUCKET}/${PREFIX}/; Luigi's page is for user poltergust with the password that" \
    "'${SHOW_PASSWORD}' prints"
  [[ "${SSH}" == false ]] || open_ssh
}

main "$@"
