#!/usr/bin/env bash
# Initialization action of a Dataproc cluster: the Luigi scheduler on the master, a Poltergust agent on every worker,
# both as systemd services. Runs as root on each machine, again without harm.
#
# Instance metadata (see dataproc-create-cluster.sh):
#   poltergust-path      gs://bucket/prefix
#   poltergust-project   project of the topic and the subscriptions
#   poltergust-name      the topic's name, and what the subscriptions' names begin with: <name>-<host name>
#   poltergust-package   gs://bucket/…/poltergust-….whl; beside it agent.txt, the hashes of all that it needs
#   poltergust-password  projects/PROJECT/secrets/SECRET, or gs://bucket/…, an object with the scheduler's password
#
# Secrets that pipelines need (tokens of private indexes) do not belong in metadata, which every program on the machine
# can read: put NAME=value lines into /etc/poltergust/secrets.env, mode 0600, and restart poltergust-agent.
set -euo pipefail

readonly METADATA="http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1"
readonly HOME_DIR=/opt/poltergust
readonly ETC=/etc/poltergust
readonly UNITS=/etc/systemd/system

metadata() {
  curl --fail --silent --show-error --retry 5 --retry-connrefused --max-time 20 \
    --header 'Metadata-Flavor: Google' "${METADATA}/instance/$1"
}

# The first Python that Poltergust runs on and that can make a virtual environment: the image's own, or Dataproc's conda.
find_python() {
  local python
  for python in python3.13 python3.12 python3.11 python3.10 python3 /opt/conda/default/bin/python3; do
    if "${python}" -c 'import ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
      command -v "${python}"
      return
    fi
  done
  echo "error: no Python 3.10 to 3.13 with ensurepip on this image; on Debian: apt-get install python3-venv" >&2
  return 1
}

make_user() {
  getent passwd poltergust >/dev/null ||
    useradd --system --user-group --home-dir /var/lib/poltergust --shell /usr/sbin/nologin poltergust
}

# In an environment of its own: neither the image's packages nor a pipeline's can disturb it. From the registry comes only
# what the list names, by hash, and as wheels: what builds an sdist is in no list.
install_package() {
  local files python
  python="$(find_python)"
  [[ -x "${HOME_DIR}/bin/python" ]] || "${python}" -m venv "${HOME_DIR}"
  python="${HOME_DIR}/bin/python"
  files="$(mktemp -d)"
  gcloud storage cp "$1" "${1%/*}/agent.txt" "${files}/"
  awk '/^[^ ]/ {uv = /^uv==/} uv' "${files}/agent.txt" >"${files}/uv.txt" # uv alone: it gets the rest in a tenth of the time
  "${python}" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --requirement "${files}/uv.txt"
  "${HOME_DIR}/bin/uv" pip install --quiet --python "${python}" --require-hashes --only-binary :all: \
    --requirements "${files}/agent.txt"
  "${HOME_DIR}/bin/uv" pip install --quiet --python "${python}" --no-index --no-deps --reinstall "${files}/${1##*/}"
  "${HOME_DIR}/bin/uv" pip check --quiet --python "${python}"
  rm -rf "${files}"
}

# write FILE MODE: standard input into FILE, in one step.
write() {
  local file="$1" mode="$2"
  mkdir -p "$(dirname "${file}")"
  (umask 077 && cat >"${file}.new")
  chmod "${mode}" "${file}.new"
  mv "${file}.new" "${file}"
}

# What both units promise. A pipeline may use the network and its own folders, and nothing else of the machine.
hardening() {
  cat <<'UNIT'
User=poltergust
Group=poltergust
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
RemoveIPC=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UNIT
}

# Restart with a growing delay, where systemd knows how (254 and newer; before, always the same delay).
restart() {
  cat <<'UNIT'
Restart=always
RestartSec=5s
UNIT
  if (($(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p') >= 254)); then
    printf 'RestartSteps=6\nRestartMaxDelaySec=2min\n'
  fi
}

# The password that the scheduler asks for: the same file on every machine of the cluster.
write_password() {
  local source
  source="$(metadata attributes/poltergust-password)"
  if [[ "${source}" =~ ^projects/([^/]+)/secrets/([^/]+)$ ]]; then
    gcloud secrets versions access latest --project="${BASH_REMATCH[1]}" --secret="${BASH_REMATCH[2]}"
  else
    gcloud storage cat "${source}"
  fi | write "${ETC}/scheduler-password" 0600
  chown poltergust:poltergust "${ETC}/scheduler-password"
}

write_scheduler() {
  # On the machine's own address, for private networks only. Stopped by SIGTERM it saves its state.
  write "${UNITS}/poltergust-scheduler.service" 0644 <<UNIT
[Unit]
Description=Luigi scheduler of the Poltergust nodes
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
WatchdogSec=2min
Environment=HOME=/var/lib/poltergust-scheduler POLTERGUST_SCHEDULER_HTTP=127.0.0.1:8089 POLTERGUST_LOG_FORMAT=json
ExecStart=${HOME_DIR}/bin/poltergust scheduler --address $(metadata network-interfaces/0/ip) --port 8082 --password-file ${ETC}/scheduler-password --state-dir /var/lib/poltergust-scheduler
$(restart)
TimeoutStopSec=1min
StateDirectory=poltergust-scheduler
StateDirectoryMode=0700
IPAddressDeny=any
IPAddressAllow=localhost 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16
MemoryDenyWriteExecute=yes
$(hardening)

[Install]
WantedBy=multi-user.target
UNIT
}

# Whether the wiring made a subscription for this worker. A primary worker's right to look at it may take a minute to be in
# force; secondary workers (NAME-sw-XXXX) have none.
has_subscription() {
  local attempt
  [[ "$1" != *-sw-* ]] || return 1
  for ((attempt = 1; attempt <= 6; attempt++)); do
    ! gcloud pubsub subscriptions describe "$2" --format='value(name)' >/dev/null 2>&1 || return 0
    sleep "${POLTERGUST_PAUSE_SECONDS:-10}"
  done
  return 1
}

write_agent() {
  local node project name source
  node="$(hostname -s)"
  project="projects/$(metadata attributes/poltergust-project)" name="$(metadata attributes/poltergust-name)"
  source="POLTERGUST_SUBSCRIPTION=${project}/subscriptions/${name}-${node}"
  # Workers that nobody counted before, secondary and autoscaled ones, make their own: it is removed when they stop.
  has_subscription "${node}" "${source#*=}" || source="POLTERGUST_TOPIC=${project}/topics/${name}"
  # Every option of `poltergust listen` has such a variable.
  write "${ETC}/agent.env" 0644 <<ENV
POLTERGUST_PATH=$(metadata attributes/poltergust-path)
${source}
POLTERGUST_NODE=${node}
POLTERGUST_SCHEDULER_URL=http://$(metadata attributes/dataproc-master):8082
POLTERGUST_SCHEDULER_PASSWORD_FILE=${ETC}/scheduler-password
POLTERGUST_CACHE_DIR=/var/cache/poltergust
POLTERGUST_DRAIN_TIMEOUT=10m
POLTERGUST_LOG_FORMAT=json
POLTERGUST_HTTP=127.0.0.1:8089
POLTERGUST_INSTALL_PYTHONS=true
ENV
  # Stop: the agent alone is asked, drains within its ten minutes, and then whatever is left of the service is killed.
  write "${UNITS}/poltergust-agent.service" 0644 <<UNIT
[Unit]
Description=Poltergust agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
WatchdogSec=2min
TimeoutStartSec=5min
Environment=HOME=/var/lib/poltergust PATH=${HOME_DIR}/bin:/usr/local/bin:/usr/bin:/bin
EnvironmentFile=${ETC}/agent.env
EnvironmentFile=-${ETC}/secrets.env
WorkingDirectory=/var/lib/poltergust
ExecStart=${HOME_DIR}/bin/poltergust listen
$(restart)
KillMode=mixed
TimeoutStopSec=11min
StateDirectory=poltergust
StateDirectoryMode=0700
CacheDirectory=poltergust
CacheDirectoryMode=0700
$(hardening)

[Install]
WantedBy=multi-user.target
UNIT
}

start() {
  systemctl daemon-reload
  systemctl enable "$1"
  systemctl restart "$1"
}

main() {
  local role
  role="$(metadata attributes/dataproc-role)"
  make_user
  install_package "$(metadata attributes/poltergust-package)"
  write_password
  if [[ "${role}" == Master ]]; then
    write_scheduler
    start poltergust-scheduler.service
  else
    write_agent
    start poltergust-agent.service
  fi
}

main "$@"
