{{/* The socket path, shared by application and sidecar. */}}
{{- define "deepgram-sidecar.socketDirectory" -}}/run/deepgram-sidecar{{- end -}}
{{- define "deepgram-sidecar.socket" -}}
{{- include "deepgram-sidecar.socketDirectory" . -}}/sidecar.sock
{{- end -}}

{{- define "deepgram-sidecar.configDirectory" -}}/etc/deepgram-sidecar{{- end -}}
{{- define "deepgram-sidecar.keyDirectory" -}}/var/run/secrets/deepgram{{- end -}}
{{- define "deepgram-sidecar.tokenDirectory" -}}/var/run/secrets/deepgram-sidecar{{- end -}}
{{- define "deepgram-sidecar.caDirectory" -}}/etc/deepgram-ca{{- end -}}

{{/* "true" if Deepgram requires a key. */}}
{{- define "deepgram-sidecar.wantsKey" -}}
{{- if ne (dig "upstream" "auth" "token" .Values.config) "none" -}}true{{- end -}}
{{- end -}}

{{/* The address of the port for Deepgram's SDKs; empty if there is none. */}}
{{- define "deepgram-sidecar.tcpListen" -}}
{{- dig "ipc" "tcp_listen" "" .Values.config | default "" -}}
{{- end -}}

{{/* Settings that the chart derives from the pod. */}}
{{- define "deepgram-sidecar.ownConfig" -}}
ipc:
  socket: {{ include "deepgram-sidecar.socket" . }}
  max_sessions: {{ .Values.sessions }}
  {{- if .Values.tcpToken.secretName }}
  tcp_token_file: {{ include "deepgram-sidecar.tokenDirectory" . }}/token
  {{- end }}
admin:
  listen: {{ include "deepgram-sidecar.adminAddress" . | quote }}
drain:
  timeout: {{ .Values.shutdown.drainSeconds }}s
  {{- if .Values.shutdown.lingerSeconds }}
  linger: {{ .Values.shutdown.lingerSeconds }}s
  {{- end }}
{{- if or (include "deepgram-sidecar.wantsKey" .) .Values.upstreamCA.configMapName }}
upstream:
  {{- if include "deepgram-sidecar.wantsKey" . }}
  api_key_file: {{ include "deepgram-sidecar.keyDirectory" . }}/api-key
  {{- end }}
  {{- if .Values.upstreamCA.configMapName }}
  ca_file: {{ include "deepgram-sidecar.caDirectory" . }}/ca.crt
  {{- end }}
{{- end }}
{{- end -}}

{{- define "deepgram-sidecar.adminAddress" -}}
{{- $host := .Values.admin.host -}}
{{- if contains ":" $host }}[{{ $host }}]{{ else }}{{ $host }}{{ end -}}:{{ .Values.admin.port -}}
{{- end -}}

{{/* The configuration file. */}}
{{- define "deepgram-sidecar.config" -}}
{{- $own := include "deepgram-sidecar.ownConfig" . | fromYaml -}}
{{- mergeOverwrite (deepCopy .Values.config) $own | toYaml -}}
{{- end -}}
