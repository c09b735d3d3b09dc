{{/* The policy for client Secrets repeats the rules of the controller (pkg/controller/clients) in CEL. CEL cannot decode base64, so an expression does: each character of a decoded text stands for one byte. JSON is matched by a regular expression, which is enough because the objects of a client service are nested at most three deep. */}}

{{/* Decodes the base64 text of a CEL variable. */}}
{{- define "signstash-proxy.celDecode" -}}
variables.{{ . }}.findAll(r'[A-Za-z0-9+/]{2}[A-Za-z0-9+/=]{2}')
  .map(g, [variables.alphabet.indexOf(g.charAt(0)), variables.alphabet.indexOf(g.charAt(1)), variables.alphabet.indexOf(g.charAt(2)), variables.alphabet.indexOf(g.charAt(3))])
  .map(q, variables.bytes.charAt(q[0] * 4 + q[1] / 16)
    + (q[2] == 64 ? '' : variables.bytes.charAt(q[1] % 16 * 16 + q[2] / 4))
    + (q[3] == 64 ? '' : variables.bytes.charAt(q[2] % 4 * 64 + q[3])))
  .join('')
{{- end }}

{{/* The fault of a secret, or an empty text. Takes (list KEY RAW DECODED). */}}
{{- define "signstash-proxy.celSecretFault" -}}
{{- $key := index . 0 }}{{ $raw := printf "variables.%s" (index . 1) }}{{ $text := printf "variables.%s" (index . 2) -}}
({{ $raw }}.size() > 1368 || {{ $raw }}.size() == 1368 && !{{ $raw }}.endsWith('==')) ? '{{ $key }}: is longer than 1024 bytes'
: !{{ $text }}.matches(variables.utf8) ? '{{ $key }}: is not UTF-8'
: {{ $text }}.endsWith('\n') ? '{{ $key }}: ends with a line break (write it with printf or echo -n)'
: {{ $text }}.matches(variables.control) ? '{{ $key }}: contains a control character; remove it'
: ''
{{- end }}

{{/* Regular expressions of JSON. */}}
{{- define "signstash-proxy.jsonSpace" -}}[ \t\r\n]*{{- end }}
{{- define "signstash-proxy.jsonText" -}}"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"{{- end }}

{{/* An object whose members match the given expression. */}}
{{- define "signstash-proxy.jsonObject" -}}
{{- $w := include "signstash-proxy.jsonSpace" . -}}
\{ {{- $w }}(?:(?:{{ . }}){{ $w }}(?:,{{ $w }}(?:{{ . }}){{ $w }})*)?\}
{{- end }}

{{/* A member with one of the given names and a text. */}}
{{- define "signstash-proxy.jsonTexts" -}}
{{- $w := include "signstash-proxy.jsonSpace" . -}}
"(?:{{ join "|" . }})"{{ $w }}:{{ $w }}{{ include "signstash-proxy.jsonText" . }}
{{- end }}

{{/* The value of the key config: the members of an entry of the client file without its secrets. */}}
{{- define "signstash-proxy.jsonConfig" -}}
{{- $w := include "signstash-proxy.jsonSpace" . -}}
{{- $colon := printf "%s:%s" $w $w -}}
{{- $visible := include "signstash-proxy.jsonObject" (include "signstash-proxy.jsonTexts" (include "signstash-proxy.visibleKeys" . | splitList " ")) -}}
{{- $advanced := include "signstash-proxy.jsonObject" (include "signstash-proxy.jsonTexts" (include "signstash-proxy.advancedKeys" . | splitList " ")) -}}
{{- $signature := include "signstash-proxy.jsonObject" (printf "%s|\"applyTimestamp\"%s(?:true|false)|\"advancedSignatureInfo\"%s%s" (include "signstash-proxy.jsonTexts" (include "signstash-proxy.signatureKeys" . | splitList " ")) $colon $colon $advanced) -}}
{{- $entry := include "signstash-proxy.jsonObject" (printf "%s|\"visibleSignatureInfo\"%s%s|\"signatureInfo\"%s%s" (include "signstash-proxy.jsonTexts" (include "signstash-proxy.entryKeys" . | splitList " ")) $colon $visible $colon $signature) -}}
^{{ $w }}{{ $entry }}{{ $w }}$
{{- end }}
{{- define "signstash-proxy.entryKeys" -}}inputFolder backupFolder outputFolder provider callbackUrl{{- end }}
{{- define "signstash-proxy.visibleKeys" -}}locationType locationValue area areaBackgroundColor font templateType oneOffTemplate imageType imageValue{{- end }}
{{- define "signstash-proxy.advancedKeys" -}}signatureLocation signatureTransform canonicalTransform{{- end }}
{{- define "signstash-proxy.signatureKeys" -}}signatureType level reason location profile packaging existing{{- end }}
{{- define "signstash-proxy.configKeys" -}}
{{ include "signstash-proxy.entryKeys" . }} {{ include "signstash-proxy.visibleKeys" . }} {{ include "signstash-proxy.advancedKeys" . }} {{ include "signstash-proxy.signatureKeys" . }} applyTimestamp advancedSignatureInfo visibleSignatureInfo signatureInfo
{{- end }}
