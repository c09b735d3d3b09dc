package api

import (
	"net/http"
	"strings"

	"github.com/julienschmidt/httprouter"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Paths that are not under the base path's api/v0.
const (
	tokenPath  = "/oauth2/authorization-server/oauth/token"
	apiPath    = "/api/v0/"          // below the base path
	pagePath   = "/swagger-ui.html"  // likewise
	assetsPath = "/swagger-ui/"      // likewise
	openAPI    = "/openapi.yaml"     // likewise
	unmatched  = "unmatched"         // route name of a request that matches no call
	tokenRoute = "POST " + tokenPath // the route whose errors follow RFC 6749
)

// route is one call.
type route struct {
	method  string
	pattern string // as the API description writes it, with the base path
	open    bool   // no authentication
	// senders of notifications may also authenticate by a token in the query
	notifier bool
	handle   func(x *exchange) error
}

// routeName is the route in logs, metrics and tests: method and pattern, without the base path.
func (a *API) routeName(r *route) string {
	return r.method + " " + strings.TrimPrefix(r.pattern, a.cfg.BasePath)
}

// routes returns the calls, in the order in which they are tried.
func (a *API) routes() []route {
	under := func(rest string) string { return a.cfg.BasePath + apiPath + rest }
	all := []route{
		{method: http.MethodPost, pattern: under("document/sign/base64"), handle: signBase64},
		{method: http.MethodPost, pattern: under("document/sign/async/base64"), handle: signBase64Async},
		{method: http.MethodPost, pattern: under("document/sign/async"), handle: signMultipartAsync},
		{method: http.MethodPost, pattern: under("document/sign"), handle: signMultipart},

		{
			method:  http.MethodGet,
			pattern: under("operation/status/withExternalReference/" + paramRef),
			handle:  statusByReference,
		},
		{method: http.MethodGet, pattern: under("operation/status/" + paramID), handle: statusByID},
		{
			method:  http.MethodGet,
			pattern: under("operation/sign/detail/withExternalReference/" + paramRef),
			handle:  detailByReference,
		},
		{
			method:  http.MethodGet,
			pattern: under("operation/sign/detail/" + paramID + "/contentInResponse/" + paramFlag),
			handle:  detailByID,
		},
		{method: http.MethodGet, pattern: under("operation/sign/detail/" + paramID + "/documents"), handle: zipByID},
		{
			method:  http.MethodGet,
			pattern: under("operation/sign/detail/" + paramID + "/documents/" + paramDoc),
			handle:  documentByIndex,
		},
		{
			method:  http.MethodGet,
			pattern: under("operation/id/withDocumentExternalReference/" + paramRef),
			handle:  idByDocumentReference,
		},
		{method: http.MethodGet, pattern: under("operation/id/withIdempotencyKey"), handle: idByKey},
		{method: http.MethodGet, pattern: under("operation/sign/detail/" + paramID), handle: detailByID},
		{method: http.MethodDelete, pattern: under("operation/sign/detail/" + paramID), handle: removeByID},

		// The original has this call at the root. Clients that are generated from the API description
		// look for it below the base path, because most generators put every path below the one server.
		// Both are the same route in logs and metrics.
		{method: http.MethodPost, pattern: tokenPath, open: true, handle: issueToken},
		{method: http.MethodPost, pattern: a.cfg.BasePath + tokenPath, open: true, handle: issueToken},

		{method: http.MethodGet, pattern: a.cfg.BasePath + pagePath, open: true, handle: servePage},
		{method: http.MethodGet, pattern: a.cfg.BasePath + openAPI, open: true, handle: serveOpenAPI},
		{
			method:  http.MethodGet,
			pattern: a.cfg.BasePath + assetsPath + paramFile,
			open:    true,
			handle:  serveAsset,
		},
		{method: http.MethodGet, pattern: a.cfg.BasePath, open: true, handle: redirectToPage},
	}
	all = append(all, a.notifyRoutes()...)
	if a.cfg.KeyHomes != nil {
		all = append(all, a.messageRoute())
	}
	return all
}

// newRouter registers all routes in httprouter, by segment.
//
// httprouter 1.3 cannot do two things, and they are done here. It refuses a word and a parameter on
// the same segment. Therefore status/withExternalReference/{ref} and status/{id} share the paths
// status/:key and status/:key/*rest, and route.match tells them apart. It also matches decoded
// paths and redirects surplus slashes, which would break references with slashes and the POSTs of
// real clients. Therefore find looks up the escaped path without surplus slashes, and a reference
// is cut from the path as it was sent.
func (a *API) newRouter() *httprouter.Router {
	r := httprouter.New()
	shared := make(map[string][]*route) // by method and path, in the order of the table
	for i := range a.table {
		rt := &a.table[i]
		for _, path := range rt.paths() {
			key := rt.method + " " + path
			if shared[key] = append(shared[key], rt); len(shared[key]) > 1 {
				continue
			}
			r.Handle(rt.method, path, func(w http.ResponseWriter, _ *http.Request, params httprouter.Params) {
				w.(*lookup).choose(shared[key], params)
			})
		}
	}
	return r
}

// lookup is the result of looking for a route. It is an http.ResponseWriter only because httprouter
// passes nothing else to its handles. The handles do not run the call, because the header Allow
// needs look-ups for other methods.
type lookup struct {
	http.ResponseWriter
	escaped string // path as it was sent
	route   *route
	values  pathValues
}

// choose takes the first route whose pattern fits, of those that share a path of httprouter.
func (l *lookup) choose(routes []*route, params httprouter.Params) {
	for _, rt := range routes {
		if v, ok := rt.match(params, l.escaped); ok {
			l.route, l.values = rt, v
			return
		}
	}
}

// find returns the route of a method and an escaped path, with the values of its parameters; nil if
// there is none.
func (a *API) find(method, escaped string) (*route, pathValues) {
	l := &lookup{escaped: escaped}
	path := "/" + strings.Trim(collapse(escaped), "/")
	if handle, params, _ := a.router.Lookup(method, path); handle != nil {
		handle(l, nil, params)
	}
	return l.route, l.values
}

// dispatch finds the route of a request and runs it. Every GET call also answers HEAD.
func (a *API) dispatch(x *exchange) {
	method := x.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path := x.r.URL.EscapedPath()
	if rt, values := a.find(method, path); rt != nil {
		x.route, x.path = a.routeName(rt), values
		x.run(rt)
		return
	}
	allowed := a.allowed(path)
	if len(allowed) == 0 {
		x.fail(signing.Errorf(kindNoSuchCall, "there is no such call; the API is described at %s", a.cfg.BasePath+pagePath))
		return
	}
	list := strings.Join(allowed, ", ")
	x.w.Header().Set("Allow", list)
	x.fail(signing.Errorf(kindMethod, "allowed here: %s", list))
}

// allowed returns the methods of the routes of a path, sorted.
func (a *API) allowed(escaped string) (methods []string) {
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodOptions, http.MethodPost} {
		if rt, _ := a.find(method, escaped); rt == nil {
			continue
		}
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return methods
}
