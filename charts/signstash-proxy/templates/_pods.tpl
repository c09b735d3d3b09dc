{{/* The proxy's image. */}}
{{- define "signstash-proxy.image" -}}
{{ include "signstash-proxy.imageOf" (dict "root" . "image" .Values.image) }}
{{- end }}

{{/* Reference of an image. Takes root and image. global.imageRegistry replaces the registry in the repository, as a mirror needs it. An image without a tag has the tag of the proxy. */}}
{{- define "signstash-proxy.imageOf" -}}
{{- $values := .root.Values -}}
{{- $repository := .image.repository -}}
{{- with ($values.global | default dict).imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- $tag := include "signstash-proxy.text" .image.tag | default (include "signstash-proxy.text" $values.image.tag) | default .root.Chart.AppVersion -}}
{{ $repository }}{{ with .image.digest }}@{{ . }}{{ else }}:{{ $tag }}{{ end }}
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

{{/* Containers of the user. What the restricted level requires of a container is added unless the user decides otherwise. Takes the containers. */}}
{{- define "signstash-proxy.containers" -}}
{{- $all := list -}}
{{- range . -}}
{{- $security := dict "allowPrivilegeEscalation" false "capabilities" (dict "drop" (list "ALL")) -}}
{{- $all = append $all (merge (deepCopy .) (dict "securityContext" $security)) -}}
{{- end -}}
{{ toYaml $all }}
{{- end }}

{{/* Names of the Secrets with registry credentials, as {"names": [...]}. */}}
{{- define "signstash-proxy.pullSecrets" -}}
{{- $names := list -}}
{{- range concat ((.Values.global | default dict).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) (.Values.image.pullSecrets | default list) -}}
{{- $name := . -}}
{{- if kindIs "map" . }}{{ $name = .name }}{{ end -}}
{{- $names = append $names (include "signstash-proxy.text" $name) -}}
{{- end -}}
{{ dict "names" (uniq $names) | toJson }}
{{- end }}

{{/* What the values say about every pod. */}}
{{- define "signstash-proxy.placement" -}}
{{ include "signstash-proxy.placementOf" (dict "root" . "own" dict) }}
{{- end }}

{{/* The same for a component with a node selector and tolerations of its own. Takes root and own. */}}
{{- define "signstash-proxy.placementOf" -}}
{{- $values := .root.Values -}}
{{- with (include "signstash-proxy.pullSecrets" .root | fromJson).names }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .own.nodeSelector | default $values.nodeSelector }}
nodeSelector: {{- include "signstash-proxy.texts" . | nindent 2 }}
{{- end }}
{{- with .own.tolerations | default $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with $values.hostAliases }}
hostAliases: {{ toJson . }}
{{- end }}
{{- with $values.dnsPolicy }}
dnsPolicy: {{ . | quote }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig: {{ toJson . }}
{{- end }}
{{- with include "signstash-proxy.text" $values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with include "signstash-proxy.text" $values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- if kindIs "bool" $values.hostUsers }}
hostUsers: {{ $values.hostUsers }}
{{- end }}
{{- end }}

{{/* Affinity, priority and topology spread of a component. Takes root, component and own, the values of the component. */}}
{{- define "signstash-proxy.scheduling" -}}
{{- with .own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "signstash-proxy.text" .own.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with include "signstash-proxy.spread" . | fromYamlArray }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Topology spread constraints. A constraint without a selector counts the pods of the component. */}}
{{- define "signstash-proxy.spread" -}}
{{- $selector := dict "matchLabels" (include "signstash-proxy.selectorOf" (list .root .component) | fromYaml) -}}
{{- $all := list -}}
{{- if .own.topologySpreadConstraints -}}
{{- range .own.topologySpreadConstraints -}}
{{- $one := deepCopy . -}}
{{- if not (hasKey . "labelSelector") }}{{ $_ := set $one "labelSelector" $selector }}{{ end -}}
{{- $all = append $all $one -}}
{{- end -}}
{{- else if .root.Values.topologySpread.enabled -}}
{{- with .root.Values.topologySpread -}}
{{- $zone := .zone | default dict -}}
{{- $all = append $all (dict "maxSkew" .maxSkew "topologyKey" .topologyKey "whenUnsatisfiable" .whenUnsatisfiable "labelSelector" $selector) -}}
{{- if and $zone.topologyKey (ne $zone.topologyKey .topologyKey) -}}
{{- $all = append $all (dict "maxSkew" $zone.maxSkew "topologyKey" $zone.topologyKey "whenUnsatisfiable" $zone.whenUnsatisfiable "labelSelector" $selector) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toYaml $all }}
{{- end }}

{{/* A probe. Takes (list NAME TIMES PATH PORT). Without times there is no probe. */}}
{{- define "signstash-proxy.probe" -}}
{{- $get := dict "httpGet" (dict "path" (index . 2) "port" (index . 3)) -}}
{{- $name := index . 0 -}}
{{- with index . 1 }}
{{ $name }}: {{- merge $get . | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{/* Environment variables of the user. Takes a list of EnvVar. */}}
{{- define "signstash-proxy.env" -}}
{{- range . }}
- name: {{ .name | quote }}
  {{- if hasKey . "value" }}
  value: {{ include "signstash-proxy.text" .value | quote }}
  {{- end }}
  {{- with .valueFrom }}
  valueFrom: {{ toJson . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The claim of an instance's volume. The API server does not allow to change it. */}}
{{- define "signstash-proxy.claim" -}}
metadata:
  name: state
  labels:
    {{- merge (include "signstash-proxy.selector" . | fromYaml) (include "signstash-proxy.texts" .Values.persistence.labels | fromYaml) | toYaml | nindent 4 }}
  {{- with .Values.persistence.annotations }}
  annotations: {{- include "signstash-proxy.texts" . | nindent 4 }}
  {{- end }}
spec:
  accessModes: [{{ .Values.persistence.accessMode | quote }}]
  {{- with include "signstash-proxy.text" .Values.persistence.storageClass }}
  storageClassName: {{ ternary "" . (eq . "-") | quote }}
  {{- end }}
  {{- with .Values.persistence.selector }}
  selector: {{ toJson . }}
  {{- end }}
  {{- with .Values.persistence.dataSource }}
  dataSource: {{ toJson . }}
  {{- end }}
  resources:
    requests: {storage: {{ include "signstash-proxy.text" .Values.persistence.size | quote }}}
{{- end }}
