{{/* Flags of the controller. */}}
{{- define "signstash-proxy.controllerFlags" -}}
{{- $name := include "signstash-proxy.name" . -}}
- --statefulset={{ $name }}
- --clients-secret={{ $name }}-clients
- --token-key-secret={{ $name }}-token-key
- {{ printf "--providers=%s" (include "signstash-proxy.providers" .) | quote }}
- --endpoints-configmap={{ $name }}-endpoints
- --headless-service={{ $name }}-headless
- --lease={{ $name }}-controller
- --endpoint-mode={{ .Values.endpoint.mode }}
{{- with .Values.endpoint }}
{{- if has .mode (list "HostTemplate" "Gateway" "Ingress") }}
- {{ printf "--host-template=%s" .hostTemplate | quote }}
- {{ printf "--port-template=%s" (include "signstash-proxy.text" .portTemplate) | quote }}
{{- end }}
{{- if .nodePortBase }}
- --node-port-base={{ int .nodePortBase }}
{{- end }}
{{- with .serviceAnnotations }}
- {{ printf "--service-annotations=%s" (include "signstash-proxy.texts" . | fromYaml | toJson) | quote }}
{{- end }}
{{- with .routeAnnotations }}
- {{ printf "--route-annotations=%s" (include "signstash-proxy.texts" . | fromYaml | toJson) | quote }}
{{- end }}
{{- if eq .mode "Gateway" }}
- --route-kind={{ include "signstash-proxy.routeKind" $ }}
- {{ printf "--gateway-parents=%s" (toJson .gateway.parentRefs) | quote }}
{{- end }}
{{- if eq .mode "Ingress" }}
- {{ printf "--ingress-class=%s" .ingress.className | quote }}
- {{ printf "--ingress-tls-secret=%s" .ingress.tlsSecretTemplate | quote }}
- --ingress-wait={{ .ingress.waitForAddress }}
{{- end }}
{{- with .formerModes }}
- --former-modes={{ join "," . }}
{{- end }}
{{- with .loadBalancerClass }}
- --load-balancer-class={{ . }}
{{- end }}
- --cluster-domain={{ .clusterDomain }}
{{- end }}
- --rest-port=rest
- --health-address=:8081
- --metrics-address=:8082
{{- range .Values.controller.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
