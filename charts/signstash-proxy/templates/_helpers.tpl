{{/* Base name of all objects: fullnameOverride, or the name of the release, followed by that of the chart unless it contains it. It is a DNS-1035 label of at most 44 characters, so that derived names fit and Services can have them: dots become dashes, and a name that begins with a digit gets the prefix "r-". */}}
{{- define "signstash-proxy.name" -}}
{{- $name := include "signstash-proxy.text" .Values.fullnameOverride -}}
{{- if not $name }}{{ $name = include "signstash-proxy.defaultName" (list . (include "signstash-proxy.text" .Values.nameOverride | default .Chart.Name)) }}{{ end -}}
{{ $name }}
{{- end }}

{{/* The base name without fullnameOverride. Takes (list . NAME-OF-THE-CHART). */}}
{{- define "signstash-proxy.defaultName" -}}
{{- $release := (index . 0).Release.Name -}}
{{- $chart := index . 1 -}}
{{- $name := ternary $release (printf "%s-%s" $release $chart) (contains $chart $release) | replace "." "-" -}}
{{- if regexMatch "^[0-9]" $name }}{{ $name = printf "r-%s" $name }}{{ end -}}
{{ regexReplaceAll "-+$" (trunc 44 $name) "" }}
{{- end }}

{{/* Name of cluster-scoped objects. The hash distinguishes namespace a with release b-c from namespace a-b with release c. */}}
{{- define "signstash-proxy.clusterName" -}}
{{- $name := include "signstash-proxy.name" . -}}
{{ .Release.Namespace }}-{{ $name }}-controller-{{ printf "%s/%s" .Release.Namespace $name | sha256sum | trunc 8 }}
{{- end }}

{{/* A value as text. Helm reads names and other texts that consist of digits as numbers, and users write numbers and booleans where Kubernetes wants a text. */}}
{{- define "signstash-proxy.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else if not (kindIs "invalid" .) }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* A map whose values are texts, as YAML. Takes the map of the user. */}}
{{- define "signstash-proxy.texts" -}}
{{- $texts := dict -}}
{{- range $key, $value := . | default dict }}{{ $_ := set $texts $key (include "signstash-proxy.text" $value) }}{{ end -}}
{{ toYaml $texts }}
{{- end }}

{{/* Labels that select the pods of a release. They cannot change, because the selectors of workloads cannot. The controller finds the pods by the first one, so nameOverride does not change it. */}}
{{- define "signstash-proxy.selector" -}}
app.kubernetes.io/name: signstash-proxy
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels that select the pods of a component. Takes (list . COMPONENT). */}}
{{- define "signstash-proxy.selectorOf" -}}
{{ include "signstash-proxy.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "signstash-proxy.labels" -}}
{{ include "signstash-proxy.selector" . }}
app.kubernetes.io/version: {{ include "signstash-proxy.labelValue" (include "signstash-proxy.text" .Values.image.tag | default .Chart.AppVersion) | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ include "signstash-proxy.labelValue" (printf "%s-%s" .Chart.Name .Chart.Version) | quote }}
{{- end }}

{{/* Converts a text to a valid label value: at most 63 letters, digits, - _ and dots, with a letter or digit at both ends. */}}
{{- define "signstash-proxy.labelValue" -}}
{{ regexReplaceAll "[^-A-Za-z0-9_.]" . "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{/* Metadata of an object. Takes root and name, or the suffix that follows the base name. Optional: component; labels, which take precedence over those of the chart; annotations; cluster, which is true for objects that belong to no namespace. */}}
{{- define "signstash-proxy.metadata" -}}
{{- $values := .root.Values -}}
name: {{ .name | default (printf "%s%s" (include "signstash-proxy.name" .root) (.suffix | default "")) | quote }}
{{- if not .cluster }}
namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- $labels := include "signstash-proxy.labels" .root | fromYaml }}
  {{- with .component }}{{ $_ := set $labels "app.kubernetes.io/component" . }}{{ end }}
  {{- $own := include "signstash-proxy.texts" .labels | fromYaml }}
  {{- merge $own $labels (include "signstash-proxy.texts" $values.commonLabels | fromYaml) | toYaml | nindent 2 }}
{{- with merge (include "signstash-proxy.texts" .annotations | fromYaml) (include "signstash-proxy.texts" $values.commonAnnotations | fromYaml) }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels and annotations of a pod. The labels contain no version, so that a new chart with the same image replaces no pods. Takes root and component. Optional: labels, annotations. */}}
{{- define "signstash-proxy.podMetadata" -}}
labels:
  {{- $labels := include "signstash-proxy.selectorOf" (list .root .component) | fromYaml }}
  {{- merge $labels (include "signstash-proxy.texts" .labels | fromYaml) (include "signstash-proxy.texts" .root.Values.commonLabels | fromYaml) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations: {{- include "signstash-proxy.texts" . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Service accounts of the instances and of the controller. */}}
{{- define "signstash-proxy.serviceAccount" -}}
{{ include "signstash-proxy.text" .Values.serviceAccount.name | default (include "signstash-proxy.name" .) }}
{{- end }}

{{- define "signstash-proxy.controllerServiceAccount" -}}
{{ include "signstash-proxy.text" .Values.controller.serviceAccount.name | default (printf "%s-controller" (include "signstash-proxy.name" .)) }}
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

{{/* The largest number of instances that there may ever be. */}}
{{- define "signstash-proxy.maxReplicas" -}}
{{ ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled | int }}
{{- end }}

{{/* A quantity as a number: "1Gi" is 1073741824. Empty if the unit is unknown. */}}
{{- define "signstash-proxy.quantity" -}}
{{- $text := . -}}
{{- if not (kindIs "string" .) }}{{ $text = printf "%.0f" (float64 .) }}{{ end -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- $ki := 1024.0 -}}
{{- $units := dict "" 1.0 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" $ki "Mi" (mulf $ki $ki) "Gi" (mulf $ki $ki $ki) "Ti" (mulf $ki $ki $ki $ki) "Pi" (mulf $ki $ki $ki $ki $ki) "Ei" (mulf $ki $ki $ki $ki $ki $ki) -}}
{{- $unit := trimPrefix $number $text -}}
{{- if hasKey $units $unit }}{{ printf "%.0f" (mulf (float64 $number) (get $units $unit)) }}{{ end -}}
{{- end }}
