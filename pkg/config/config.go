package config

import "time"

// Config is the proxy's configuration, complete and checked. Names, defaults and help are declared in settings_*.go.
type Config struct {
	// Help and Version are set when the command line asks for nothing but that; the rest is then the defaults, unchecked.
	Help, Version bool

	File                  string // --config; empty = none
	WorkFolder            string
	StateFolder           string
	ClientServicesFile    string // never empty
	ForceDatabaseRecreate bool
	InstanceOrdinal       int           // 0 to 1023
	InstanceName          string        // the host name, which on Kubernetes is the pod's; no setting
	ReadyFile             string        // empty = none
	StateLockWait         time.Duration // for another process to let go of the state folder
	ShutdownGrace         time.Duration // from the signal to the end of the process

	Server     Server
	Management Management
	Remote     Remote
	Signing    Signing
	Limits     Limits
	Retention  Retention
	HotFolder  HotFolder
	Log        Log
}

// Server is the REST port.
type Server struct {
	Address            string // IP address or host name; empty = all
	Port               int    // 0 = any free one
	HostPort           string // what async answers name, HOST:PORT; empty = worked out
	Certificate        string // PEM file; empty = no TLS
	PrivateKey         string // PEM file
	TokenSigningKey    string // file; empty = made in the state folder
	TokenLifetime      time.Duration
	SyncWait           time.Duration
	StrictVendorStatus bool
}

// Management is the port of /healthz, /readyz and /metrics.
type Management struct {
	Address string // empty = all
	Port    int    // 0 = any free one
}

// Remote is the remote signing service.
type Remote struct {
	Domain    string // base URL without a trailing slash; empty = none
	ProxyHost string // HTTP proxy for outbound calls; empty = none
	ProxyPort int
}

// Signing is how documents are signed, and what happens when that fails.
type Signing struct {
	PKCS12File         string // empty = none
	PKCS12PasswordFile string // empty = no password
	EmbeddedKey        KeyAlgorithm
	Digest             Digest // empty = what suits the key
	RSAScheme          RSAScheme
	Quiet              time.Duration // batching; see the settings
	MaxWaitSync        time.Duration
	MaxWaitAsync       time.Duration
	CallTimeout        time.Duration
	Tries              int
	Backoff            time.Duration
	Deadline           time.Duration // whole minutes on the command line (lock-time)
	UnknownOutcome     UnknownOutcome
}

// Digest is the digest algorithm of signatures.
type Digest string

// The digest algorithms, FIPS 180-4.
const (
	SHA256 Digest = "SHA-256"
	SHA384 Digest = "SHA-384"
	SHA512 Digest = "SHA-512"
)

// RSAScheme is how an RSA key signs.
type RSAScheme string

// The RSA signature schemes, RFC 8017 sections 8.2 and 8.1.
const (
	PKCS1 RSAScheme = "PKCS1"
	PSS   RSAScheme = "PSS"
)

// KeyAlgorithm is the kind of the embedded key.
type KeyAlgorithm string

// The kinds of embedded keys.
const (
	RSA2048 KeyAlgorithm = "RSA-2048"
	RSA3072 KeyAlgorithm = "RSA-3072"
	RSA4096 KeyAlgorithm = "RSA-4096"
	P256    KeyAlgorithm = "P-256"
	P384    KeyAlgorithm = "P-384"
	P521    KeyAlgorithm = "P-521"
)

// UnknownOutcome is what becomes of a document whose signature may exist but was lost.
type UnknownOutcome string

// The policies for an unknown outcome.
const (
	UnknownRetry UnknownOutcome = "retry"
	UnknownFail  UnknownOutcome = "fail"
)

// Limits bound what comes from outside. Sizes are bytes.
type Limits struct {
	BodyBytes           int64
	DocumentBytes       int64
	DocumentsPerRequest int
	QueuedDocuments     int
	ConcurrentRequests  int
}

// Retention is how long ended operations are kept, and what the disk must leave free.
type Retention struct {
	Age          time.Duration
	Bytes        int64 // 0 = no bound
	MinFreeBytes int64
}

// HotFolder is the hot-folder mode.
type HotFolder struct {
	Enabled   bool
	Threshold int    // files
	Cron      string // six fields
}

// LogFormat is the form of a log line.
type LogFormat string

// The log formats.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// LogLevel is how much is logged.
type LogLevel string

// The log levels.
const (
	LogInfo  LogLevel = "info"
	LogDebug LogLevel = "debug"
)

// Log is what is logged and how.
type Log struct {
	Level  LogLevel
	Format LogFormat
}
