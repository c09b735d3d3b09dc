package config

import (
	"net/netip"
	"time"
)

// Config is the proxy's configuration, complete and checked. settings_*.go declares the names,
// defaults and help texts.
type Config struct {
	// Help and Version are set if the command line asks for them. All other fields then hold the
	// defaults, and nothing was checked.
	Help, Version bool

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

	Server     Server
	Affinity   Affinity
	Management Management
	Outbound   Outbound
	Remote     Remote
	Providers  []Provider // of the YAML file, in its order
	// DefaultProvider names the one of Providers that signs for client services that name no
	// provider. Empty = Signing and Remote decide.
	DefaultProvider string
	Signing         Signing
	Timestamp       Timestamp
	Revocation      Revocation
	Visible         Visible
	Limits          Limits
	Retention       Retention
	Audit           Audit
	Callback        Callback
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
	TokenSigningKey    string // file; empty = created in the state folder
	TokenLifetime      time.Duration
	SyncWait           time.Duration
	StrictVendorStatus bool
}

// Affinity is what this instance knows about itself and about the other instances.
type Affinity struct {
	EndpointFile string // the controller writes here how clients reach this instance; empty = derived
	PeersFile    string // the controller writes here where the others are; empty = there are none
	Forward      ForwardMode
	Scheme       RedirectScheme
	CAFile       string // PEM bundle for the others' certificates; empty = the system's
	InstanceUID  string // identity of this run, the pod's UID; empty = unknown
}

// ForwardMode says what happens to a request for another instance's operation.
type ForwardMode string

// The forward modes: forward the request, redirect the client (307), or answer 404.
const (
	ForwardRequests  ForwardMode = "forward"
	RedirectRequests ForwardMode = "redirect"
	ForwardOff       ForwardMode = "off"
)

// RedirectScheme is the scheme of the address to which clients are redirected.
type RedirectScheme string

// The redirect schemes.
const (
	// SchemeAuto is https if the published port is 443, otherwise the scheme of the REST port.
	SchemeAuto  RedirectScheme = "auto"
	SchemeHTTP  RedirectScheme = "http"
	SchemeHTTPS RedirectScheme = "https"
)

// Management is the port of the status page, /healthz, /readyz and /metrics.
type Management struct {
	Address string // empty = all
	Port    int    // 0 = any free port
	// ShowReferences makes the status page show external references.
	ShowReferences bool
}

// Outbound says how all outgoing calls are made: to remote services, timestamp authorities, OCSP
// responders and CRLs.
type Outbound struct {
	ProxyHost            string // HTTP proxy; empty = none
	ProxyPort            int
	ProxyCredentialsFile string // user:password on its first line; empty = none
	CAFile               string // PEM bundle in addition to the system's; empty = none
}

// Remote is the remote signing service.
type Remote struct {
	Domain string // base URL without a trailing slash; empty = none
	Token  RemoteToken
}

// ClientAuth says where an OAuth2 endpoint expects a client's id and secret.
type ClientAuth string

// The ways to authenticate (RFC 6749 2.3.1).
const (
	ClientAuthBasic ClientAuth = "basic" // in HTTP Basic
	ClientAuthForm  ClientAuth = "form"  // in the request's form
)

// RemoteToken says how bearer tokens that the remote service issued are verified. Without either
// URL they are refused.
type RemoteToken struct {
	JWKSURL, IntrospectionURL string // at most one
	ClientID                  string // ours at the introspection endpoint
	ClientSecretFile          string
	ClientAuth                ClientAuth // where the endpoint expects id and secret
	Issuer, Audience          string     // required in each token; empty = not checked
}

// Provider is one entry of providers in the YAML file: a credential with a name.
type Provider struct {
	Name, Kind string
	Settings   ProviderSettings // created by Input.ProviderKinds for the kind, then filled and validated
}

// ProviderSettings are the settings of one kind of provider: a pointer to a struct whose fields
// have yaml tags.
type ProviderSettings interface {
	// Validate returns all mistakes. Their texts use the names of the YAML file.
	Validate() []error
}

// Timestamp says which authorities issue timestamps, and which tokens are accepted.
type Timestamp struct {
	Authorities []TimestampAuthority // in the order in which they are asked; empty = no level above B-B
	Timeout     time.Duration
	MaxSkew     time.Duration
	CAFile      string // PEM bundle to which the certificates of tokens must lead; empty = any
}

// TimestampAuthority is one RFC 3161 authority: an entry of timestamp.authorities in the YAML file,
// or one of --timestamp.urls.
type TimestampAuthority struct {
	// Name is for logs. Empty = the URL's host.
	Name string `yaml:"name"`
	// URL is http or https, without credentials.
	URL string `yaml:"url"`
	// User and PasswordFile authenticate the proxy (HTTP Basic). The file is read at the start.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"passwordFile"`
	// Policy is requested, and then required in the token: an OID such as 1.2.3.4. Empty = the
	// authority chooses.
	Policy string `yaml:"policy"`
	// Budget limits the requests of this instance.
	Budget Budget `yaml:"budget"`
}

// Budget allows Requests requests in any period of length Window. Requests 0 = any number.
type Budget struct {
	Requests int           `yaml:"requests"`
	Window   time.Duration `yaml:"window"`
}

// Revocation says how OCSP responses and CRLs are collected for level B-LT and above.
type Revocation struct {
	AllowPrivate   []netip.Prefix
	Hosts          []string      // endings of host names for which an HTTP proxy is asked without resolving them here
	Timeout, Total time.Duration // of one request; of all requests for a certificate chain
	MaxAge         time.Duration
	MaxCRLBytes    int64
}

// Signing says how documents are signed, and what happens if that fails.
type Signing struct {
	PKCS12File         string // empty = none
	PKCS12PasswordFile string // empty = no password
	EmbeddedKey        KeyAlgorithm
	Digest             Digest // empty = the one that suits the key
	RSAScheme          RSAScheme
	Quiet              time.Duration // this and the next two: batching, see settings_signing.go
	MaxWaitSync        time.Duration
	MaxWaitAsync       time.Duration
	CallTimeout        time.Duration
	Tries              int
	Backoff            time.Duration
	Deadline           time.Duration // the command line takes whole minutes (lock-time)
	UnknownOutcome     UnknownOutcome
}

// Visible says how visible signatures are drawn.
type Visible struct {
	Fonts         string // folder with fonts in addition to the built-in ones; empty = none
	AllowClipping bool   // a box may lie partly outside its page
}

// Digest names the digest algorithm of signatures.
type Digest string

// The digest algorithms, FIPS 180-4.
const (
	SHA256 Digest = "SHA-256"
	SHA384 Digest = "SHA-384"
	SHA512 Digest = "SHA-512"
)

// RSAScheme names the signature scheme of an RSA key.
type RSAScheme string

// The RSA signature schemes, RFC 8017 sections 8.2 and 8.1.
const (
	PKCS1 RSAScheme = "PKCS1"
	PSS   RSAScheme = "PSS"
)

// KeyAlgorithm names the kind of the embedded key.
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

// UnknownOutcome says what happens to a document whose signature may exist but was lost.
type UnknownOutcome string

// The policies for an unknown outcome.
const (
	UnknownRetry UnknownOutcome = "retry"
	UnknownFail  UnknownOutcome = "fail"
)

// Limits bounds requests and connections from outside. Sizes are in bytes. The settings in
// settings_server.go explain each limit.
type Limits struct {
	BodyBytes                int64
	DocumentBytes            int64
	DocumentsPerRequest      int
	QueuedDocuments          int
	ConcurrentRequests       int
	WaitingRequests          int
	Connections              int // of the REST port
	ConcurrentDownloads      int
	ClientConcurrentRequests int // 0 = half of ConcurrentRequests
	ClientRate               int // requests per second; 0 = no limit
	ClientFailures           int // wrong secrets per second from one address; 0 = no limit
}

// Retention says how long ended operations are kept, and how much of the disk must stay free.
type Retention struct {
	Age          time.Duration
	Fetched      time.Duration // 0 = as long as Age
	Bytes        int64         // 0 = no limit
	MinFreeBytes int64
}

// Audit is the record of every signature.
type Audit struct {
	Enabled bool
	Keep    time.Duration // 0 = for ever
}

// Callback says how receivers are told that an operation has ended.
type Callback struct {
	AllowPrivate []netip.Prefix
	Hosts        []string // endings of host names for which an HTTP proxy is asked without resolving them here
	Timeout      time.Duration
}

// HotFolder configures the hot-folder mode, which is not available yet.
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
