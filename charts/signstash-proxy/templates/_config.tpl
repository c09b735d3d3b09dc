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
