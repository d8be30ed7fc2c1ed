{{/* The sidecar's container, as one item of a list. */}}
{{- define "deepgram-sidecar.container" -}}
{{- include "deepgram-sidecar.check" . -}}
- name: deepgram-sidecar
  image: {{ include "deepgram-sidecar.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- if eq .Values.mode "native" }}
  restartPolicy: Always
  {{- end }}
  args: ["run", "--config", {{ printf "%s/config.yaml" (include "deepgram-sidecar.configDirectory" .) | quote }}]
  env:
    {{- include "deepgram-sidecar.env" . | nindent 4 }}
  ports:
    - name: sidecar-admin
      containerPort: {{ .Values.admin.port }}
      protocol: TCP
  {{- include "deepgram-sidecar.probes" . | nindent 2 }}
  resources:
    {{- include "deepgram-sidecar.resources" . | nindent 4 }}
  securityContext:
    {{- include "deepgram-sidecar.securityContext" . | nindent 4 }}
  # The last log lines say what is wrong with the configuration.
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: deepgram-sidecar-socket
      mountPath: {{ include "deepgram-sidecar.socketDirectory" . }}
    - name: deepgram-sidecar-config
      mountPath: {{ include "deepgram-sidecar.configDirectory" . }}
      readOnly: true
    {{- if include "deepgram-sidecar.wantsKey" . }}
    - name: deepgram-sidecar-key
      mountPath: {{ include "deepgram-sidecar.keyDirectory" . }}
      readOnly: true
    {{- end }}
    {{- if .Values.tcpToken.secretName }}
    - name: deepgram-sidecar-token
      mountPath: {{ include "deepgram-sidecar.tokenDirectory" . }}
      readOnly: true
    {{- end }}
    {{- if .Values.upstreamCA.configMapName }}
    - name: deepgram-sidecar-ca
      mountPath: {{ include "deepgram-sidecar.caDirectory" . }}
      readOnly: true
    {{- end }}
{{- end -}}

{{/* Adds the pod to spans, unless OTEL_RESOURCE_ATTRIBUTES is set. */}}
{{- define "deepgram-sidecar.env" -}}
{{- $isDescribed := false -}}
{{- range .Values.env }}{{ if eq .name "OTEL_RESOURCE_ATTRIBUTES" }}{{ $isDescribed = true }}{{ end }}{{ end -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
{{- if not $isDescribed }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* With a native sidecar the application waits for the startup probe: the socket exists once /readyz succeeds. */}}
{{- define "deepgram-sidecar.probes" -}}
startupProbe:
  httpGet: {path: /readyz, port: sidecar-admin}
  periodSeconds: {{ .Values.probes.startup.periodSeconds }}
  failureThreshold: {{ .Values.probes.startup.failureThreshold }}
livenessProbe:
  httpGet: {path: /livez, port: sidecar-admin}
  {{- toYaml .Values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: sidecar-admin}
  {{- toYaml .Values.probes.readiness | nindent 2 }}
{{- end -}}

{{- define "deepgram-sidecar.securityContext" -}}
{{- with .Values.securityContext -}}
runAsNonRoot: true
{{- with .runAsUser }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .runAsGroup }}
runAsGroup: {{ int64 . }}
{{- end }}
{{- end }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}
