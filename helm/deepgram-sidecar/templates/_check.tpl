{{/* Combinations of values that do not work together. The schema validates each value by itself. */}}
{{- define "deepgram-sidecar.check" -}}
{{- include "deepgram-sidecar.checkPod" . -}}
{{- include "deepgram-sidecar.checkKey" . -}}
{{- include "deepgram-sidecar.checkPort" . -}}
{{- include "deepgram-sidecar.checkUpstream" . -}}
{{- include "deepgram-sidecar.checkMonitoring" . -}}
{{- end -}}

{{- define "deepgram-sidecar.checkPod" -}}
{{- if and (eq .Values.mode "native") (semverCompare "<1.29-0" .Capabilities.KubeVersion.Version) -}}
{{- printf "Kubernetes %s has no native sidecars (added in 1.29): set mode to classic." .Capabilities.KubeVersion.Version | fail -}}
{{- end -}}
{{- $least := include "deepgram-sidecar.graceSecondsLeast" . | int -}}
{{- if and .Values.shutdown.graceSeconds (lt (int .Values.shutdown.graceSeconds) $least) -}}
{{- printf "shutdown.graceSeconds is %d, but shutting down the application, the drain and 5 s for the last log lines take up to %d: raise it, or lower shutdown.appSeconds or shutdown.drainSeconds." (int .Values.shutdown.graceSeconds) $least | fail -}}
{{- end -}}
{{- if and .Values.shutdown.lingerSeconds (ge (int .Values.shutdown.lingerSeconds) (int .Values.shutdown.drainSeconds)) -}}
{{- printf "shutdown.lingerSeconds is %d, which leaves nothing of shutdown.drainSeconds (%d) to get the last results: lower it, or raise shutdown.drainSeconds." (int .Values.shutdown.lingerSeconds) (int .Values.shutdown.drainSeconds) | fail -}}
{{- end -}}
{{- range .Values.env -}}
{{- if or (eq .name "DEEPGRAM_API_KEY") (hasPrefix "DEEPGRAM_SIDECAR_" .name) -}}
{{- printf "env has %s, which would silently override the chart's own setting: use config, or apiKey for the key." .name | fail -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "deepgram-sidecar.checkKey" -}}
{{- $key := .Values.apiKey -}}
{{- if and $key.create (not $key.value) -}}
{{- fail "apiKey.create is true but apiKey.value is empty: set it to the key, or set create to false and name a Secret in apiKey.secretName." -}}
{{- end -}}
{{- if and $key.value (not $key.create) -}}
{{- fail "apiKey.value is set but apiKey.create is false, so the key would not be used: set create to true, or remove the value." -}}
{{- end -}}
{{- if and $key.create (not (include "deepgram-sidecar.wantsKey" .)) -}}
{{- fail "config.upstream.auth is none, so no key is used: set apiKey.create to false." -}}
{{- end -}}
{{- end -}}

{{- define "deepgram-sidecar.checkPort" -}}
{{- $port := include "deepgram-sidecar.tcpListen" . -}}
{{- if and .Values.tcpToken.secretName (not $port) -}}
{{- fail "tcpToken.secretName is set but there is no port that would ask for it: set config.ipc.tcp_listen, or remove tcpToken.secretName." -}}
{{- end -}}
{{- $isListed := or (dig "ipc" "allow_uids" list .Values.config) (dig "ipc" "allow_gids" list .Values.config) -}}
{{- if and $port $isListed (not .Values.tcpToken.secretName) -}}
{{- fail "config.ipc.tcp_listen would let in whom config.ipc.allow_uids and allow_gids keep out: set tcpToken.secretName, or remove one of the two." -}}
{{- end -}}
{{- end -}}

{{- define "deepgram-sidecar.checkUpstream" -}}
{{- $url := dig "upstream" "url" "wss://api.deepgram.com" .Values.config -}}
{{- if and (hasPrefix "ws://" $url) (not (dig "upstream" "allow_plaintext" false .Values.config)) -}}
{{- printf "config.upstream.url is %s, so key and audio would travel in the clear: use wss://, or set config.upstream.allow_plaintext to true as well." $url | fail -}}
{{- end -}}
{{- if and (hasPrefix "ws://" $url) .Values.upstreamCA.configMapName -}}
{{- printf "upstreamCA is set but config.upstream.url is %s, which has no TLS: use wss://, or remove upstreamCA.configMapName." $url | fail -}}
{{- end -}}
{{- end -}}

{{- define "deepgram-sidecar.checkMonitoring" -}}
{{- $monitor := .Values.podMonitor -}}
{{- if and $monitor.enabled $monitor.sessions.enabled (eq (include "deepgram-sidecar.perSessionMax" . | int) 0) -}}
{{- fail "config.telemetry.metrics.per_session_max is 0, so /metrics/sessions is empty: set podMonitor.sessions.enabled to false." -}}
{{- end -}}
{{- if and $monitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "podMonitor is enabled but networkPolicy.metricsFrom is empty, so Prometheus could not scrape: set it to where Prometheus runs." -}}
{{- end -}}
{{- end -}}

{{- define "deepgram-sidecar.perSessionMax" -}}
{{- dig "telemetry" "metrics" "per_session_max" 1000 .Values.config -}}
{{- end -}}
