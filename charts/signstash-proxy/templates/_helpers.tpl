{{/* Base name of all objects: the name of the release, followed by that of the chart unless it contains it. At most 44 characters, so that derived names fit. */}}
{{- define "signstash-proxy.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 44 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 44 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{/* Name of cluster-scoped objects. The hash distinguishes namespace a with release b-c from namespace a-b with release c. */}}
{{- define "signstash-proxy.clusterName" -}}
{{- $name := include "signstash-proxy.name" . -}}
{{ .Release.Namespace }}-{{ $name }}-controller-{{ printf "%s/%s" .Release.Namespace $name | sha256sum | trunc 8 }}
{{- end }}

{{- define "signstash-proxy.selector" -}}
app.kubernetes.io/name: signstash-proxy
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "signstash-proxy.labels" -}}
{{ include "signstash-proxy.selector" . }}
app.kubernetes.io/version: {{ include "signstash-proxy.labelValue" (.Values.image.tag | default .Chart.AppVersion) | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ include "signstash-proxy.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- end }}

{{/* Converts a text to a valid label value: at most 63 letters, digits, - _ and dots, with a letter or digit at both ends. */}}
{{- define "signstash-proxy.labelValue" -}}
{{ regexReplaceAll "[^-A-Za-z0-9_.]" . "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{/* The labels of an object merged with those of the user. Takes (list . own). The labels of the user take precedence. */}}
{{- define "signstash-proxy.labelsWith" -}}
{{ merge (deepCopy (index . 1 | default dict)) (include "signstash-proxy.labels" (index . 0) | fromYaml) | toYaml }}
{{- end }}

{{- define "signstash-proxy.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* The restricted Pod Security level with a read-only root file system. */}}
{{- define "signstash-proxy.podSecurity" -}}
runAsNonRoot: true
{{- range $name := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- with get $.Values.podSecurity $name }}
{{ $name }}: {{ int64 . }}
{{- end }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "signstash-proxy.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "signstash-proxy.placement" -}}
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

{{/* Nine tenths of a memory limit (a quantity), in bytes. The rest is for memory that the Go runtime does not count. Empty if the limit cannot be parsed. */}}
{{- define "signstash-proxy.memoryLimit" -}}
{{- $text := . -}}
{{- if not (kindIs "string" .) }}{{ $text = printf "%.0f" (float64 .) }}{{ end -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- $ki := 1024.0 -}}
{{- $units := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" $ki "Mi" (mulf $ki $ki) "Gi" (mulf $ki $ki $ki) "Ti" (mulf $ki $ki $ki $ki) -}}
{{- $unit := trimPrefix $number $text -}}
{{- if hasKey $units $unit }}{{ printf "%.0f" (floor (mulf (float64 $number) (get $units $unit) 0.9)) }}{{ end -}}
{{- end }}

{{/* GOMEMLIMIT is a soft limit: the garbage collector works harder before the kernel kills the process. Takes resources. */}}
{{- define "signstash-proxy.memoryEnv" -}}
{{- with .limits }}
{{- with .memory }}
{{- with include "signstash-proxy.memoryLimit" . -}}
- {name: GOMEMLIMIT, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The number of instances. With an autoscaler it is the current number, because only the autoscaler changes it. */}}
{{- define "signstash-proxy.replicas" -}}
{{- $replicas := int .Values.replicas -}}
{{- if .Values.autoscaling.enabled -}}
{{- with lookup "apps/v1" "StatefulSet" .Release.Namespace (include "signstash-proxy.name" .) -}}
{{- $replicas = max $replicas (int .spec.replicas) -}}
{{- end -}}
{{- end -}}
{{ $replicas }}
{{- end }}

{{/* The YAML configuration file of the proxy. In a trial the simulated service is its provider and timestamp authority. */}}
{{- define "signstash-proxy.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.trial.enabled -}}
{{- $url := printf "http://%s-trial:8090" (include "signstash-proxy.name" .) -}}
{{- $trial := dict "name" "trial" "kind" "csc" "url" $url "clientID" "SIM.000000000-000000000-simulated" "clientSecretFile" "/etc/signstash/trial/client-secret" "pinFile" "/etc/signstash/trial/pin" -}}
{{- $_ := set $config "providers" (append ($config.providers | default list) $trial) -}}
{{- $_ := set $config "defaultProvider" ($config.defaultProvider | default "trial") -}}
{{- if not (hasKey $config "timestamp") -}}
{{- $_ := set $config "timestamp" (dict "authorities" (list (dict "name" "trial" "url" (printf "%s/tsa" $url)))) -}}
{{- end -}}
{{- /* The certificates of the trial name the simulated service for OCSP and CRLs, and a Service has a private address. */ -}}
{{- if not (or (hasKey $config "revocation") (hasKey $config "revocation.allow-private")) -}}
{{- $_ := set $config "revocation.allow-private" "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7" -}}
{{- end -}}
{{- end -}}
{{- if $config }}{{ toYaml $config }}{{ end -}}
{{- end }}

{{/* Ports for outgoing calls: the ports in the values, plus the ports in the URLs of the signing services and of the object storage. Empty if the values contain no ports. */}}
{{- define "signstash-proxy.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts }}{{ $ports = append $ports (int .) }}{{ end -}}
{{- if $ports -}}
{{- range append (.Values.config.providers | default list) (dict "url" .Values.provider.domain) -}}
{{- with regexFind ":[0-9]+$" (get (urlParse (.url | default "")) "host") }}{{ $ports = append $ports (trimPrefix ":" . | int) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- with .Values.hotFolder -}}
{{- if and $ports .enabled .bucket.kind -}}
{{- $url := urlParse (.bucket.endpoint | default "https://") -}}
{{- $port := regexFind ":[0-9]+$" (get $url "host") | trimPrefix ":" | default (ternary "80" "443" (eq (get $url "scheme") "http")) -}}
{{- $ports = append $ports (int $port) -}}
{{- end -}}
{{- end -}}
{{ dict "ports" (uniq $ports) | toJson }}
{{- end }}

{{/* Refuses combinations of values that must not be installed. */}}
{{- define "signstash-proxy.check" -}}
{{- include "signstash-proxy.refuse" . -}}
{{- if not (or .Values.provider.domain .Values.config.providers .Values.trial.enabled) -}}
{{- fail "no signing service is configured: set provider.domain or config.providers, or try the chart with trial.enabled=true, a simulated service whose signatures have no value" -}}
{{- end -}}
{{- if and (eq .Values.endpoint.mode "HostTemplate") (not (and .Values.endpoint.hostTemplate .Values.endpoint.portTemplate)) -}}
{{- fail "endpoint.mode HostTemplate needs endpoint.hostTemplate and endpoint.portTemplate" -}}
{{- end -}}
{{- if and (ne .Values.endpoint.mode "HostTemplate") (or .Values.endpoint.hostTemplate .Values.endpoint.portTemplate) -}}
{{- fail "endpoint.hostTemplate and endpoint.portTemplate need endpoint.mode HostTemplate" -}}
{{- end -}}
{{- with .Values.endpoint -}}
{{- if hasSuffix "+{ordinal}" .portTemplate -}}
{{- $last := add (trimSuffix "+{ordinal}" .portTemplate | int) (ternary $.Values.autoscaling.maxReplicas $.Values.replicas $.Values.autoscaling.enabled | int) -1 -}}
{{- if gt $last 65535 }}{{ fail (printf "endpoint.portTemplate gives port %d for the last instance, which is larger than 65535" $last) }}{{ end -}}
{{- end -}}
{{- if and .loadBalancerClass (ne .mode "LoadBalancer") }}{{ fail "endpoint.loadBalancerClass needs endpoint.mode LoadBalancer" }}{{ end -}}
{{- if and .serviceAnnotations (eq .mode "PodDNS") }}{{ fail "endpoint.serviceAnnotations: instances have no Services of their own in endpoint.mode PodDNS" }}{{ end -}}
{{- end -}}
{{- with .Values.service -}}
{{- if and (or .loadBalancerClass .loadBalancerSourceRanges) (ne .type "LoadBalancer") }}{{ fail "service.loadBalancerClass and service.loadBalancerSourceRanges need service.type LoadBalancer" }}{{ end -}}
{{- if and .externalTrafficPolicy (eq .type "ClusterIP") }}{{ fail "service.externalTrafficPolicy needs service.type NodePort or LoadBalancer" }}{{ end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not (or (dig "requests" "cpu" "" (.Values.resources | default dict)) (dig "limits" "cpu" "" (.Values.resources | default dict)))) -}}
{{- fail "autoscaling needs resources.requests.cpu, because its target is a percentage of it" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.replicas)) -}}
{{- fail "autoscaling.maxReplicas is less than replicas" -}}
{{- end -}}
{{- include "signstash-proxy.checkHotFolder" . -}}
{{- if and .Values.tls.transition (not .Values.tls.secretName) -}}
{{- fail "tls.transition needs tls.secretName: without a certificate there is no TLS to change to or from" -}}
{{- end -}}
{{- if and .Values.service.nodePort (eq .Values.service.type "ClusterIP") -}}
{{- fail "service.nodePort needs service.type NodePort or LoadBalancer" -}}
{{- end -}}
{{- end }}

{{/* Refuses combinations of the values of the hot folder that cannot work. */}}
{{- define "signstash-proxy.checkHotFolder" -}}
{{- with .Values.hotFolder -}}
{{- if and (not .enabled) .existingClaim }}{{ fail "hotFolder.existingClaim needs hotFolder.enabled" }}{{ end -}}
{{- if and (not .enabled) .bucket.kind }}{{ fail "hotFolder.bucket.kind needs hotFolder.enabled" }}{{ end -}}
{{- if and .enabled (not .existingClaim) (not .bucket.kind) -}}
{{- fail "hotFolder.enabled needs a place for the folders: set hotFolder.existingClaim, or hotFolder.bucket.kind if they are in buckets" -}}
{{- end -}}
{{- with .bucket -}}
{{- if and (not .kind) (or .endpoint .region .pathStyle .credentialsSecret) }}{{ fail "hotFolder.bucket: endpoint, region, pathStyle and credentialsSecret need hotFolder.bucket.kind" }}{{ end -}}
{{- if and (or .region .pathStyle) (ne .kind "s3") }}{{ fail "hotFolder.bucket: region and pathStyle are for hotFolder.bucket.kind s3" }}{{ end -}}
{{- if and .pathStyle (not .endpoint) }}{{ fail "hotFolder.bucket.pathStyle needs hotFolder.bucket.endpoint, because the public endpoints need no path style" }}{{ end -}}
{{- end -}}
{{- if and .existingClaim (eq .existingClaim (printf "state-%s-0" (include "signstash-proxy.name" $))) -}}
{{- fail "hotFolder.existingClaim is the state volume of an instance; all instances need a volume of their own for the hot folders" -}}
{{- end -}}
{{- end -}}
{{- end }}
