package api

import (
	"net/http"
	"slices"
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
	unmatched  = "unmatched"         // route of a request that names no call
	tokenRoute = "POST " + tokenPath // the route whose errors have a form of their own
)

// route is one call.
type route struct {
	method  string
	pattern string // without the base path for calls of the API; see match
	open    bool   // no authentication
	handle  func(x *exchange) error
}

// routeName is the route in logs, metrics and tests: method and pattern, without the base path.
func (a *API) routeName(r *route) string {
	return r.method + " " + strings.TrimPrefix(r.pattern, a.cfg.BasePath)
}

// routes returns the calls, in the order in which they are tried.
func (a *API) routes() []route {
	under := func(rest string) string { return a.cfg.BasePath + apiPath + rest }
	return []route{
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
			pattern: under("operation/id/withDocumentExternalReference/" + paramRef),
			handle:  idByDocumentReference,
		},
		{method: http.MethodGet, pattern: under("operation/id/withIdempotencyKey"), handle: idByKey},
		{method: http.MethodGet, pattern: under("operation/sign/detail/" + paramID), handle: detailByID},
		{method: http.MethodDelete, pattern: under("operation/sign/detail/" + paramID), handle: removeByID},

		// At the root, where the original has it, and below the base path, where clients look that are
		// generated from the description: most generators put every path below the one server. Both are
		// one route in logs and metrics.
		{method: http.MethodPost, pattern: tokenPath, open: true, handle: issueToken},
		{method: http.MethodPost, pattern: a.cfg.BasePath + tokenPath, open: true, handle: issueToken},

		{method: http.MethodGet, pattern: a.cfg.BasePath + pagePath, open: true, handle: (*exchange).servePage},
		{method: http.MethodGet, pattern: a.cfg.BasePath + openAPI, open: true, handle: (*exchange).serveOpenAPI},
		{
			method:  http.MethodGet,
			pattern: a.cfg.BasePath + assetsPath + paramFile,
			open:    true,
			handle:  (*exchange).serveAsset,
		},
		{method: http.MethodGet, pattern: a.cfg.BasePath, open: true, handle: (*exchange).redirectToPage},
	}
}

// newRouter registers one catch-all for each method and prefix, since httprouter cannot hold the
// calls one by one: a parameter and a word on the same segment exclude each other in it, and its
// redirects break the POSTs of real clients. Which call it is, dispatch finds out.
func (a *API) newRouter() *httprouter.Router {
	r := httprouter.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleMethodNotAllowed = false // so has dispatch the last word on it
	r.HandleOPTIONS = false
	handle := func(w http.ResponseWriter, _ *http.Request, _ httprouter.Params) { a.dispatch(w.(*exchange)) }
	for _, prefix := range []string{a.cfg.BasePath + "/", tokenPath[:strings.Index(tokenPath, "/authorization")+1]} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
			r.Handle(method, prefix+"*rest", handle)
		}
	}
	r.NotFound = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { a.dispatch(w.(*exchange)) })
	return r
}

// dispatch finds the call that a request names and runs it. HEAD is answered wherever GET is.
func (a *API) dispatch(x *exchange) {
	method := x.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allowed []string
	for i := range a.table {
		rt := &a.table[i]
		values, ok := match(rt.pattern, x.escapedPath)
		if !ok {
			continue
		}
		if rt.method == method {
			x.route, x.path = a.routeName(rt), values
			x.run(rt)
			return
		}
		allowed = append(allowed, rt.method)
		if rt.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if len(allowed) == 0 {
		x.fail(signing.Errorf(kindNoSuchCall, "there is no such call; the API is described at %s", a.cfg.BasePath+pagePath))
		return
	}
	slices.Sort(allowed)
	list := strings.Join(slices.Compact(allowed), ", ")
	x.Header().Set("Allow", list)
	x.fail(signing.Errorf(kindMethod, "allowed here: %s", list))
}
