{{/* Name of everything: the release's, with the chart's where it does not hold it. At most 44 characters, so that what is derived fits. */}}
{{- define "name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 44 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 44 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: signstash-proxy
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The restricted Pod Security level, and a root that cannot be written. */}}
{{- define "podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- end }}

{{/* The YAML file of the proxy: with the trial, the simulated service is its provider and timestamp authority. */}}
{{- define "config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.trial.enabled -}}
{{- $url := printf "http://%s-trial:8090" (include "name" .) -}}
{{- $trial := dict "name" "trial" "kind" "csc" "url" $url "clientID" "SIM.000000000-000000000-simulated" "clientSecretFile" "/etc/signstash/trial/client-secret" "pinFile" "/etc/signstash/trial/pin" -}}
{{- $_ := set $config "providers" (append ($config.providers | default list) $trial) -}}
{{- $_ := set $config "defaultProvider" ($config.defaultProvider | default "trial") -}}
{{- if not (hasKey $config "timestamp") -}}
{{- $_ := set $config "timestamp" (dict "authorities" (list (dict "name" "trial" "url" (printf "%s/tsa" $url)))) -}}
{{- end -}}
{{- end -}}
{{- if $config }}{{ toYaml $config }}{{ end -}}
{{- end }}

{{/* What must not be installed. */}}
{{- define "check" -}}
{{- if not (or .Values.provider.domain .Values.config.providers .Values.trial.enabled) -}}
{{- fail "nobody would sign: set provider.domain or config.providers, or trial.enabled=true to try it with a simulated service whose signatures have no value" -}}
{{- end -}}
{{- if and (eq .Values.endpoint.mode "HostTemplate") (not (and .Values.endpoint.hostTemplate .Values.endpoint.portTemplate)) -}}
{{- fail "endpoint.mode HostTemplate needs endpoint.hostTemplate and endpoint.portTemplate" -}}
{{- end -}}
{{- if and (ne .Values.endpoint.mode "HostTemplate") (or .Values.endpoint.hostTemplate .Values.endpoint.portTemplate) -}}
{{- fail "endpoint.hostTemplate and endpoint.portTemplate belong to endpoint.mode HostTemplate" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.replicas)) -}}
{{- fail "autoscaling.maxReplicas is less than replicas" -}}
{{- end -}}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") -}}
{{- fail "service.nodePort needs service.type NodePort or LoadBalancer" -}}
{{- end -}}
{{- end }}
