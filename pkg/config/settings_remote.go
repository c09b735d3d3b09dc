package config

import "time"

func declareRemote(d *declaration, c *Config) {
	d.group = "Remote signing service"
	r := &c.Remote
	d.add(
		"einvoice-integration-client.service.domain",
		"URL",
		baseURL{&r.Domain},
		"Base URL of the remote signing service, spoken to by CSC with each client service's own id and secret. Without it, a PKCS#12 file "+
			"and providers in the YAML file, documents are signed with an embedded key whose signatures have no legal value.",
	)
	d.add("defaultProvider", "NAME", text{&c.DefaultProvider},
		"Which of the YAML file's providers signs for client services that name none.").
		Default = "the only provider, unless the service domain or a PKCS#12 file is given"
	t := &r.Token
	d.add(
		"remote.token.jwks-url",
		"URL",
		webURL{&t.JWKSURL},
		"Where the remote service publishes its token keys (JWKS). With it, or with introspection, bearer tokens issued there are accepted from clients. "+
			"Give the audience too where its issuer serves others.",
	)
	d.add("remote.token.introspection-url", "URL", webURL{&t.IntrospectionURL},
		"The remote service's token introspection endpoint (RFC 7662), in place of keys.")
	d.add("remote.token.client-id", "ID", text{&t.ClientID}, "The proxy's own id at the introspection endpoint.")
	d.add("remote.token.client-secret-file", "FILE", text{&t.ClientSecretFile}, "File with the secret of that id.")
	places := choice[ClientAuth]{&t.ClientAuth, []ClientAuth{ClientAuthBasic, ClientAuthForm}}
	d.add("remote.token.client-auth", places.form("", "|"), places,
		"Where the introspection endpoint wants id and secret: basic (HTTP Basic) or form (client_id and client_secret).")
	d.add("remote.token.issuer", "ISSUER", text{&t.Issuer}, "Issuer that remote tokens must name.").Default = "any"
	d.add("remote.token.audience", "AUDIENCE", text{&t.Audience}, "Audience that remote tokens must name.").Default = "any"
}

func declareOutbound(d *declaration, c *Config) {
	d.group = "Outgoing calls"
	o := &c.Outbound
	d.add(
		"einvoice-integration-client.rest.provider.proxy.hostname",
		"HOST",
		text{&o.ProxyHost},
		"HTTP proxy for every outgoing call: remote services, timestamps, OCSP and CRLs. Proxy variables of the environment are not looked at.",
	)
	d.add("einvoice-integration-client.rest.provider.proxy.port", "PORT", number{&o.ProxyPort, 1, 65535}, "Port of that HTTP proxy.").
		Default = ""
	d.add("outbound.proxy.credentials-file", "FILE", text{&o.ProxyCredentialsFile},
		"File whose first line is user:password for that HTTP proxy. It is read for each call, so that it may change.")
	d.add("outbound.ca-file", "FILE", text{&o.CAFile},
		"PEM file with certificates of authorities that outgoing calls trust beside the system's.")
}

func declareTimestamp(d *declaration, c *Config) {
	d.group = "Timestamps (level B-T and above)"
	t := &c.Timestamp
	d.add(
		"timestamp.urls",
		"URL[,URL...]",
		authorityURLs{&t.Authorities},
		"Timestamp authorities (RFC 3161), asked in this order until one gives a token. Those that need a user, a policy or a budget of requests "+
			"are listed as timestamp.authorities in the YAML file instead. Without any, documents that want a timestamp are refused with TIMESTAMP_SIGN_ERROR.",
	)
	d.add(
		"timestamp.timeout",
		"DURATION",
		duration{&t.Timeout, 100 * time.Millisecond, 10 * time.Minute},
		"Longest wait for one authority.",
	)
	d.add(
		"timestamp.max-skew",
		"DURATION",
		duration{&t.MaxSkew, time.Second, day},
		"How far a token's time may be from this machine's.",
	)
	d.add("timestamp.ca-file", "FILE", text{&t.CAFile},
		"PEM file with the authorities that tokens' certificates must lead to, roots or issuers below them. It also completes the chain of an authority that sends its own certificate alone.").Default = "any: validators of the document decide"
}

func declareRevocation(d *declaration, c *Config) {
	d.group = "Revocation data (level B-LT and above)"
	r := &c.Revocation
	d.add("revocation.allow-private", "CIDR[,CIDR...]", prefixes{&r.AllowPrivate},
		"Address ranges that may be asked for OCSP and CRLs although they are not public: a certification authority inside the company. "+
			"Certificates choose these addresses, so the rest of the own network stays closed to them.").Default = "none"
	d.add("revocation.hosts", "HOST[,HOST...]", hostNames{&r.Hosts},
		"Host names, or endings of host names, of OCSP, CRL and issuer addresses that the HTTP proxy may be asked for without a check of what they resolve to. "+
			"Needed where this machine cannot resolve outside names; example.org covers ocsp.example.org too.").Default = "none"
	d.add(
		"revocation.timeout",
		"DURATION",
		duration{&r.Timeout, 100 * time.Millisecond, 10 * time.Minute},
		"Longest wait for one OCSP response or CRL.",
	)
	d.add(
		"revocation.total-timeout",
		"DURATION",
		duration{&r.Total, 100 * time.Millisecond, time.Hour},
		"Longest wait for all that one certificate chain needs.",
	)
	d.add("revocation.max-age", "DURATION", duration{&r.MaxAge, time.Second, 7 * day},
		"How long an answer is used for further documents although it would be valid longer.")
	d.add("revocation.crl.max-size", "BYTES", size{&r.MaxCRLBytes, 1 << 10}, "Largest CRL that is put into a document.")
}
