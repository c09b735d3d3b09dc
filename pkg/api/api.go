package api

import (
	"fmt"
	"net/http"
)

// API answers the REST calls. Make it with New; it is safe for concurrent use and needs no shutdown: http.Server.Shutdown waits
// for its requests.
type API struct {
	cfg Config
}

// New returns an API, or an error that lists all mistakes in c.
func New(c Config) (*API, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	return &API{cfg: c}, nil
}

// Handler returns what an http.Server is to serve. The server should set ReadHeaderTimeout, IdleTimeout and MaxHeaderBytes, and
// neither ReadTimeout nor WriteTimeout (see Config.IdleTimeout).
func (a *API) Handler() http.Handler { return http.HandlerFunc(http.NotFound) }
