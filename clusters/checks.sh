# shellcheck shell=bash
# What dataproc-create-cluster.sh looks at before it creates anything. To be sourced; sets nothing but functions, which
# only look. Each failure is one line with the command that removes it.

# A failure that does not hide the others.
complain() {
  say "error: $*"
  COMPLAINTS=$((COMPLAINTS + 1))
}

# Without these no other check can be answered, hence first and alone.
check_apis() {
  local -a wanted=(cloudresourcemanager compute dataproc iam pubsub storage) missing=()
  local api enabled
  [[ "${IAP}" == false ]] || wanted+=(iap)
  [[ -z "${SECRET}" ]] || wanted+=(secretmanager)
  enabled="$(gcloud services list --enabled --project="${PROJECT}" --format='value(config.name)')"
  for api in "${wanted[@]}"; do
    grep -qx "${api}.googleapis.com" <<<"${enabled}" || missing+=("${api}.googleapis.com")
  done
  ((${#missing[@]} == 0)) ||
    die "${PROJECT} has not enabled ${missing[*]}; run: gcloud services enable ${missing[*]} --project=${PROJECT}"
}

check_login() {
  gcloud auth application-default print-access-token >/dev/null 2>&1 ||
    complain "Terraform has no credentials; run: gcloud auth application-default login"
}

# Sets BUCKET_FOUND (true, false) and MAKE_UNIFORM: whether an empty bucket without uniform access is given it.
# shellcheck disable=SC2034 # both are for the script
check_bucket() {
  local uniform answer
  BUCKET_FOUND=false MAKE_UNIFORM=false
  uniform="$(own_bucket "${BUCKET}")"
  if [[ -z "${uniform}" ]]; then
    # Names are shared by all the world: not in this project's list is not yet free.
    answer="$(gcloud storage buckets describe "gs://${BUCKET}" --format='value(name)' 2>&1)" || true
    [[ "${answer}" == *"not found"* ]] ||
      complain "gs://${BUCKET} belongs to another project than ${PROJECT}; name another with --bucket"
    return
  fi
  BUCKET_FOUND=true
  if [[ "${uniform}" == False ]]; then
    answer="$(gcloud storage ls "gs://${BUCKET}" 2>&1)" || true
    if [[ -z "${answer}" || "${answer}" == *"matched no objects"* ]]; then
      MAKE_UNIFORM=true # nothing in it could have a list of its own of who may read it
    else
      complain "gs://${BUCKET} has no uniform access, which the nodes' rights need; if no object relies on a list of" \
        "its own, run: gcloud storage buckets update gs://${BUCKET} --uniform-bucket-level-access"
    fi
  fi
}

# Sets BOOT_FOUND (true, false). One of another project, in which the machines have no rights at all, is welcome.
# shellcheck disable=SC2034 # for the script
check_boot_bucket() {
  local answer
  BOOT_FOUND=true
  [[ -z "$(own_bucket "${BOOT}")" ]] || return 0
  answer="$(gcloud storage buckets describe "gs://${BOOT}" --format='value(name)' 2>&1)" && return 0
  BOOT_FOUND=false
  [[ "${answer}" == *"not found"* ]] ||
    complain "gs://${BOOT} belongs to somebody else; name another bucket for machines to boot from with --boot-bucket"
}

check_secret() {
  [[ -z "${SECRET}" ]] ||
    gcloud secrets describe "${SECRET}" --project="${PROJECT}" --format='value(name)' >/dev/null 2>&1 ||
    complain "${PROJECT} has no secret ${SECRET} in Secret Manager; run: openssl rand -hex 32 |" \
      "gcloud secrets create ${SECRET} --project=${PROJECT} --data-file=-"
}

# The machines install packages when they start: through Cloud NAT, or from public addresses. Sets PUBLIC_IP (true,
# false) where the options leave it open.
check_network() {
  local network nat
  if ! network="$(gcloud compute networks subnets describe "${SUBNET:-default}" --project="${PROJECT}" \
    --region="${REGION}" --format='value(network.basename())' 2>/dev/null)"; then
    complain "${REGION} has no subnet ${SUBNET:-default}; name one with --subnet, or run:" \
      "gcloud compute networks create default --project=${PROJECT} --subnet-mode=auto"
    return
  fi
  [[ "${PUBLIC_IP}" != true ]] || return 0
  nat="$(gcloud compute routers list --project="${PROJECT}" --regions="${REGION}" --filter='nats:*' \
    --format='value(network.basename())')"
  if grep -qxF -- "${network}" <<<"${nat}"; then
    PUBLIC_IP=false
  elif [[ "${PUBLIC_IP}" == unset ]]; then
    say "network ${network} has no Cloud NAT in ${REGION}: the machines get public addresses (--internal-ip forbids it)"
    PUBLIC_IP=true
  else
    complain "network ${network} has no Cloud NAT in ${REGION}, so machines without public addresses install nothing;" \
      "leave --internal-ip out, or run: gcloud compute routers create poltergust --project=${PROJECT}" \
      "--region=${REGION} --network=${network} && gcloud compute routers nats create poltergust" \
      "--project=${PROJECT} --router=poltergust --region=${REGION} --auto-allocate-nat-external-ips" \
      "--nat-all-subnet-ip-ranges"
  fi
}

# The number at the end of a machine type such as e2-standard-4; nothing where the name does not say it.
processors() {
  [[ ! "$1" =~ -([0-9]+)$ ]] || printf '%s' "${BASH_REMATCH[1]}"
}

# Sees the three quotas that new projects meet first; others are seen when Dataproc refuses.
check_quota() {
  local machines=$((WORKERS + SECONDARY_WORKERS + 1)) master worker metric limit usage quotas
  local -A needed=([DISKS_TOTAL_GB]=$((machines * DISK_GB)))
  master="$(processors "${MASTER_TYPE}")" worker="$(processors "${WORKER_TYPE}")"
  [[ -z "${master}" || -z "${worker}" ]] || needed[CPUS]=$((master + (machines - 1) * worker))
  [[ "${PUBLIC_IP}" != true ]] || needed[IN_USE_ADDRESSES]="${machines}"
  quotas="$(gcloud compute regions describe "${REGION}" --project="${PROJECT}" --flatten='quotas[]' \
    --format='csv[no-heading](quotas.metric,quotas.limit,quotas.usage)')"
  while IFS=, read -r metric limit usage; do
    limit="${limit%.*}" usage="${usage%.*}" # they come as 24.0
    if [[ -n "${metric}" && -n "${needed[${metric}]:-}" ]] && ((needed[${metric}] > limit - usage)); then
      complain "quota ${metric} of ${REGION}: ${needed[${metric}]} needed, $((limit - usage)) of ${limit} free; take" \
        "fewer or smaller machines (--worker-machine-type e2-standard-2), another --region, or ask for more:" \
        "https://console.cloud.google.com/iam-admin/quotas?project=${PROJECT}"
    fi
  done <<<"${quotas}"
}

# All of them; ends the script if one complained.
check_all() {
  step "look at the project before anything is created"
  COMPLAINTS=0
  check_apis
  check_login
  check_bucket
  check_boot_bucket
  check_secret
  check_network
  [[ -n "${STATE}" ]] || check_quota
  ((COMPLAINTS == 0)) || exit 2
}
