{{/* Kind of the route of each instance in mode Gateway. */}}
{{- define "signstash-proxy.routeKind" -}}
{{ .Values.endpoint.gateway.routeKind | default (ternary "TLSRoute" "HTTPRoute" (and (not (empty .Values.tls.secretName)) (not .Values.tls.transition))) }}
{{- end }}

{{/* A Role of the controller and its binding. Takes root, name, namespace and rules. */}}
{{- define "signstash-proxy.controllerRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "signstash-proxy.metadata" (dict "root" .root "cluster" true "name" .name) | nindent 2 }}
  namespace: {{ .namespace | quote }}
rules: {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "signstash-proxy.metadata" (dict "root" .root "cluster" true "name" .name) | nindent 2 }}
  namespace: {{ .namespace | quote }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .name | quote }}}
subjects:
  - {kind: ServiceAccount, name: {{ include "signstash-proxy.controllerServiceAccount" .root | quote }}, namespace: {{ .root.Release.Namespace | quote }}}
{{- end }}
