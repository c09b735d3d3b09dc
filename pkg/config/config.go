package config

import (
	"crypto"
	"os"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/callback"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/remotetoken"
	"github.com/signstash-proxy/signstash-proxy/pkg/revocation"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// Config is the proxy's configuration, complete and checked. settings_*.go declares the names,
// defaults and help texts. Settings and enums that belong to one package are declared there, and
// Config only holds them.
type Config struct {
	// Help and Version are set if the command line asks for them. All other fields then hold the
	// defaults, and nothing was checked.
	Help, Version bool
	// CheckConfig is set if the command line asks for a check instead of a start.
	CheckConfig bool

	File                  string // --config; empty = none
	WorkFolder            string
	StateFolder           string
	ClientServicesFile    string // never empty
	ForceDatabaseRecreate bool
	InstanceOrdinal       int           // 0 to 1023
	InstanceName          string        // the host name, which is the pod's name on Kubernetes; not a setting
	ReadyFile             string        // empty = none
	StateLockWait         time.Duration // how long to wait for another process to release the state folder
	ShutdownDelay         time.Duration // from the signal until new requests are refused
	ShutdownGrace         time.Duration // from then to the end of the process
	DrainLinger           time.Duration // how long an instance that leaves for good stays before the grace period

	Server     Server
	Affinity   Affinity
	Management Management
	Outbound   outbound.Settings
	Remote     Remote
	Providers  []Provider // of the YAML file, in its order
	// DefaultProvider names the one of Providers that signs for client services that name no
	// provider. Empty = Signing and Remote decide.
	DefaultProvider string
	Signing         Signing
	Timestamp       timestamp.Settings
	Revocation      revocation.Settings
	Visible         Visible
	XAdES           XAdES
	Limits          Limits
	Retention       Retention
	Audit           Audit
	Callback        callback.Settings
	HotFolder       HotFolder
	Log             Log
}

// Server is the REST port.
type Server struct {
	Address            string // IP address or host name; empty = all
	Port               int    // 0 = any free port
	HostPort           string // HOST:PORT that async answers name; empty = derived from address and port
	Certificate        string // PEM file; empty = no TLS
	PrivateKey         string // PEM file
	AllowPlaintext     bool   // connections without TLS are accepted too
	TokenSigningKey    string // file; empty = created in the state folder
	TokenLifetime      time.Duration
	SyncWait           time.Duration
	StrictVendorStatus bool
}

// Affinity is what this instance knows about itself and about the other instances.
type Affinity struct {
	EndpointFile string // the controller writes here how clients reach this instance; empty = derived
	PeersFile    string // the controller writes here where the others are; empty = there are none
	Forward      affinity.Mode
	Scheme       affinity.RedirectScheme
	CAFile       string // PEM bundle for the others' certificates; empty = the system's
	InstanceUID  string // identity of this run, the pod's UID; empty = unknown
}

// Management is the port of the status page, /healthz, /readyz and /metrics.
type Management struct {
	Address string // empty = all
	Port    int    // 0 = any free port
	// ShowReferences makes the status page show external references.
	ShowReferences bool
}

// Remote is the remote signing service.
type Remote struct {
	Domain string // base URL without a trailing slash; empty = none
	// Token says how bearer tokens that the remote service issued are verified. Without either URL
	// they are refused.
	Token remotetoken.Settings
}

// Provider is one entry of providers in the YAML file: a credential with a name.
type Provider struct {
	Name, Kind string
	Settings   ProviderSettings // created by Input.ProviderKinds for the kind, then filled and validated
}

// ProviderSettings are the settings of one kind of provider: a pointer to a struct whose fields
// have yaml tags.
type ProviderSettings interface {
	// Validate returns all mistakes, joined. Their texts use the names of the YAML file.
	Validate() error
}

// Signing says how documents are signed, and what happens if that fails.
type Signing struct {
	PKCS12File         string // empty = none
	PKCS12PasswordFile string // empty = no password
	EmbeddedKey        software.KeyType
	Digest             crypto.Hash                // 0 = the one that suits the key
	RSAScheme          signing.SignatureAlgorithm // RSAPKCS1 or RSAPSS
	Batch              signing.BatchConfig
	Tries              int
	Backoff            time.Duration
	Deadline           time.Duration // the command line takes whole minutes (lock-time)
	UnknownOutcome     signing.UnknownPolicy
}

// Visible says how visible signatures are drawn.
type Visible struct {
	Fonts         string // folder with fonts in addition to the built-in ones; empty = none
	AllowClipping bool   // a box may lie partly outside its page
}

// XAdES says how XML is signed.
type XAdES struct {
	Profiles string // file with profiles in addition to the embedded ones; empty = none
}

// Limits bounds requests and connections from outside. Sizes are in bytes. The settings in
// settings_server.go explain each limit.
type Limits struct {
	limits.Settings
	QueuedDocuments int
	Connections     int // of the REST port
}

// Retention says how long ended operations are kept, and how much of the disk must stay free.
type Retention struct {
	store.Retention
	MinFreeBytes int64
}

// Audit is the record of every signature.
type Audit struct {
	Enabled bool
	Keep    time.Duration // 0 = for ever
}

// HotFolder configures the hot folders of client services.
type HotFolder struct {
	Enabled         bool
	Threshold       int    // files
	Cron            string // six fields; empty = never
	Trigger         HotFolderTrigger
	MaxWait         time.Duration // 0 = for ever
	Layout          HotFolderLayout
	Receipts        bool
	OutputMode      os.FileMode
	OutputGroup     int // 0 = the group of the folder
	Stability       time.Duration
	IncompleteAfter time.Duration
	DoneSuffix      string   // empty = not used
	Ignored         []string // patterns of names
	Storage         ObjectStorage
}

// ObjectStorage says how hot folders in buckets are reached.
type ObjectStorage struct {
	Endpoint        string // empty = the public endpoint of the provider
	Region          string // of S3
	PathStyle       bool
	CAFile          string // empty = as for all outgoing calls
	CredentialsFile string // empty = the identity of the environment
	Direct          bool   // without the HTTP proxy
}

// HotFolderTrigger says when runs start.
type HotFolderTrigger string

// The triggers.
const (
	TriggerThreshold HotFolderTrigger = "threshold" // at a tick, if there are enough files
	TriggerImmediate HotFolderTrigger = "immediate" // as soon as a file is complete
)

// HotFolderLayout says how output and backup folders are laid out.
type HotFolderLayout string

// The layouts.
const (
	LayoutRuns HotFolderLayout = "runs" // a sub-folder for each run
	LayoutFlat HotFolderLayout = "flat"
)

// LogFormat is the form of a log line.
type LogFormat string

// The log formats.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// LogLevel says how much is logged.
type LogLevel string

// The log levels.
const (
	LogInfo  LogLevel = "info"
	LogDebug LogLevel = "debug"
)

// Log says what is logged, and in which form.
type Log struct {
	Level  LogLevel
	Format LogFormat
}
