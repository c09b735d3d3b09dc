package config

import (
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
)

func declareRemote(d *declaration, c *Config) {
	d.group = "Remote signing service"
	r := &c.Remote
	d.add("einvoice-integration-client.service.domain", "URL", baseURL{&r.Domain},
		"Base URL of the remote signing service. The proxy uses CSC there, with each client service's own id and "+
			"secret. Without it, without a PKCS#12 file and without providers in the YAML file, documents are signed with "+
			"an embedded key whose signatures have no legal value.")
	d.add("defaultProvider", "NAME", text{&c.DefaultProvider},
		"Which of the YAML file's providers signs for client services that name no provider.").
		Default = "the only provider, unless the service domain or a PKCS#12 file is given"
	t := &r.Token
	d.add("remote.token.jwks-url", "URL", webURL{&t.JWKSURL},
		"Where the remote service publishes its token keys (JWKS). With it, or with introspection, the proxy accepts "+
			"bearer tokens that the remote service issued to clients. Set the audience too if the issuer serves others.")
	d.add("remote.token.introspection-url", "URL", webURL{&t.IntrospectionURL},
		"The remote service's token introspection endpoint (RFC 7662), instead of keys.")
	d.add("remote.token.client-id", "ID", text{&t.ClientID}, "The proxy's own id at the introspection endpoint.")
	d.add("remote.token.client-secret-file", "FILE", text{&t.ClientSecretFile},
		"File with the secret that belongs to remote.token.client-id.")
	places := choice[clientauth.Method]{&t.ClientAuth, []clientauth.Method{clientauth.Basic, clientauth.Form}}
	d.add("remote.token.client-auth", places.form("", "|"), places,
		"Where the introspection endpoint expects id and secret: basic (HTTP Basic) or form (client_id and "+
			"client_secret).")
	d.add("remote.token.issuer", "ISSUER", text{&t.Issuer}, "Issuer that remote tokens must name.").
		Default = "any"
	d.add("remote.token.audience", "AUDIENCE", text{&t.Audience}, "Audience that remote tokens must name.").
		Default = "any"
}

func declareOutbound(d *declaration, c *Config) {
	d.group = "Outgoing calls"
	o := &c.Outbound
	d.add("einvoice-integration-client.rest.provider.proxy.hostname", "HOST", text{&o.ProxyHost},
		"HTTP proxy for all outgoing calls: remote services, timestamps, OCSP and CRLs. Proxy variables of the "+
			"environment are ignored.")
	d.add("einvoice-integration-client.rest.provider.proxy.port", "PORT", number{&o.ProxyPort, 1, 65535},
		"Port of that HTTP proxy.").
		Default = ""
	d.add("outbound.proxy.credentials-file", "FILE", text{&o.ProxyCredentialsFile},
		"File whose first line is user:password for that HTTP proxy. It is read for each call, so it may change at "+
			"any time.")
	d.add("outbound.ca-file", "FILE", text{&o.CAFile},
		"PEM file with certificates of authorities that outgoing calls trust in addition to the system's.")
}

func declareTimestamp(d *declaration, c *Config) {
	d.group = "Timestamps (level B-T and above)"
	t := &c.Timestamp
	d.add("timestamp.urls", "URL[,URL...]", authorityURLs{&t.Authorities},
		"Timestamp authorities (RFC 3161), asked in this order until one returns a token. Authorities that need a "+
			"user, a policy or a budget of requests are listed as timestamp.authorities in the YAML file instead. Without "+
			"any authority, documents that want a timestamp are refused with TIMESTAMP_SIGN_ERROR.")
	d.add("timestamp.timeout", "DURATION", duration{&t.Timeout, 100 * time.Millisecond, 10 * time.Minute},
		"Longest wait for one authority.")
	d.add("timestamp.max-skew", "DURATION", duration{&t.MaxSkew, time.Second, day},
		"Largest difference between a token's time and the clock of this machine.")
	d.add("timestamp.ca-file", "FILE", text{&t.CAFile},
		"PEM file with the authorities, roots or intermediates, to which the certificates of tokens must lead. It "+
			"also completes the chain of an authority that sends only its own certificate.").
		Default = "any: validators of the document decide"
}

func declareRevocation(d *declaration, c *Config) {
	d.group = "Revocation data (level B-LT and above)"
	r := &c.Revocation
	d.add("revocation.allow-private", "CIDR[,CIDR...]", prefixes{&r.AllowPrivate},
		"Private address ranges that may be asked for OCSP and CRLs, such as a certification authority inside the "+
			"company. Certificates choose these addresses, so all other private addresses are refused.").
		Default = "none"
	d.add("revocation.hosts", "HOST[,HOST...]", hostNames{&r.Hosts},
		"Hosts of OCSP, CRL and issuer addresses, as host names or endings of host names, for which the HTTP proxy is "+
			"asked without a check of their addresses. Needed if this machine cannot resolve outside names. example.org "+
			"covers ocsp.example.org too.").
		Default = "none"
	d.add("revocation.timeout", "DURATION", duration{&r.Timeout, 100 * time.Millisecond, 10 * time.Minute},
		"Longest wait for one OCSP response or CRL.")
	d.add("revocation.total-timeout", "DURATION", duration{&r.Total, 100 * time.Millisecond, time.Hour},
		"Longest wait for everything that one certificate chain needs.")
	d.add("revocation.max-age", "DURATION", duration{&r.MaxAge, time.Second, 7 * day},
		"How long an answer is reused for further documents, even if it is valid for longer.")
	d.add("revocation.crl.max-size", "BYTES", size{&r.MaxCRLBytes, 1 << 10}, "Largest CRL that is put into a document.")
}
