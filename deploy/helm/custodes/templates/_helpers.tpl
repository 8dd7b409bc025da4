{{- define "custodes.name" -}}
{{- printf "%s-%s" .Release.Name .role | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "custodes.selector" -}}
app.kubernetes.io/name: custodes
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "custodes.labels" -}}
{{ include "custodes.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "custodes.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{- /* Of the pod: nobody is root, nothing is asked of the cluster. */ -}}
{{- define "custodes.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
serviceAccountName: {{ include "custodes.name" . }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "custodes.container" -}}
image: {{ include "custodes.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml .part.resources | nindent 2 }}
{{- end }}

{{- /* One writer, one volume: the next pod begins when the last has ended. */ -}}
{{- define "custodes.claim" -}}
- metadata:
    name: data
    labels: {{- include "custodes.selector" . | nindent 6 }}
  spec:
    accessModes: [ReadWriteOncePod]
    {{- with .part.storage.className }}
    storageClassName: {{ . }}
    {{- end }}
    resources: {requests: {storage: {{ .part.storage.size | quote }}}}
{{- end }}

{{- define "custodes.volumes" -}}
- name: config
  configMap: {name: {{ include "custodes.name" . }}}
- name: secrets
  secret:
    secretName: {{ required (printf "%s.secret: name the Secret" .role) .part.secret }}
    defaultMode: 0440
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 256Mi}
{{- end }}

{{- define "custodes.mounts" -}}
- {name: config, mountPath: /etc/custodes, readOnly: true}
- {name: secrets, mountPath: /run/secrets/custodes, readOnly: true}
- {name: data, mountPath: /var/lib/custodes}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "custodes.dns" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end }}

{{- /* A way out to a server that is configured: nowhere else, and not without saying where it is. */ -}}
{{- define "custodes.way" -}}
{{- if not .peers }}{{ fail (printf "%s.peers: say where it is, as peers of a NetworkPolicy" .name) }}{{ end -}}
- to: {{- toYaml .peers | nindent 4 }}
  ports: [{protocol: TCP, port: {{ .port }}}]
{{- end }}

{{- define "custodes.secretFile" -}}
file:/run/secrets/custodes/{{ . }}
{{- end }}
