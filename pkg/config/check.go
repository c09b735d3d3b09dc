package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// check finds mistakes that show only when settings are compared, or when their files are opened.
func (l *loader) check(c *Config) {
	l.pair("server.ssl.certificate", c.Server.Certificate, "server.ssl.certificate-private-key", c.Server.PrivateKey)
	if c.Server.AllowPlaintext && c.Server.Certificate == "" {
		l.mistake("--server.ssl.allow-plaintext=TRUE needs --server.ssl.certificate: without it the port has no TLS at all")
	}
	l.needs("signing.pkcs12.password-file", c.Signing.PKCS12PasswordFile, "signing.pkcs12.file", c.Signing.PKCS12File)
	l.checkRemote(c)
	if c.Remote.Domain != "" && c.Signing.PKCS12File != "" {
		l.mistake("--einvoice-integration-client.service.domain and --signing.pkcs12.file exclude each other: " +
			"both say what signs")
	}
	if c.Server.Port != 0 && c.Server.Port == c.Management.Port && c.Server.Address == c.Management.Address {
		l.mistake("--server.port and --management.server.port are both %d", c.Server.Port)
	}
	l.checkProviders(c)
	l.readable("server.ssl.certificate", c.Server.Certificate)
	l.readable("server.ssl.certificate-private-key", c.Server.PrivateKey)
	l.readable("token.signing.key", c.Server.TokenSigningKey)
	l.readable("signing.pkcs12.file", c.Signing.PKCS12File)
	l.readable("signing.pkcs12.password-file", c.Signing.PKCS12PasswordFile)
	l.folder("visible.fonts", c.Visible.Fonts)
	l.readable("xades.profiles", c.XAdES.Profiles)
}

func (l *loader) checkRemote(c *Config) {
	o, t := c.Outbound, c.Remote.Token
	if (o.ProxyHost == "") != (o.ProxyPort == 0) {
		l.mistake("--einvoice-integration-client.rest.provider.proxy.hostname and .port must be given together")
	}
	l.needs("outbound.proxy.credentials-file", o.ProxyCredentialsFile,
		"einvoice-integration-client.rest.provider.proxy.hostname", o.ProxyHost)
	l.readable("outbound.proxy.credentials-file", o.ProxyCredentialsFile)
	l.readable("outbound.ca-file", o.CAFile)
	l.readable("timestamp.ca-file", c.Timestamp.CAFile)
	if t.JWKSURL != "" && t.IntrospectionURL != "" {
		l.mistake("--remote.token.jwks-url and --remote.token.introspection-url exclude each other")
	}
	l.needs("remote.token.introspection-url", t.IntrospectionURL, "remote.token.client-id", t.ClientID)
	l.needs("remote.token.introspection-url", t.IntrospectionURL, "remote.token.client-secret-file", t.ClientSecretFile)
	l.readable("remote.token.client-secret-file", t.ClientSecretFile)
	for _, limit := range []struct{ name, value string }{{"issuer", t.Issuer}, {"audience", t.Audience}} {
		if limit.value != "" && t.JWKSURL == "" && t.IntrospectionURL == "" {
			l.mistake("--remote.token.%s needs --remote.token.jwks-url or --remote.token.introspection-url as well", limit.name)
		}
	}
}

// checkProviders requires that exactly one provider signs for client services that name none.
func (l *loader) checkProviders(c *Config) {
	var names []string
	for _, p := range c.Providers {
		names = append(names, p.Name)
	}
	all := strings.Join(names, ", ")
	switch {
	case c.DefaultProvider != "" && len(names) == 0:
		l.mistake("--defaultProvider is %s, but the YAML file has no providers", quote(c.DefaultProvider))
	case c.DefaultProvider != "" && !slices.Contains(names, c.DefaultProvider):
		l.mistake("--defaultProvider is %s, but the providers are %s", quote(c.DefaultProvider), all)
	case c.DefaultProvider == "" && len(names) > 1 && c.Remote.Domain == "" && c.Signing.PKCS12File == "":
		l.mistake("--defaultProvider is needed: there are several providers (%s)", all)
	}
}

// pair requires that both settings are given, or neither.
func (l *loader) pair(a, aValue, b, bValue string) {
	l.needs(a, aValue, b, bValue)
	l.needs(b, bValue, a, aValue)
}

// needs requires setting b if setting a is given.
func (l *loader) needs(a, aValue, b, bValue string) {
	if aValue != "" && bValue == "" {
		l.mistake("--%s needs --%s as well", a, b)
	}
}

// readable requires that the file of a setting can be opened, so that a wrong path is reported
// together with all other mistakes.
func (l *loader) readable(name, path string) {
	if err := readableFile(path); err != nil {
		l.mistake("--%s: %v", name, err)
	}
}

// folder requires that the folder of a setting exists.
func (l *loader) folder(name, path string) {
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is a file, not a folder", path)
	}
	if err != nil {
		l.mistake("--%s: %v", name, err)
	}
}

// readableFile returns an error if the file at path cannot be opened. An empty path is accepted.
func readableFile(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder, not a file", path)
	}
	return nil
}
