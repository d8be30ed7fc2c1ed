{{/*
Names and labels. Pass every template here the sidecar's own scope, which in an application's chart is
`index .Subcharts "deepgram-sidecar"`.
*/}}

{{- define "deepgram-sidecar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "deepgram-sidecar.fullname" -}}
{{- $name := include "deepgram-sidecar.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels on every installed object. */}}
{{- define "deepgram-sidecar.labels" -}}
app.kubernetes.io/name: {{ include "deepgram-sidecar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version) }}
{{- end -}}

{{/* Selects this release's pods with the sidecar, for the PodMonitor and the NetworkPolicy. */}}
{{- define "deepgram-sidecar.podLabels" -}}
deepgram-sidecar: {{ include "deepgram-sidecar.fullname" . }}
{{- end -}}

{{- define "deepgram-sidecar.image" -}}
{{- $image := .Values.image -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The name of one of several objects of a kind; takes the scope and the part's name. */}}
{{- define "deepgram-sidecar.partName" -}}
{{- $part := index . 1 -}}
{{- $room := sub 62 (len $part) | int -}}
{{- printf "%s-%s" (include "deepgram-sidecar.fullname" (index . 0) | trunc $room | trimSuffix "-") $part -}}
{{- end -}}
