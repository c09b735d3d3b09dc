package config

import (
	"os"
)

// check adds the mistakes that one setting alone does not show.
func (l *loader) check(c *Config) {
	if c.HotFolder.Enabled {
		l.mistake("--hot.folder.enabled=TRUE: hot-folder mode is not available yet; leave it out or set it to FALSE")
	}
	l.pair("server.ssl.certificate", c.Server.Certificate, "server.ssl.certificate-private-key", c.Server.PrivateKey)
	l.needs("signing.pkcs12.password-file", c.Signing.PKCS12PasswordFile, "signing.pkcs12.file", c.Signing.PKCS12File)
	if c.Remote.ProxyHost == "" && c.Remote.ProxyPort != 0 || c.Remote.ProxyHost != "" && c.Remote.ProxyPort == 0 {
		l.mistake("--einvoice-integration-client.rest.provider.proxy.hostname and .port must be given together")
	}
	if c.Remote.Domain != "" && c.Signing.PKCS12File != "" {
		l.mistake("--einvoice-integration-client.service.domain and --signing.pkcs12.file exclude each other: both say what signs")
	}
	if c.Server.Port != 0 && c.Server.Port == c.Management.Port && c.Server.Address == c.Management.Address {
		l.mistake("--server.port and --management.server.port are both %d", c.Server.Port)
	}
	l.readable("server.ssl.certificate", c.Server.Certificate)
	l.readable("server.ssl.certificate-private-key", c.Server.PrivateKey)
	l.readable("token.signing.key", c.Server.TokenSigningKey)
	l.readable("signing.pkcs12.file", c.Signing.PKCS12File)
	l.readable("signing.pkcs12.password-file", c.Signing.PKCS12PasswordFile)
}

// pair wants both or neither.
func (l *loader) pair(a, aValue, b, bValue string) {
	l.needs(a, aValue, b, bValue)
	l.needs(b, bValue, a, aValue)
}

// needs wants b where a is given.
func (l *loader) needs(a, aValue, b, bValue string) {
	if aValue != "" && bValue == "" {
		l.mistake("--%s needs --%s as well", a, b)
	}
}

// readable wants the file of a setting to be there, so that a wrong path shows together with all other mistakes.
func (l *loader) readable(name, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		l.mistake("--%s: %v", name, err)
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		l.mistake("--%s: %s is a folder, not a file", name, path)
	}
}
