package config

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/callback"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/remotetoken"
	"github.com/signstash-proxy/signstash-proxy/pkg/revocation"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// containerEnv is an environment variable that the project's image sets, to any value. Nothing else
// shows reliably that the process runs in the image: only Docker creates the file /.dockerenv
// (containerd and CRI-O do not), and some hosts have it by accident.
const containerEnv = "SIGNSTASH_CONTAINER"

// kubernetesEnv is set by the kubelet in every pod.
const kubernetesEnv = "KUBERNETES_SERVICE_HOST"

// maxOrdinal is the highest instance ordinal, because every operation id has ten bits for it.
const maxOrdinal = 1023

// defaults returns the configuration that holds if no setting is given.
func defaults(in Input) Config {
	return Config{
		WorkFolder:      defaultWorkFolder(in),
		StateFolder:     "/tmp/signstash",
		InstanceOrdinal: podOrdinal(in),
		InstanceName:    in.HostName,
		StateLockWait:   lockWait(in),
		ShutdownGrace:   25 * time.Second,
		// Long enough for clients that look for their results once a minute. Together with the other
		// times it stays below the ten minutes that cluster autoscalers usually give a pod to end.
		DrainLinger: 5 * time.Minute,
		Server: Server{
			Port:          8080,
			TokenLifetime: time.Hour,
			SyncWait:      time.Minute,
		},
		Management: Management{Port: 8081},
		Signing: Signing{
			EmbeddedKey: software.RSA2048,
			RSAScheme:   signing.RSAPKCS1,
			Batch: signing.BatchConfig{
				Quiet:        5 * time.Millisecond,
				MaxWaitSync:  500 * time.Millisecond,
				MaxWaitAsync: time.Second,
				CallTimeout:  2 * time.Minute,
			},
			Tries:          3,
			Backoff:        time.Minute,
			Deadline:       day,
			UnknownOutcome: signing.UnknownRetry,
		},
		Remote:    Remote{Token: remotetoken.Settings{ClientAuth: clientauth.Basic}},
		Timestamp: timestamp.Settings{Timeout: 10 * time.Second, MaxSkew: 5 * time.Minute},
		Revocation: revocation.Settings{
			Timeout: 10 * time.Second, Total: 30 * time.Second, MaxAge: time.Hour, MaxCRLBytes: 4 << 20,
		},
		Affinity: Affinity{Forward: affinity.Forward, Scheme: affinity.SchemeAuto},
		Limits: Limits{
			Settings: limits.Settings{
				MaxBodyBytes:     2 << 30,
				MaxDocumentBytes: 1 << 30,
				MaxDocuments:     5_000,
				MaxUploads:       256,
				MaxWaiting:       2000,
				MaxDownloads:     128,
				ClientRate:       1000,
				ClientFailures:   1,
			},
			QueuedDocuments: 20_000,
			Connections:     3500,
		},
		Audit:    Audit{Enabled: true},
		Callback: callback.Settings{Timeout: 10 * time.Second},
		Retention: Retention{
			Retention: store.Retention{Age: 7 * day, MaxBytes: 20 << 30}, MinFreeBytes: 256 << 20,
		},
		HotFolder: HotFolder{
			Threshold: 1000, Cron: "0 0/5 * * * ?", Trigger: TriggerThreshold, Layout: LayoutRuns, OutputMode: 0o660,
			Stability: 5 * time.Second, IncompleteAfter: 10 * time.Minute,
			Ignored: []string{".*", "~$*", "*.tmp", "*.part", "*.part.minio", "*.crdownload", "*.filepart", "*.swp",
				"Thumbs.db", ".DS_Store"},
		},
		Log: Log{Level: LogInfo, Format: LogJSON},
	}
}

func defaultWorkFolder(in Input) string {
	if in.env(containerEnv) != "" {
		return "/home"
	}
	return "./work"
}

// lockWait returns how long to wait for another process to release the state folder. On Kubernetes
// the old pod may live a little longer after a forced deletion. Elsewhere somebody has started a
// second proxy by mistake and wants to know at once.
func lockWait(in Input) time.Duration {
	if in.env(kubernetesEnv) == "" {
		return 0
	}
	return time.Minute
}

// podOrdinal returns the ordinal in the name that a StatefulSet gives its pods (NAME-ORDINAL), and
// 0 outside Kubernetes.
func podOrdinal(in Input) int {
	if in.env(kubernetesEnv) == "" {
		return 0
	}
	_, digits, _ := cutLast(in.HostName, "-")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > maxOrdinal || strconv.Itoa(n) != digits {
		return 0
	}
	return n
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// complete sets the defaults that depend on other settings.
func (c *Config) complete() {
	if c.DefaultProvider == "" && len(c.Providers) == 1 && c.Remote.Domain == "" && c.Signing.PKCS12File == "" {
		c.DefaultProvider = c.Providers[0].Name
	}
	if c.ClientServicesFile == "" {
		c.ClientServicesFile = filepath.Join(c.WorkFolder, "client-services-config.json")
	}
}
