package main

import (
	"context"
	"net/http"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/remotetoken"
	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

// readTokenKey returns the key that signs access tokens.
func readTokenKey(cfg config.Config) ([]byte, error) {
	if file := cfg.Server.TokenSigningKey; file != "" {
		return tokenkey.Read(file)
	}
	return tokenkey.ReadOrMake(cfg.StateFolder)
}

// watchTokenKey reloads the signing key whenever the named file changes, so that all instances that
// share the key keep accepting each other's tokens. A key in the state folder is not watched,
// because only the proxy itself writes it.
func (p *proxy) watchTokenKey(ctx context.Context) error {
	file := p.cfg.Server.TokenSigningKey
	if file == "" {
		<-ctx.Done()
		return nil
	}
	log := p.log.WithName("tokenkey")
	return tokenkey.Watch(ctx, file, log, func(key []byte) {
		p.keys.secrets.Set(key)
		if p.api.SetTokenKey(key) {
			log.Info("token signing key changed; tokens of the previous key stay valid until they expire")
		}
	})
}

// openRemoteTokens makes the verifier of bearer tokens that the remote service issued. It returns
// nil if the configuration does not say how to verify them.
func openRemoteTokens(t remotetoken.Settings, client *http.Client, log logr.Logger) (api.RemoteTokens, error) {
	if t.JWKSURL == "" && t.IntrospectionURL == "" {
		return nil, nil
	}
	return remotetoken.New(remotetoken.Config{
		Settings: t,
		HTTP:     client,
		Log:      log.WithName("token"),
	})
}
