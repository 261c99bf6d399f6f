{{/* The release's name, short enough for what is appended to it; the part is the argument: list . "worker". */}}
{{- define "poltergust.name" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s" ($root.Release.Name | trunc 40 | trimSuffix "-") (index . 1) -}}
{{- end }}

{{- define "poltergust.selector" -}}
app.kubernetes.io/name: poltergust
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "poltergust.labels" -}}
{{ include "poltergust.selector" . }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{- define "poltergust.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}
{{- end }}

{{- define "poltergust.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (.Release.Name | trunc 63 | trimSuffix "-") "default") }}
{{- end }}

{{- define "poltergust.schedulerUrl" -}}
http://{{ include "poltergust.name" (list . "scheduler") }}:8082
{{- end }}

{{- define "poltergust.passwordSecret" -}}
{{ .Values.scheduler.passwordSecret | default (include "poltergust.name" (list . "scheduler")) }}
{{- end }}

{{/* What every pod is: nobody's root, nothing of the node's, no token of the cluster. */}}
{{- define "poltergust.pod" -}}
serviceAccountName: {{ include "poltergust.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "poltergust.container" -}}
image: {{ include "poltergust.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* A key of a service account, where there is no Workload Identity. */}}
{{- define "poltergust.googleEnv" -}}
{{- if .Values.keySecret -}}
- name: GOOGLE_APPLICATION_CREDENTIALS
  value: /etc/poltergust/google/key.json
{{- end }}
{{- end }}

{{- define "poltergust.googleMount" -}}
{{- if .Values.keySecret -}}
- name: google
  mountPath: /etc/poltergust/google
  readOnly: true
{{- end }}
{{- end }}

{{- define "poltergust.googleVolume" -}}
{{- if .Values.keySecret -}}
- name: google
  secret:
    secretName: {{ .Values.keySecret }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{/*
The scheduler's password, for whoever speaks to it. Poltergust takes only a file that nobody else can read, and a mounted
Secret is readable for the pod's group: an init container copies it into memory.
*/}}
{{- define "poltergust.passwordInit" -}}
- name: password
  {{- include "poltergust.container" . | nindent 2 }}
  command: [sh, -c, "umask 077 && cat /etc/poltergust/secret/password >/run/poltergust/password"]
  resources:
    requests:
      cpu: 10m
      memory: 16Mi
    limits:
      memory: 64Mi
  volumeMounts:
    - name: secret
      mountPath: /etc/poltergust/secret
      readOnly: true
    - name: password
      mountPath: /run/poltergust
{{- end }}

{{- define "poltergust.passwordEnv" -}}
- name: POLTERGUST_SCHEDULER_PASSWORD_FILE
  value: /run/poltergust/password
{{- end }}

{{- define "poltergust.passwordMount" -}}
- name: password
  mountPath: /run/poltergust
  readOnly: true
{{- end }}

{{- define "poltergust.passwordVolume" -}}
- name: secret
  secret:
    secretName: {{ include "poltergust.passwordSecret" . }}
    defaultMode: 0440
- name: password
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}

{{/*
Liveness is for who restarts processes, readiness for who watches the service; the argument names the page of readiness.
*/}}
{{- define "poltergust.probes" -}}
startupProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: {{ . }}
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}
