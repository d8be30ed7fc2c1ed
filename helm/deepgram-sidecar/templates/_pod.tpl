{{/*
Templates for an application's pod. They may render nothing, so guard the key with `with`:

  {{- $sidecar := index .Subcharts "deepgram-sidecar" }}
  {{- with include "deepgram-sidecar.initContainers" $sidecar }}
  initContainers:
    {{- . | nindent 8 }}
  {{- end }}
*/}}

{{/* For `initContainers`: a native sidecar. */}}
{{- define "deepgram-sidecar.initContainers" -}}
{{- if eq .Values.mode "native" }}{{ include "deepgram-sidecar.container" . }}{{ end -}}
{{- end -}}

{{/* For `containers`, after the application's own: a classic sidecar. */}}
{{- define "deepgram-sidecar.containers" -}}
{{- if eq .Values.mode "classic" }}{{ include "deepgram-sidecar.container" . }}{{ end -}}
{{- end -}}

{{/* For `volumes`. The socket's is in memory: a socket takes no space, and a full disk on the node must not affect it. */}}
{{- define "deepgram-sidecar.volumes" -}}
- name: deepgram-sidecar-socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: deepgram-sidecar-config
  configMap:
    name: {{ include "deepgram-sidecar.fullname" . }}
{{- if include "deepgram-sidecar.wantsKey" . }}
- name: deepgram-sidecar-key
  secret:
    secretName: {{ include "deepgram-sidecar.secretName" . }}
    items: [{key: {{ .Values.apiKey.secretKey }}, path: api-key}]
    defaultMode: 0440
{{- end }}
{{- with .Values.tcpToken }}
{{- if .secretName }}
- name: deepgram-sidecar-token
  secret:
    secretName: {{ .secretName }}
    items: [{key: {{ .secretKey }}, path: token}]
    defaultMode: 0440
{{- end }}
{{- end }}
{{- with .Values.upstreamCA }}
{{- if .configMapName }}
- name: deepgram-sidecar-ca
  configMap:
    name: {{ .configMapName }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}

{{/* For the application's container: `env`. */}}
{{- define "deepgram-sidecar.appEnv" -}}
- name: DEEPGRAM_SIDECAR_IPC_SOCKET
  value: {{ include "deepgram-sidecar.socket" . }}
{{- with include "deepgram-sidecar.tcpListen" . }}
- name: DEEPGRAM_SIDECAR_IPC_TCP_LISTEN
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* For the application's container: `volumeMounts`. Connecting to a socket needs no write access to its directory. */}}
{{- define "deepgram-sidecar.appVolumeMounts" -}}
- name: deepgram-sidecar-socket
  mountPath: {{ include "deepgram-sidecar.socketDirectory" . }}
  readOnly: true
{{- end -}}

{{/* For the pod's `securityContext`: this group owns the socket, and every container in the pod is in it. */}}
{{- define "deepgram-sidecar.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.securityContext.fsGroup }}
fsGroup: {{ int64 . }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* For the pod's annotations: a changed configuration rolls the pods, because it is only read at startup. */}}
{{- define "deepgram-sidecar.podAnnotations" -}}
deepgram-sidecar/config-checksum: {{ include "deepgram-sidecar.config" . | sha256sum }}
{{- end -}}

{{/* For `terminationGracePeriodSeconds`. */}}
{{- define "deepgram-sidecar.graceSeconds" -}}
{{- default (include "deepgram-sidecar.graceSecondsLeast" .) .Values.shutdown.graceSeconds | int -}}
{{- end -}}

{{/* After the drain the sidecar has 1.5 s for last frames to be written and read, then 3 s for last spans and pending admin responses. */}}
{{- define "deepgram-sidecar.graceSecondsLeast" -}}
{{- add .Values.shutdown.appSeconds .Values.shutdown.drainSeconds 5 -}}
{{- end -}}

{{- define "deepgram-sidecar.secretName" -}}
{{- if .Values.apiKey.create -}}
{{- include "deepgram-sidecar.partName" (list . "key") -}}
{{- else -}}
{{- .Values.apiKey.secretName -}}
{{- end -}}
{{- end -}}
