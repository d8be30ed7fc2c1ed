{{/*
Requests and limits, computed from `sessions` unless set. docs/deploy.md has the measurements behind them.
*/}}
{{- define "deepgram-sidecar.resources" -}}
{{- $sessions := int .Values.sessions -}}
{{- $requests := .Values.resources.requests -}}
{{- $limits := .Values.resources.limits -}}
{{- $recovers := eq (dig "recovery" "mode" "latch" .Values.config) "reconnect" -}}
{{- /* `off` is a boolean to some parsers of YAML. */ -}}
{{- $gates := not (has (toString (dig "vad" "mode" "off" .Values.config)) (list "off" "false")) -}}
{{- $gate := ternary 32 0 $gates -}}
{{- $usual := add $gate (ternary 128 32 $recovers) -}}
{{- $most := add $gate (ternary 1024 384 $recovers) -}}
{{- $halfMillicores := mul (ternary 2 1 $gates) $sessions -}}
requests:
  cpu: {{ default (printf "%dm" (add 20 (div (add $halfMillicores 1) 2))) $requests.cpu }}
  memory: {{ default (printf "%dKi" (add 16384 (mul $usual $sessions))) $requests.memory }}
  {{- with index $requests "ephemeral-storage" }}
  ephemeral-storage: {{ . }}
  {{- end }}
limits:
  memory: {{ default (printf "%dKi" (add 32768 (mul $most $sessions))) $limits.memory }}
  {{- with index $limits "ephemeral-storage" }}
  ephemeral-storage: {{ . }}
  {{- end }}
{{- end -}}
