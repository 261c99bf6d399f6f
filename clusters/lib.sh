# shellcheck shell=bash
# What the create and delete scripts share. To be sourced; sets nothing but functions.

say() {
  printf '%s\n' "$*" >&2
}

die() {
  say "error: $*"
  exit 2
}

# Run a command that changes something; with --dry-run only print it.
run() {
  if [[ "${DRY_RUN}" == true ]]; then
    printf '%q ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

# Say what is being done; a failure names it.
step() {
  STEP="$1"
  say "==> ${STEP}"
}

on_error() {
  say "error: failed to ${STEP:-start}; what is done is kept, the same command run again goes on from there"
}

need() {
  local program
  for program in "$@"; do
    command -v "${program}" >/dev/null || die "${program} is not on PATH"
  done
}

# again_in REASON ATTEMPT: wait before the next of ATTEMPTS attempts; fails when that was the last one.
again_in() {
  local pause="${POLTERGUST_PAUSE_SECONDS:-30}"
  (("$2" < ATTEMPTS)) || return 1
  say "attempt $2 of ${ATTEMPTS} failed: $1; again in ${pause} s"
  sleep "${pause}"
}

# The project of --project, else the one that gcloud is set to.
resolve_project() {
  local project="$1"
  if [[ -z "${project}" ]]; then
    project="$(gcloud config get-value project 2>/dev/null)"
  fi
  [[ "${project}" =~ ^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] ||
    die "no project: add --project PROJECT, or set one with: gcloud config set project PROJECT"
  printf '%s' "${project}"
}

check_cluster() {
  [[ "$1" =~ ^[a-z][a-z0-9-]{0,22}[a-z0-9]$ ]] ||
    die "cluster '$1': 2 to 24 lower-case letters, digits and dashes, beginning with a letter"
}

default_state_dir() {
  # shellcheck disable=SC2153 # PROJECT is the scripts' own, set by their parse()
  printf '%s' "${XDG_STATE_HOME:-${HOME}/.local/state}/poltergust/${PROJECT}/${CLUSTER}"
}

# What the option --$1 was when the cluster was created or changed last, else $2. A later run that is told less means the
# same cluster.
remembered() {
  if [[ -f "${STATE_DIR}/$1" ]]; then
    cat "${STATE_DIR}/$1"
  else
    printf '%s' "$2"
  fi
}

# remember OPTION VALUE
remember() {
  [[ "${DRY_RUN}" == true ]] || printf '%s' "$2" >"${STATE_DIR}/$1"
}

# Prints "True" or "False", whether the project's bucket $1 has uniform access; nothing if the project has no such bucket.
own_bucket() {
  gcloud storage buckets list --project="${PROJECT}" --filter="name = $1" \
    --format='csv[no-heading](name,uniform_bucket_level_access.yesno(yes="True",no="False"))' |
    sed -n "s/^$1,//p"
}

# The bucket that the cluster was created with, else gs://CLUSTER if the project has it, else PROJECT-CLUSTER.
default_bucket() {
  if [[ -f "${STATE_DIR}/bucket" ]]; then
    cat "${STATE_DIR}/bucket"
  elif [[ -n "$(own_bucket "${CLUSTER}")" ]]; then
    printf '%s' "${CLUSTER}"
  else
    printf '%s' "${PROJECT//[:.]/-}-${CLUSTER}"
  fi
}

# Terraform on the wiring of one cluster, with its state in STATE_DIR and nothing written beside the sources.
wiring() {
  run env TF_IN_AUTOMATION=1 TF_DATA_DIR="${STATE_DIR}/data" \
    terraform -chdir="${STATE_DIR}/source/clusters/dataproc" "$@"
}

# A copy of the sources in STATE_DIR: the lock file of the providers belongs to the cluster, not to the sources.
wiring_init() {
  if [[ "${DRY_RUN}" == false ]]; then
    (
      umask 077
      mkdir -p "${STATE_DIR}/source/clusters/dataproc" "${STATE_DIR}/source/infra/terraform"
      cp "${HERE}"/dataproc/*.tf "${STATE_DIR}/source/clusters/dataproc/"
      cp "${HERE}"/../infra/terraform/*.tf "${STATE_DIR}/source/infra/terraform/"
    )
  fi
  wiring init -input=false -no-color
}

# Sets STATE (empty: there is no such cluster), PRIMARY and SECONDARY (numbers of workers) and POLICY (of autoscaling).
# A list, not a look at the one: that it is not there and that one may not look are different answers. Not for use in a
# condition, where bash lets failures pass.
read_cluster() {
  local line
  line="$(gcloud dataproc clusters list --project="${PROJECT}" --region="${REGION}" --filter="clusterName = ${CLUSTER}" \
    --format='csv[no-heading](status.state,config.workerConfig.numInstances,config.secondaryWorkerConfig.numInstances,config.autoscalingConfig.policyUri.basename())')"
  # shellcheck disable=SC2034 # for the scripts
  IFS=, read -r STATE PRIMARY SECONDARY POLICY <<<"${line}"
}

# One line for each heartbeat, with the time of its last change by the storage's clock.
heartbeats() {
  gcloud storage ls --long "gs://${BUCKET}/${PREFIX}.poltergust/nodes/" 2>/dev/null || true # none yet is an error there
}

# The names of the machines that run an agent.
worker_names() {
  gcloud dataproc clusters describe "${CLUSTER}" --project="${PROJECT}" --region="${REGION}" \
    --format='value(config.workerConfig.instanceNames.list(separator=" "),config.secondaryWorkerConfig.instanceNames.list(separator=" "))'
}
