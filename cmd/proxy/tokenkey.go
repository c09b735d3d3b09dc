package main

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

// readTokenKey returns the key that signs tokens.
func (p *proxy) readTokenKey() ([]byte, error) {
	if file := p.cfg.Server.TokenSigningKey; file != "" {
		return tokenkey.Read(file)
	}
	return tokenkey.ReadOrMake(p.cfg.StateFolder)
}

// watchTokenKey takes a new key from the named file whenever there is one, so that all instances
// that share it go on accepting each other's tokens. The key in the state folder is nobody's to
// change.
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
