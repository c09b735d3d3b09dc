package main

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

// readTokenKey returns the key that signs access tokens.
func (p *proxy) readTokenKey() ([]byte, error) {
	if file := p.cfg.Server.TokenSigningKey; file != "" {
		return tokenkey.Read(file)
	}
	return tokenkey.ReadOrMake(p.cfg.StateFolder)
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
		if p.api.SetTokenKey(key) {
			log.Info("token signing key changed; tokens of the one before stay valid until they expire")
		}
	})
}
