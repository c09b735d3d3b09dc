package config

import (
	"net/netip"
	"time"
)

// Config is the proxy's configuration, complete and checked. Names, defaults and help are declared
// in settings_*.go.
type Config struct {
	// Help and Version are set when the command line asks for nothing but that; the rest is then the
	// defaults, unchecked.
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
	ShutdownDelay         time.Duration // from the signal to the end of intake
	ShutdownGrace         time.Duration // from the end of intake to the end of the process

	Server     Server
	Affinity   Affinity
	Management Management
	Outbound   Outbound
	Remote     Remote
	Providers  []Provider // of the YAML file, in its order
	// DefaultProvider signs for client services that name none: one of Providers; empty = what Signing
	// and Remote say.
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
	Port               int    // 0 = any free one
	HostPort           string // what async answers name, HOST:PORT; empty = worked out
	Certificate        string // PEM file; empty = no TLS
	PrivateKey         string // PEM file
	TokenSigningKey    string // file; empty = made in the state folder
	TokenLifetime      time.Duration
	SyncWait           time.Duration
	StrictVendorStatus bool
}

// Affinity is what this instance knows of itself and of the others.
type Affinity struct {
	EndpointFile string // where the controller says how clients reach this instance; empty = worked out
	PeersFile    string // where it says who the others are; empty = there are none
	Forward      ForwardMode
	Scheme       RedirectScheme
	CAFile       string // PEM bundle for the others' certificates; empty = the system's
	InstanceUID  string // identity of this run, the pod's UID; empty = unknown
}

// ForwardMode is what becomes of a request for another instance's operation.
type ForwardMode string

const (
	ForwardRequests  ForwardMode = "forward"
	RedirectRequests ForwardMode = "redirect"
	ForwardOff       ForwardMode = "off"
)

// RedirectScheme is how clients are told to speak to the instance that they are sent to.
type RedirectScheme string

const (
	// SchemeAuto is that of the REST port, and https where the published port is 443.
	SchemeAuto  RedirectScheme = "auto"
	SchemeHTTP  RedirectScheme = "http"
	SchemeHTTPS RedirectScheme = "https"
)

// Management is the port of the status page, /healthz, /readyz and /metrics.
type Management struct {
	Address string // empty = all
	Port    int    // 0 = any free one
	// ShowReferences lets the status page show external references.
	ShowReferences bool
}

// Outbound is how every call leaves: to remote services, timestamp authorities, OCSP responders,
// CRLs.
type Outbound struct {
	ProxyHost            string // HTTP proxy; empty = none
	ProxyPort            int
	ProxyCredentialsFile string // user:password on its first line; empty = none
	CAFile               string // PEM bundle beside the system's; empty = none
}

// Remote is the remote signing service.
type Remote struct {
	Domain string // base URL without a trailing slash; empty = none
	Token  RemoteToken
}

// ClientAuth is where an OAuth2 endpoint wants a client's id and secret.
type ClientAuth string

const (
	ClientAuthBasic ClientAuth = "basic" // in HTTP Basic
	ClientAuthForm  ClientAuth = "form"  // in the request's form
)

// RemoteToken is how bearer tokens issued by the remote service are verified. Neither URL = they
// are refused.
type RemoteToken struct {
	JWKSURL, IntrospectionURL string // at most one
	ClientID                  string // ours at the introspection endpoint
	ClientSecretFile          string
	ClientAuth                ClientAuth // where the endpoint wants id and secret
	Issuer, Audience          string     // wanted in each token; empty = not looked at
}

// Provider is one entry of providers in the YAML file: a credential with a name.
type Provider struct {
	Name, Kind string
	Settings   ProviderSettings // as Input.ProviderKinds made it for the kind, filled and validated
}

// ProviderSettings are the settings of one kind of provider: a pointer to a struct whose fields
// have yaml tags.
type ProviderSettings interface {
	// Validate returns every mistake, in the words of the YAML file.
	Validate() []error
}

// Timestamp is who gives timestamps.
type Timestamp struct {
	Authorities []TimestampAuthority // in the order in which they are asked; none = no level above B-B
	Timeout     time.Duration
	MaxSkew     time.Duration
	CAFile      string // PEM bundle to which tokens must lead; empty = any
}

// TimestampAuthority is one RFC 3161 authority: an entry of timestamp.authorities in the YAML file,
// or one of --timestamp.urls.
type TimestampAuthority struct {
	// Name is for logs. Empty = the URL's host.
	Name string `yaml:"name"`
	// URL is http or https, without credentials.
	URL string `yaml:"url"`
	// User and PasswordFile authenticate us (HTTP Basic). The file is read at the start.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"passwordFile"`
	// Policy is asked for and then wanted in the token: an OID such as 1.2.3.4. Empty = the
	// authority's own.
	Policy string `yaml:"policy"`
	// Budget bounds the requests of this instance in any window of that length. Requests 0 = any
	// number.
	Budget Budget `yaml:"budget"`
}

// Budget is so many requests in any window.
type Budget struct {
	Requests int           `yaml:"requests"`
	Window   time.Duration `yaml:"window"`
}

// Revocation is how OCSP responses and CRLs are gathered for B-LT and above.
type Revocation struct {
	AllowPrivate   []netip.Prefix
	Hosts          []string      // endings of host names that an HTTP proxy may be asked for without resolving them here
	Timeout, Total time.Duration // of one request, of all for a document
	MaxAge         time.Duration
	MaxCRLBytes    int64
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

// Visible is how visible signatures are drawn.
type Visible struct {
	Fonts         string // folder with fonts beside the built-in ones; empty = none
	AllowClipping bool   // a box may lie partly outside its page
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
	BodyBytes                int64
	DocumentBytes            int64
	DocumentsPerRequest      int
	QueuedDocuments          int
	ConcurrentRequests       int
	WaitingRequests          int
	Connections              int // of the REST port
	ConcurrentDownloads      int
	ClientConcurrentRequests int // 0 = half of ConcurrentRequests
	ClientRate               int // requests a second; 0 = no bound
	ClientFailures           int // wrong secrets a second from one address; 0 = no bound
}

// Retention is how long ended operations are kept, and what the disk must leave free.
type Retention struct {
	Age          time.Duration
	Fetched      time.Duration // 0 = as long as Age
	Bytes        int64         // 0 = no bound
	MinFreeBytes int64
}

// Audit is the record of every signature.
type Audit struct {
	Enabled bool
	Keep    time.Duration // 0 = for ever
}

// Callback is how clients' own services are told of ends.
type Callback struct {
	AllowPrivate []netip.Prefix
	Hosts        []string // endings of host names that an HTTP proxy may be asked for without resolving them here
	Timeout      time.Duration
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
