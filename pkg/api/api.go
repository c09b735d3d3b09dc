package api

import (
	"fmt"
	"net/http"

	"github.com/julienschmidt/httprouter"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
)

// API answers the REST calls. New makes one. It is safe for concurrent use. It needs no shutdown of
// its own, because http.Server.Shutdown waits for its requests.
type API struct {
	cfg       Config
	table     []route
	router    *httprouter.Router
	tokens    *tokens
	page      *page
	metrics   *metrics
	quotas    *limits.Quotas
	waits     *limits.Patience
	uploads   *limits.Places // for bodies that are being read
	downloads *limits.Places // for answers with documents
	keys      *keys
	hints     *hints
	sent      *sentDocuments
	polls     *limits.Shares // status calls that wait
	waiting   *limits.Shares // sync requests
	text      *limits.Shares // bytes of the requests that are being read

	authenticator *authenticator
}

// New returns an API, or an error that lists all mistakes in c.
func New(c Config) (*API, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("make api: %w", err)
	}
	a := &API{
		cfg:     c,
		metrics: newMetrics(),
		tokens:  newTokens(c),
		quotas:  limits.NewQuotas(c.ClientRate),
		waits:   limits.NewPatience(c.SyncWait),
		keys:    newKeys(),
		uploads: limits.NewPlaces("requests", "being read", c.MaxUploads, c.ClientUploads),
		downloads: limits.NewPlaces("answers with documents", "being sent",
			c.MaxDownloads, max(c.MaxDownloads/2, 1)),
		polls:   limits.NewShares(int64(c.MaxPolls)),
		waiting: limits.NewShares(int64(c.MaxWaiting)),
		text:    limits.NewShares(c.MaxTextBytes),
	}
	a.hints = newHints(c.KeyHomes)
	a.sent = new(sentDocuments)
	a.authenticator = newAuthenticator(&a.cfg, a.tokens)
	var err error
	if a.page, err = newPage(c); err != nil {
		return nil, fmt.Errorf("make api documentation: %w", err)
	}
	if err := a.metrics.register(c.Registerer); err != nil {
		return nil, fmt.Errorf("register api metrics: %w", err)
	}
	a.table = a.routes()
	routes := []string{unmatched}
	for i := range a.table {
		routes = append(routes, a.routeName(&a.table[i]))
	}
	a.metrics.start(routes)
	a.router = a.newRouter()
	return a, nil
}

// Handler returns the handler for an http.Server. The server should set ReadHeaderTimeout,
// IdleTimeout and MaxHeaderBytes, and neither ReadTimeout nor WriteTimeout (see
// Config.IdleTimeout). If the server cancels its base context in order to stop, the cause should be
// a *signing.Error of KindBusy, which clients then receive. Without such a cause the API assumes
// that the clients have left.
func (a *API) Handler() http.Handler { return http.HandlerFunc(a.serve) }
