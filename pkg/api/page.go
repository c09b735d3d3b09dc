package api

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/swaggest/swgui/v5/static"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

//go:embed openapi.yaml
var openAPIText string

//go:embed page.html
var pageHTML string

//go:embed page.js
var pageScript string

// page is the API documentation: Swagger UI with this project's OpenAPI document. The browser loads
// nothing from other hosts.
type page struct {
	document string
	html     string
	assets   map[string]asset
	serving  chan struct{} // holds a value for each answer that is sent
}

// maxPages bounds the files of the page that are sent at the same time, because anybody may request
// them and some are decompressed while they are sent. A browser requests four.
const maxPages = 32

// asset is a file of the page.
type asset struct {
	contentType string
	data        []byte
	gzipped     bool
}

// pagePolicy lets the page load from this host only. Swagger UI needs inline styles and small
// inline pictures.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"

func newPage(c Config) (*page, error) {
	fill := strings.NewReplacer("{{base}}", c.BasePath, "{{version}}", c.Version)
	p := &page{
		document: fill.Replace(openAPIText),
		serving:  make(chan struct{}, maxPages),
		html:     fill.Replace(pageHTML),
		assets: map[string]asset{
			"page.js": {contentType: "text/javascript; charset=utf-8", data: []byte(fill.Replace(pageScript))},
		},
	}
	for name, contentType := range map[string]string{
		"swagger-ui-bundle.js.gz": "text/javascript; charset=utf-8",
		"swagger-ui.css.gz":       "text/css; charset=utf-8",
		"favicon-32x32.png":       "image/png",
	} {
		data, err := static.FS.ReadFile(name)
		if err != nil {
			return nil, err
		}
		plain, gzipped := strings.CutSuffix(name, ".gz")
		p.assets[plain] = asset{contentType: contentType, data: data, gzipped: gzipped}
	}
	return p, nil
}

func servePage(x *exchange) error {
	x.w.Header().Set("Content-Security-Policy", pagePolicy)
	x.w.Header().Set("Referrer-Policy", "no-referrer")
	x.w.Header().Set("Cache-Control", "no-cache")
	return serveText(x, "text/html; charset=utf-8", strings.NewReader(x.api.page.html))
}

func serveOpenAPI(x *exchange) error {
	x.w.Header().Set("Cache-Control", "no-cache")
	return serveText(x, "application/yaml", strings.NewReader(x.api.page.document)) // RFC 9512
}

func redirectToPage(x *exchange) error {
	http.Redirect(x.w, x.r, x.api.cfg.BasePath+pagePath, http.StatusFound)
	return nil
}

// serveAsset serves a file of Swagger UI. If the browser accepts gzip, it sends the file
// compressed, as it is embedded.
func serveAsset(x *exchange) error {
	a, ok := x.api.page.assets[x.path.file]
	if !ok {
		return signing.Errorf(kindNoSuchCall, "there is no such file")
	}
	select {
	case x.api.page.serving <- struct{}{}:
		defer func() { <-x.api.page.serving }()
	default:
		busy := signing.Errorf(signing.KindTooMany, "%d files of the page are being sent", maxPages)
		return busy.Retryable(limits.RetryAfter)
	}
	x.w.Header().Set("Cache-Control", "max-age=3600")
	if !a.gzipped {
		return serveText(x, a.contentType, bytes.NewReader(a.data))
	}
	x.w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
		x.w.Header().Set("Content-Encoding", "gzip")
		return serveText(x, a.contentType, bytes.NewReader(a.data))
	}
	plain, err := gzip.NewReader(bytes.NewReader(a.data))
	if err != nil {
		return err
	}
	x.w.Header().Set("Content-Type", a.contentType)
	_, err = io.Copy(x.w, plain)
	return err
}

// serveText serves content that does not change while the process runs. It supports range requests.
func serveText(x *exchange, contentType string, content io.ReadSeeker) error {
	x.w.Header().Set("Content-Type", contentType)
	http.ServeContent(x.w, x.r, "", time.Time{}, content)
	return nil
}
