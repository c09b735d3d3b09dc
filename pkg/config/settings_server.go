package config

import (
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// declare binds every setting to its field of c. The values that c holds now are the defaults.
func declare(c *Config) *declaration {
	d := &declaration{}
	declareInstance(d, c)
	declareServer(d, c)
	declareAffinity(d, c)
	declareRemote(d, c)
	declareSigning(d, c)
	declareVisible(d, c)
	declareXAdES(d, c)
	declareTimestamp(d, c)
	declareRevocation(d, c)
	declareOutbound(d, c)
	declareLimits(d, c)
	declareRetention(d, c)
	declareHotFolder(d, c)
	declareCallback(d, c)
	declareAudit(d, c)
	declareLog(d, c)
	return d
}

func declareInstance(d *declaration, c *Config) {
	d.group = "Instance and folders"
	d.add("config", "FILE", text{&c.File},
		"YAML file with settings. Its keys are the names below, flat (server.port: 8080) or nested. Flags and "+
			"environment variables take precedence over it.")
	d.add("work.folder", "FOLDER", text{&c.WorkFolder},
		"Folder that holds client-services-config.json. The container image sets "+containerEnv+", which decides "+
			"the default.").
		Default = "/home in the container, ./work elsewhere"
	d.add("state.folder", "FOLDER", text{&c.StateFolder},
		"Folder for everything that must survive a restart: operations, documents and the keys that the proxy "+
			"creates. Only one process at a time may use it. Put it on a disk that is not emptied at boot.")
	d.add("state.lock-wait", "DURATION", duration{&c.StateLockWait, 0, time.Hour},
		"How long the start waits for another process to release the state folder.").
		Default = "1m on Kubernetes, where the old pod may live a little longer; 0s elsewhere"
	d.add("client.services.config", "FILE", text{&c.ClientServicesFile},
		"The client file: who may call, and with which secret. It is reloaded when it changes. Mount a Secret as a "+
			"whole directory and name the file here; never use subPath, because such a mount is never updated.").
		Default = "client-services-config.json in the work folder"
	d.add("force.database.recreate", "TRUE|FALSE", boolean{&c.ForceDatabaseRecreate},
		"TRUE deletes the state at the start, including accepted operations and results, and starts empty.")
	d.add("instance.ordinal", "0..1023", number{&c.InstanceOrdinal, 0, maxOrdinal},
		"Number of this instance, which must differ between instances. It is part of every operation id.").
		Default = "the pod's ordinal on Kubernetes, 0 elsewhere"
	d.add("ready.file", "FILE", text{&c.ReadyFile},
		"Where to write a JSON object with the real addresses of both ports once they listen: "+
			"{\"rest\":\"127.0.0.1:40123\",\"management\":…}. It is for scripts that start the proxy on free ports.")
	d.add("shutdown.delay", "DURATION", duration{&c.ShutdownDelay, 0, time.Hour},
		"How long the proxy goes on as before after SIGTERM, except that /readyz fails at once. It gives load "+
			"balancers time to stop sending requests.")
	d.add("shutdown.grace", "DURATION", duration{&c.ShutdownGrace, 0, time.Hour},
		"How long running requests and operations may continue after SIGTERM and shutdown.delay. Operations that have "+
			"not ended by then are resumed at the next start. Kubernetes' terminationGracePeriodSeconds (30) must be a "+
			"few seconds longer than this, twice shutdown.delay and, with a peers file, drain.linger together.")
	d.add("drain.linger", "DURATION", duration{&c.DrainLinger, 0, day},
		"How long an instance that leaves for good stays after shutdown.delay. It leaves for good if it is stopped "+
			"while the peers file does not expect its ordinal any more, or with SIGUSR1. For four fifths of that time it "+
			"works on all accepted operations; those that have not ended by then fail with a reason. It answers reads until "+
			"all results were fetched or have expired, or the time is over. 0 = it ends like any other instance.")
}

func declareServer(d *declaration, c *Config) {
	d.group = "REST and management ports"
	s := &c.Server
	d.add("server.address", "HOST", text{&s.Address}, "Address on which the REST port listens.").
		Default = "all addresses"
	d.add("server.port", "PORT", number{&s.Port, 0, 65535}, "REST port. 0 uses any free port.")
	d.add("server.host.port", "HOST:PORT", hostPort{&s.HostPort},
		"Host and port that answers to async requests name: where clients reach this very instance.").
		Default = "the listen address; the host name if that address is unspecified"
	d.add("server.ssl.certificate", "FILE", text{&s.Certificate},
		"PEM file with the certificate chain of the REST port, server certificate first. Together with the next "+
			"setting it switches TLS on. Both files are reloaded when they change.")
	d.add("server.ssl.certificate-private-key", "FILE", text{&s.PrivateKey},
		"PEM file with the unencrypted private key of that certificate.")
	d.add("server.ssl.allow-plaintext", "TRUE|FALSE", boolean{&s.AllowPlaintext},
		"TRUE accepts connections without TLS too, on the same port, and calls other instances that do not use TLS yet. "+
			"It is for the time in which instances and clients change to TLS or back. Secrets and documents may then "+
			"travel unencrypted.")
	d.add("token.signing.key", "FILE", text{&s.TokenSigningKey},
		"Key that signs the tokens of the token endpoint. Use the same file on all instances: then each of them can "+
			"verify the tokens of the others. Instances also use it to prove to each other who they are; without a shared "+
			"key they do not ask each other.").
		Default = "created in the state folder"
	d.add("token.lifetime", "DURATION", duration{&s.TokenLifetime, time.Minute, 30 * day}, "How long a token is valid.")
	d.add("sync.wait", "DURATION", duration{&s.SyncWait, 0, day},
		"How long a sync request waits for its result. After that it answers 200 with the current status, the "+
			"operation goes on, and the client fetches the result by reference.")
	d.add("api.strict-vendor-status", "TRUE|FALSE", boolean{&s.StrictVendorStatus},
		"TRUE answers errors with the original product's HTTP status where ours differs (500 for 400 and 413).")
	d.add("management.server.address", "HOST", text{&c.Management.Address},
		"Address on which the management port listens (status page at /, /healthz, /readyz, /metrics). The port has "+
			"no authentication.").
		Default = "all addresses"
	d.add("management.server.port", "PORT", number{&c.Management.Port, 0, 65535},
		"Management port. 0 uses any free port.")
	d.add("management.show-references", "TRUE|FALSE", boolean{&c.Management.ShowReferences},
		"TRUE shows external references on the status page. The page has no authentication, and references may be "+
			"invoice numbers.")
}

func declareAffinity(d *declaration, c *Config) {
	d.group = "Several instances"
	a := &c.Affinity
	d.add("affinity.endpoint.file", "FILE", text{&a.EndpointFile},
		"File in which the controller writes where clients reach this instance. If it is set, the instance is not "+
			"ready before the file has been written. --server.host.port takes precedence over it.")
	d.add("affinity.peers.file", "FILE", text{&a.PeersFile},
		"JSON file that says where the other instances are. This instance asks them for operations that it does not "+
			"hold. If it is set, the instance is not ready before the file has been read, unless --affinity.forward=off. "+
			"{} means that there are no others.")
	modes := choice[affinity.Mode]{&a.Forward, []affinity.Mode{affinity.Forward, affinity.Redirect, affinity.Off}}
	d.add("affinity.forward", modes.form("", "|"), modes,
		"What happens to a request for another instance's operation. forward: the request is forwarded and the answer "+
			"passed back. redirect: the client is sent there (307). off: 404.")
	schemes := choice[affinity.RedirectScheme]{&a.Scheme, []affinity.RedirectScheme{
		affinity.SchemeAuto, affinity.SchemeHTTP, affinity.SchemeHTTPS,
	}}
	d.add("affinity.redirect.scheme", schemes.form("", "|"), schemes,
		"Scheme of the address to which clients are redirected. auto: https if the published port is 443, otherwise "+
			"the scheme of the client's request. https: for a gateway that terminates TLS at any other port.")
	d.add("affinity.peers.ca-file", "FILE", text{&a.CAFile},
		"PEM bundle of the authorities to which the other instances' certificates must lead, if the REST port uses "+
			"TLS.").
		Default = "the system's authorities"
	d.add("instance.uid", "TEXT", text{&a.InstanceUID},
		"Identity of this run of the instance, on Kubernetes the pod's UID. Requests that are meant for another "+
			"instance at the same address are refused. The state folder lists its runs, and with "+
			"--token.signing.key the instance also answers as an earlier run with the same ordinal and folder.")
}

func declareLimits(d *declaration, c *Config) {
	d.group = "Limits and retention"
	l := &c.Limits
	const most = 1_000_000
	d.add("limits.request.size", "BYTES", size{&l.MaxBodyBytes, 1 << 10},
		"Largest body of a request. Base64 makes documents a third larger.")
	d.add("limits.document.size", "BYTES", size{&l.MaxDocumentBytes, 1 << 10}, "Largest content of a document.")
	d.add("limits.documents-per-request", "COUNT", number{&l.MaxDocuments, 1, most},
		"Largest number of documents in a request.")
	d.add("limits.queued-documents", "COUNT", number{&l.QueuedDocuments, 1, most},
		"Largest number of documents that are accepted and have not ended. An eighth of it is reserved for client "+
			"services that have fewer than that waiting. Beyond it new requests get 503 with Retry-After.")
	d.add("limits.concurrent-requests", "COUNT", number{&l.MaxUploads, 1, most},
		"Largest number of request bodies that are read at a time. Further requests get 429 with Retry-After. "+
			"Requests that only wait for their result do not count.")
	d.add("limits.waiting-requests", "COUNT", number{&l.MaxWaiting, 1, most},
		"Largest number of synchronous requests at a time, each until it is answered; one client service may have "+
			"half of them. Further ones get 503 with Retry-After before their body is read.")
	d.add("limits.concurrent-downloads", "COUNT", number{&l.MaxDownloads, 1, most},
		"Largest number of answers with documents (zip files and details) that are sent at a time; one client service "+
			"may have half of them. Further requests get 429 with Retry-After. Each download takes about 100 KB of "+
			"memory.")
	d.add("limits.connections", "COUNT", number{&l.Connections, 16, 100_000},
		"Largest number of connections to the REST port. When it is reached, a new connection replaces one that "+
			"serves no authenticated request, the newest first. Each connection may take 40 KiB. Keep it above the sum of "+
			"the limits for waiting requests, request bodies and downloads.")
	d.add("limits.client.concurrent-requests", "COUNT", number{&l.ClientUploads, 0, most},
		"Largest number of bodies of one client service that are read at a time.").
		Default = "half of limits.concurrent-requests"
	d.add("limits.client.rate", "COUNT", number{&l.ClientRate, 0, most},
		"Requests per second of each client service; after a pause twice as many at once. Further requests get 429 "+
			"with Retry-After before their body is read. 0 = no limit.")
	d.add("limits.client.failures", "COUNT", number{&l.ClientFailures, 0, most},
		"Different wrong secrets per second that one address may send for each client service; ten times as many at "+
			"once. Beyond it no secret of that client service from that address is checked (429). 0 = no limit: for "+
			"installations in which all clients come from the address of one ingress and secrets are long and random.")
}

// declareRetention continues the group of declareLimits.
func declareRetention(d *declaration, c *Config) {
	r := &c.Retention
	d.add("retention.age", "DURATION", duration{&r.Age, time.Minute, 3650 * day},
		"How long ended operations are kept with their documents and results. After that their external references "+
			"can be used again. Operations that become old because the clock jumps ahead are kept for another day.")
	d.add("retention.fetched", "DURATION", duration{&r.Fetched, 0, 3650 * day},
		"How long an operation is kept after its owner has fetched all results, if that is shorter than "+
			"retention.age. 0 = no shorter time, because clients may fetch again.")
	d.add("retention.size", "BYTES", size{&r.MaxBytes, 0},
		"Largest size of all documents and results. It is reduced to four fifths of the disk, and further so that "+
			"--disk.min-free and a tenth of it stay free. When it is reached, the oldest ended operations of the client "+
			"services that use most are removed first. A client service that uses no more than an equal share loses "+
			"nothing to the others. 0 = no limit except the disk.")
	d.add("disk.min-free", "BYTES", size{&r.MinFreeBytes, 0},
		"Free bytes that the disk of the state folder must keep. Below it new requests get 503 with Retry-After, and "+
			"reading goes on.")
}

func declareCallback(d *declaration, c *Config) {
	d.group = "Callbacks"
	d.add("callback.allow-private", "CIDR[,CIDR...]", prefixes{&c.Callback.AllowPrivate},
		"Private address ranges to which callbackUrl may lead. Clients choose these URLs, so all other private "+
			"addresses are refused.").
		Default = "none"
	d.add("callback.hosts", "HOST[,HOST...]", hostNames{&c.Callback.Hosts},
		"Receivers, as host names or endings of host names, for which the HTTP proxy is asked without a check of "+
			"their addresses. Needed if this machine cannot resolve outside names. example.org covers erp.example.org "+
			"too.").
		Default = "none"
	d.add("callback.timeout", "DURATION", duration{&c.Callback.Timeout, 100 * time.Millisecond, time.Minute},
		"Longest wait for the answer to a callback. A callback that fails is retried for a day.")
}

func declareAudit(d *declaration, c *Config) {
	d.group = "Audit record"
	d.add("audit.enabled", "TRUE|FALSE", boolean{&c.Audit.Enabled},
		"TRUE keeps a record of every signature in the folder audit of the state folder: one file for each day, and "+
			"each line is chained to those before it. `signctl audit verify` checks it.")
	d.add("audit.keep", "DURATION", duration{&c.Audit.Keep, 0, 3650 * day},
		"How long the file of a day is kept. 0 = for ever. A signature takes about 600 bytes.")
}

func declareLog(d *declaration, c *Config) {
	d.group = "Log"
	levels := choice[LogLevel]{&c.Log.Level, []LogLevel{LogInfo, LogDebug}}
	d.add("log.level", "info|debug", levels,
		"How much is logged to standard error. No level shows secrets, tokens or document contents.")
	formats := choice[LogFormat]{&c.Log.Format, []LogFormat{LogJSON, LogText}}
	d.add("log.format", "json|text", formats, "Form of the log lines on standard error.")
}
