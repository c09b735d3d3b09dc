package main

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/callback"
)

// openCallbacks makes the sender that tells the clients' own services that an operation has ended.
func (p *proxy) openCallbacks() (err error) {
	p.callbacks, err = callback.New(callback.Config{
		Settings: p.cfg.Callback, Queue: p.state.store, HTTP: p.calls.callback,
		Secret: func(id string) (string, bool) {
			c := p.clients.Current().Lookup(id)
			if c == nil {
				return "", false
			}
			return c.Secret.Reveal(), true
		},
		Endpoint: func() (string, int) {
			e := p.instances.endpoint()
			return e.Host, e.Port
		},
		Log: p.log.WithName("callback"), Registerer: p.registry,
	})
	return err
}
