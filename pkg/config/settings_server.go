package config

import "time"

// declare binds every setting to its field of c, whose present values are the defaults.
func declare(c *Config) *declaration {
	d := &declaration{}
	declareInstance(d, c)
	declareServer(d, c)
	declareAffinity(d, c)
	declareRemote(d, c)
	declareSigning(d, c)
	declareVisible(d, c)
	declareTimestamp(d, c)
	declareRevocation(d, c)
	declareOutbound(d, c)
	declareLimits(d, c)
	declareHotFolder(d, c)
	declareCallback(d, c)
	declareAudit(d, c)
	declareLog(d, c)
	return d
}

func declareInstance(d *declaration, c *Config) {
	d.group = "Instance and folders"
	d.add(
		"config",
		"FILE",
		text{&c.File},
		"YAML file with settings, its keys the names below, flat (server.port: 8080) or nested. Flags and environment variables go before it.",
	)
	d.add("work.folder", "FOLDER", text{&c.WorkFolder},
		"Folder that holds client-services-config.json. The container's image sets "+containerEnv+", which decides the default.").
		Default = "/home in the container, ./work elsewhere"
	d.add(
		"state.folder",
		"FOLDER",
		text{&c.StateFolder},
		"Folder for everything that must survive a restart: operations, documents, keys made here. One process at a time may use it. "+
			"Put it on a disk that is not emptied at boot.",
	)
	d.add("state.lock-wait", "DURATION", duration{&c.StateLockWait, 0, time.Hour},
		"How long to wait at the start for another process to let go of the state folder.").
		Default = "1m on Kubernetes, where the old pod may live a little longer, else 0s"
	d.add("client.services.config", "FILE", text{&c.ClientServicesFile},
		"The client file: who may call, with which secret. It is reloaded when it changes. A mounted Secret is mounted as a whole directory "+
			"and named here, never by subPath, which is never updated.").
		Default = "client-services-config.json in the work folder"
	d.add("force.database.recreate", "TRUE|FALSE", boolean{&c.ForceDatabaseRecreate},
		"TRUE throws the state away at the start, accepted operations and results included, and starts empty.")
	d.add("instance.ordinal", "0..1023", number{&c.InstanceOrdinal, 0, maxOrdinal},
		"Number of this instance, different on each: part of every operation id.").
		Default = "the pod's ordinal on Kubernetes, else 0"
	d.add(
		"ready.file",
		"FILE",
		text{&c.ReadyFile},
		"Where to write, once both ports listen, a JSON object with their real addresses: {\"rest\":\"127.0.0.1:40123\",\"management\":…}. "+
			"For scripts that start the proxy on free ports.",
	)
	d.add("shutdown.delay", "DURATION", duration{&c.ShutdownDelay, 0, time.Hour},
		"How long everything goes on after SIGTERM, but for /readyz: until no load balancer leads new requests here.")
	d.add(
		"shutdown.grace",
		"DURATION",
		duration{&c.ShutdownGrace, 0, time.Hour},
		"How long running requests and operations may go on after SIGTERM and that delay; what has not ended by then is resumed at the next start. "+
			"Keep it a few seconds below Kubernetes' terminationGracePeriodSeconds (30).",
	)
}

func declareServer(d *declaration, c *Config) {
	d.group = "REST and management ports"
	s := &c.Server
	d.add("server.address", "HOST", text{&s.Address}, "Address the REST port listens on.").Default = "all addresses"
	d.add("server.port", "PORT", number{&s.Port, 0, 65535}, "REST port. 0 takes any free one.")
	d.add("server.host.port", "HOST:PORT", hostPort{&s.HostPort},
		"Host and port that answers to async requests name: where clients reach this very instance.").
		Default = "the listen address; the host name where that is unspecified"
	d.add(
		"server.ssl.certificate",
		"FILE",
		text{&s.Certificate},
		"PEM file with the certificate chain of the REST port, server first. With the next setting it switches TLS on; both are reloaded when they change.",
	)
	d.add(
		"server.ssl.certificate-private-key",
		"FILE",
		text{&s.PrivateKey},
		"PEM file with the private key of that certificate, unencrypted.",
	)
	d.add("token.signing.key", "FILE", text{&s.TokenSigningKey},
		"Key that signs the tokens of the token endpoint. The same file on all instances lets any of them verify, and instances prove to each other with it "+
			"who they are: without it they do not ask each other.").
		Default = "made in the state folder"
	d.add("token.lifetime", "DURATION", duration{&s.TokenLifetime, time.Minute, 30 * day}, "How long a token is good for.")
	d.add(
		"sync.wait",
		"DURATION",
		duration{&s.SyncWait, 0, day},
		"How long a sync request waits for its result. It then answers 200 with the status of that moment; the operation goes on and is fetched by reference.",
	)
	d.add("api.strict-vendor-status", "TRUE|FALSE", boolean{&s.StrictVendorStatus},
		"TRUE answers errors with the original product's HTTP status where this one's differs (500 for 400 and 413).")
	d.add("management.server.address", "HOST", text{&c.Management.Address},
		"Address the management port (status page at /, /healthz, /readyz, /metrics) listens on. It has no authentication.").Default = "all addresses"
	d.add("management.server.port", "PORT", number{&c.Management.Port, 0, 65535}, "Management port. 0 takes any free one.")
	d.add("management.show-references", "TRUE|FALSE", boolean{&c.Management.ShowReferences},
		"TRUE shows external references on the status page, which has no authentication: they may be numbers of invoices.")
}

func declareAffinity(d *declaration, c *Config) {
	d.group = "Several instances"
	a := &c.Affinity
	d.add(
		"affinity.endpoint.file",
		"FILE",
		text{&a.EndpointFile},
		"File in which the controller says where clients reach this instance. Where it is named, the instance is not ready before the file has been written. "+
			"--server.host.port goes before it.",
	)
	d.add("affinity.peers.file", "FILE", text{&a.PeersFile},
		"JSON file that says where the other instances are. What this instance does not hold is then asked of them. "+
			"Where it is named, the instance is not ready before the file has been read, unless --affinity.forward=off; {} = there are none.")
	modes := choice[ForwardMode]{&a.Forward, []ForwardMode{ForwardRequests, RedirectRequests, ForwardOff}}
	d.add(
		"affinity.forward",
		modes.form("", "|"),
		modes,
		"What becomes of a request for another instance's operation: it is passed on and the answer passed back, the client is sent there (307), or it is 404.",
	)
	schemes := choice[RedirectScheme]{&a.Scheme, []RedirectScheme{SchemeAuto, SchemeHTTP, SchemeHTTPS}}
	d.add(
		"affinity.redirect.scheme",
		schemes.form("", "|"),
		schemes,
		"How clients that are sent to another instance shall speak to it. auto: as the REST port does, and https where the published port is 443. "+
			"https is for a gateway that ends TLS at any other port.",
	)
	d.add("affinity.peers.ca-file", "FILE", text{&a.CAFile},
		"PEM bundle of authorities that the other instances' certificates must lead to, where the REST port speaks TLS.").
		Default = "the system's authorities"
	d.add(
		"instance.uid",
		"TEXT",
		text{&a.InstanceUID},
		"Identity of this run of the instance, on Kubernetes the pod's UID: what is meant for an earlier one at the same address is refused.",
	)
}

func declareLimits(d *declaration, c *Config) {
	d.group = "Limits and retention"
	l, r := &c.Limits, &c.Retention
	const most = 1_000_000
	d.add("limits.request.size", "BYTES", size{&l.BodyBytes, 1 << 10},
		"Largest body of a request. Base64 makes documents a third larger.")
	d.add("limits.document.size", "BYTES", size{&l.DocumentBytes, 1 << 10}, "Largest document, in bytes of its content.")
	d.add(
		"limits.documents-per-request",
		"COUNT",
		number{&l.DocumentsPerRequest, 1, most},
		"Most documents of one request.",
	)
	d.add(
		"limits.queued-documents",
		"COUNT",
		number{&l.QueuedDocuments, 1, most},
		"Most documents accepted and not yet ended, an eighth of them of client services that have less than that waiting; beyond it new requests get 503 with Retry-After.",
	)
	d.add(
		"limits.concurrent-requests",
		"COUNT",
		number{&l.ConcurrentRequests, 1, most},
		"Most request bodies that are read at a time; one more gets 429 with Retry-After. Requests that only wait for their result do not count.",
	)
	d.add(
		"limits.waiting-requests",
		"COUNT",
		number{&l.WaitingRequests, 1, most},
		"Most synchronous requests at a time, until they are answered, half of them of one client service; one more gets 503 with Retry-After before its body is read.",
	)
	d.add(
		"limits.concurrent-downloads",
		"COUNT",
		number{&l.ConcurrentDownloads, 1, most},
		"Most answers with documents (zip files and details) that are sent at a time, half of them to one client service; one more gets 429 with Retry-After. Each takes about 100 KB of memory.",
	)
	d.add(
		"limits.connections",
		"COUNT",
		number{&l.Connections, 16, 100_000},
		"Most connections to the REST port. When there are so many, a new one takes the place of one that serves no authenticated request, the newest first. Each may take 40 KiB. Keep it above the sum of the limits for requests that wait, are read and are sent.",
	)
	d.add("limits.client.concurrent-requests", "COUNT", number{&l.ClientConcurrentRequests, 0, most},
		"Most bodies of one client service that are read at a time.").
		Default = "half of limits.concurrent-requests"
	d.add(
		"limits.client.rate",
		"COUNT",
		number{&l.ClientRate, 0, most},
		"Most requests a second of each client service, twice as many at once after a pause; more get 429 with Retry-After before their body is read. 0 = no bound.",
	)
	d.add(
		"limits.client.failures",
		"COUNT",
		number{&l.ClientFailures, 0, most},
		"Different wrong secrets of each client service that one address may send in a second, ten times as many at once. Beyond it no secret of that client service from there is looked at (429). 0 = no bound: where all clients come from the address of one ingress, and secrets are long and random.",
	)
	d.add(
		"retention.age",
		"DURATION",
		duration{&r.Age, time.Minute, 3650 * day},
		"How long ended operations with their documents and results are kept. Their external references become free again. What becomes old because the clock jumps ahead is kept for another day.",
	)
	d.add(
		"retention.fetched",
		"DURATION",
		duration{&r.Fetched, 0, 3650 * day},
		"How long an operation is kept once its owner has fetched all results, where that is shorter. 0 = no shorter: clients may come again.",
	)
	d.add(
		"retention.size",
		"BYTES",
		size{&r.Bytes, 0},
		"Most bytes of documents and results, and never more than four fifths of the disk, or than leaves --disk.min-free and a tenth of it free; of the client services that use most the oldest ended operations go first, and who uses no more than an equal share loses nothing to the others. 0 = no bound but the disk.",
	)
	d.add("disk.min-free", "BYTES", size{&r.MinFreeBytes, 0},
		"Free bytes the disk of the state folder must keep; below it new requests get 503 with Retry-After, reads go on.")
}

func declareCallback(d *declaration, c *Config) {
	d.group = "Callbacks"
	d.add("callback.allow-private", "CIDR[,CIDR...]", prefixes{&c.Callback.AllowPrivate},
		"Address ranges that callbackUrl may lead to although they are not public. Clients choose these URLs, so the rest of the own network stays closed to them.").
		Default = "none"
	d.add("callback.hosts", "HOST[,HOST...]", hostNames{&c.Callback.Hosts},
		"Host names, or endings of host names, of receivers that the HTTP proxy may be asked for without a check of what they resolve to. "+
			"Needed where this machine cannot resolve outside names; example.org covers erp.example.org too.").Default = "none"
	d.add("callback.timeout", "DURATION", duration{&c.Callback.Timeout, 100 * time.Millisecond, time.Minute},
		"Longest wait for the answer to a callback. One that fails is repeated for a day.")
}

func declareAudit(d *declaration, c *Config) {
	d.group = "Audit record"
	d.add(
		"audit.enabled",
		"TRUE|FALSE",
		boolean{&c.Audit.Enabled},
		"Keep a record of every signature in the folder audit of the state folder, a file a day, each line chained to those before it. `signctl audit verify` checks it.",
	)
	d.add("audit.keep", "DURATION", duration{&c.Audit.Keep, 0, 3650 * day},
		"How long a day's file is kept. 0 = for ever: a signature takes about 600 bytes.")
}

func declareLog(d *declaration, c *Config) {
	d.group = "Log"
	d.add("log.level", "info|debug", choice[LogLevel]{&c.Log.Level, []LogLevel{LogInfo, LogDebug}},
		"How much is logged to standard error. No level shows secrets, tokens or contents of documents.")
	d.add(
		"log.format",
		"json|text",
		choice[LogFormat]{&c.Log.Format, []LogFormat{LogJSON, LogText}},
		"Form of the log lines on standard error.",
	)
}
