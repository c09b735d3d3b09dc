package layers

// module is the import path of this module. Paths in the tables are relative to it.
const module = "github.com/signstash-proxy/signstash-proxy/"

// rule says which packages of this module a package may import. A path covers itself; a path that
// ends in /... also covers everything below it. The standard library is always allowed. Third-party
// imports are restricted by owners and bare.
type rule struct {
	pkg  string
	may  []string
	bare []string // if not nil: the only third-party modules that pkg may import
}

// rules is searched from top to bottom: the first row that covers a package decides.
var rules = []rule{
	// The domain imports nothing of this module, and only logr of other modules.
	{pkg: "pkg/signing", bare: []string{"github.com/go-logr/logr"}},

	// Leaves implement syntax and standards. They use error kinds and algorithms of the domain.
	{pkg: "pkg/pdf/...", may: []string{"pkg/signing", "pkg/pdf/...", "pkg/internal/..."}},
	{pkg: "pkg/cms", may: []string{"pkg/signing", "pkg/internal/..."}},
	// Canonical XML knows nothing of signing. Of other modules it uses only tables of encodings.
	{pkg: "pkg/xmlc14n", may: []string{}, bare: []string{"golang.org/x/text"}},
	{pkg: "pkg/internal/remotefault", may: []string{"pkg/signing", "pkg/outbound", "pkg/internal/printable"}},
	{pkg: "pkg/internal/keysettings", may: []string{"pkg/signing"}},
	{pkg: "pkg/internal/remotecredential", may: []string{"pkg/signing", "pkg/internal/..."}},
	{pkg: "pkg/internal/...", may: []string{"pkg/internal/..."}},

	// The HTTP client for outgoing calls. Programs create it, plugs use it.
	{pkg: "pkg/outbound", may: []string{"pkg/internal/..."}},

	// The conformance suites of interfaces know only the domain.
	{pkg: "pkg/signing/formattest", may: []string{"pkg/signing"}},
	{pkg: "pkg/store/storetest", may: []string{"pkg/signing", "pkg/signing/formattest"}},
	{pkg: "pkg/provider/providertest", may: []string{"pkg/signing"}},
	{pkg: "pkg/keyhome/keyhometest", may: []string{"pkg/keyhome"}, bare: []string{}},
	{pkg: "pkg/hotfolder/storagetest", may: []string{"pkg/hotfolder"}, bare: []string{}},

	// Plugs import the domain and leaves, and never each other.
	{pkg: "pkg/pades/...", may: []string{"pkg/signing", "pkg/pdf/...", "pkg/cms", "pkg/pades/...", "pkg/internal/..."}},
	{pkg: "pkg/xades/...",
		may: []string{"pkg/signing", "pkg/cms", "pkg/xmlc14n", "pkg/xades/...", "pkg/internal/..."}},
	{pkg: "pkg/cades/...", may: []string{"pkg/signing", "pkg/cms", "pkg/internal/..."}},
	{pkg: "pkg/timestamp/...", may: []string{"pkg/signing", "pkg/cms", "pkg/outbound", "pkg/internal/..."}},
	{pkg: "pkg/revocation/...", may: []string{"pkg/signing", "pkg/cms", "pkg/outbound", "pkg/internal/..."}},
	{pkg: "pkg/provider/csc/...",
		may: []string{"pkg/signing", "pkg/outbound", "pkg/internal/...", "pkg/provider/csc/..."}},
	{pkg: "pkg/provider/safe/...",
		may: []string{"pkg/signing", "pkg/outbound", "pkg/internal/...", "pkg/provider/safe/..."}},
	{pkg: "pkg/provider/pkcs11/...", may: []string{"pkg/signing", "pkg/internal/...", "pkg/provider/pkcs11/..."}},
	{pkg: "pkg/provider/software/...", may: []string{"pkg/signing", "pkg/internal/...", "pkg/provider/software/..."}},
	{pkg: "pkg/remotetoken", may: []string{"pkg/signing", "pkg/outbound", "pkg/internal/..."}},
	// The store is also the table of claims, because claims must be as durable as operations and share
	// their fsync. It imports the protocol for its types.
	{pkg: "pkg/store", may: []string{"pkg/signing", "pkg/keyhome", "pkg/internal/..."}},
	{pkg: "pkg/audit", may: []string{"pkg/signing", "pkg/internal/..."}},

	// The protocol of key homes knows neither HTTP nor the store. Programs connect it with both.
	{pkg: "pkg/keyhome", may: []string{}, bare: []string{"github.com/go-logr/logr"}},

	// The two contracts between the programs.
	{pkg: "pkg/clientservice", may: []string{"pkg/signing", "pkg/internal/..."}},
	// Instances also reach each other with the messages of key homes.
	{pkg: "pkg/affinity", may: []string{"pkg/signing", "pkg/keyhome", "pkg/internal/..."}},

	// The ways in: REST and the hot folder.
	{pkg: "pkg/api/...", may: []string{"pkg/signing", "pkg/clientservice", "pkg/affinity", "pkg/keyhome",
		"pkg/connlimit", "pkg/api/...", "pkg/internal/..."}},
	// Object storage is reached through the client for outgoing calls.
	{pkg: "pkg/hotfolder/bucket", may: []string{"pkg/hotfolder", "pkg/outbound", "pkg/internal/..."}},
	{pkg: "pkg/hotfolder/...", may: []string{"pkg/signing", "pkg/clientservice", "pkg/affinity", "pkg/hotfolder/...",
		"pkg/internal/..."}},

	// Helpers of the programs.
	// The configuration embeds the settings that plugs declare. Plugs know nothing of it.
	{pkg: "pkg/config", may: []string{"pkg/signing", "pkg/affinity", "pkg/outbound", "pkg/timestamp",
		"pkg/revocation", "pkg/callback", "pkg/store", "pkg/api/limits", "pkg/remotetoken", "pkg/provider/software",
		"pkg/hotfolder/cron", "pkg/internal/..."}},
	// Selects the credential that signs for each client service and watches its health.
	{pkg: "pkg/credentials", may: []string{"pkg/signing", "pkg/clientservice"},
		bare: []string{"github.com/go-logr/logr", "github.com/prometheus/client_golang"}},
	{pkg: "pkg/status", may: []string{"pkg/credentials"}},
	{pkg: "pkg/callback", may: []string{"pkg/signing", "pkg/outbound", "pkg/internal/..."}},
	{pkg: "pkg/connlimit", may: []string{}, bare: []string{"github.com/prometheus/client_golang"}},
	// Both programs follow the memory limit of their container.
	{pkg: "pkg/memorylimit", may: []string{}},
	{pkg: "pkg/certreload", may: []string{"pkg/internal/..."}},
	{pkg: "pkg/tokenkey", may: []string{"pkg/internal/..."}},
	{pkg: "pkg/client", may: []string{"pkg/internal/..."}, bare: []string{}},
	{pkg: "pkg/controller/...", may: []string{"pkg/clientservice", "pkg/tokenkey", "pkg/affinity", "pkg/config",
		"pkg/controller/...", "pkg/internal/..."}},
	{pkg: "pkg/faulttest", may: []string{}}, // only tests, which may import everything
	{pkg: "pkg/e2e/...",
		may: []string{"pkg/client", "pkg/clientservice", "pkg/affinity", "pkg/e2e/...", "pkg/internal/pace"}},

	// The programs connect everything. Only they name concrete plugs.
	{pkg: "cmd/proxy/...", may: []string{"pkg/...", "cmd/proxy/..."}},
	{pkg: "cmd/controller/...",
		may: []string{"pkg/controller/...", "pkg/memorylimit", "pkg/config", "pkg/clientservice", "pkg/affinity",
			"cmd/controller/..."}},
	// signctl judges signatures of every format. It also checks the audit record and the state folder
	// of a stopped proxy, and works on hot folders that are folders, not buckets.
	{pkg: "cmd/signctl/...", may: []string{"pkg/signing", "pkg/client", "pkg/pades/...", "pkg/xades", "pkg/cades",
		"pkg/pdf/...", "pkg/cms", "pkg/audit", "pkg/store", "pkg/clientservice", "pkg/hotfolder", "pkg/hotfolder/directory",
		"pkg/hotfolder/bucket", "pkg/outbound", "cmd/signctl/..."}},
	// The plugin of kubectl asks instances and the API server. It must not contain the controller.
	{pkg: "cmd/kubectl-signstash/...", may: []string{"pkg/client", "cmd/kubectl-signstash/..."},
		bare: []string{"github.com/go-logr/logr", "k8s.io"}},

	// Tools for developers may import everything except the insides of the programs.
	{pkg: "hack/...", may: []string{"pkg/...", "hack/..."}},
}

// owners lists third-party modules that only a few packages may import. An import by any other
// package is a fault.
var owners = map[string][]string{
	"github.com/julienschmidt/httprouter":   {"pkg/api/..."},
	"github.com/swaggest/swgui":             {"pkg/api/..."},
	"github.com/getkin/kin-openapi":         {"pkg/api/..."},
	"github.com/golang-jwt/jwt":             {"pkg/api/...", "pkg/remotetoken", "hack/..."},
	"github.com/go-text/typesetting":        {"pkg/pades/appearance/..."},
	"github.com/KimMachineGun/automemlimit": {"pkg/memorylimit"},
	"modernc.org/sqlite":                    {"pkg/store"},
	"software.sslmate.com/src/go-pkcs12":    {"pkg/provider/software/..."},
	"github.com/ThalesGroup/crypto11":       {"pkg/provider/pkcs11/..."},
	"github.com/miekg/pkcs11":               {"pkg/provider/pkcs11/..."},
	"github.com/schollz/progressbar":        {"cmd/signctl/..."},
	"go.opentelemetry.io":                   {"cmd/proxy/..."},
	"github.com/aws":                        {"pkg/hotfolder/bucket"},
	"golang.org/x/oauth2":                   {"pkg/hotfolder/bucket"},
	"k8s.io": {"pkg/controller/...", "cmd/controller/...", "cmd/kubectl-signstash/...",
		"pkg/e2e/..."},
	"sigs.k8s.io": {"pkg/controller/...", "cmd/controller/...", "pkg/e2e/..."},
}

// neverLinked lists what a program must not link, directly or indirectly.
var neverLinked = map[string][]string{
	"cmd/proxy":   {"k8s.io", "sigs.k8s.io", module + "pkg/controller"},
	"cmd/signctl": {"k8s.io", "sigs.k8s.io", module + "pkg/api"},
	// A client needs none of these, and they are large.
	"cmd/kubectl-signstash": {"sigs.k8s.io/controller-runtime", "sigs.k8s.io/gateway-api", module + "pkg/controller"},
}

// notInProcess lists packages for tests. No program may link them.
var notInProcess = []string{
	module + "pkg/signing/formattest", module + "pkg/store/storetest", module + "pkg/provider/providertest",
	module + "pkg/keyhome/keyhometest", module + "pkg/hotfolder/storagetest",
	module + "pkg/internal/servertest", module + "hack",
}
