package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fakeProxy implements the documented API. It "signs" a PDF by appending signedBy, and other
// documents really. It refuses documents whose content says so, and stores operations by external
// reference. One fakeProxy may name another one as the holder of its operations.
type fakeProxy struct {
	*httptest.Server
	t      *testing.T
	holder *fakeProxy // who holds the operations; nil = this fakeProxy

	mu       sync.Mutex
	ops      map[string]*fakeOperation
	busy     int // how many calls are still refused with 503
	pending  int // how many more status calls answer PENDING_EXECUTION
	syncSlow bool
	silent   bool              // the answer does not name signed documents
	answer   map[string]string // signed content by document name, for documents that get wrong content
	calls    []string
}

const signedBy = "\n%signed"

type fakeOperation struct {
	ID        int              `json:"id"`
	Status    string           `json:"status"`
	Reference string           `json:"folderExternalReference"`
	Created   string           `json:"creationDate"`
	Host      string           `json:"host,omitempty"`
	Port      int              `json:"port,omitempty"`
	Documents []map[string]any `json:"documentList,omitempty"`
}

func newFakeProxy(t *testing.T) *fakeProxy {
	p := &fakeProxy{t: t, ops: map[string]*fakeOperation{}}
	p.holder = p
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *fakeProxy) hostPort() (string, int) {
	u, _ := url.Parse(p.URL)
	host, port, _ := net.SplitHostPort(u.Host)
	n, _ := strconv.Atoi(port)
	return host, n
}

func (p *fakeProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/signstash/einvoice-integration-client-ws/api/v0/")
	p.calls = append(p.calls, r.Method+" "+path)
	if path == "/oauth2/authorization-server/oauth/token" {
		fmt.Fprint(w, `{"access_token":"tok","token_type":"bearer","expires_in":600}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer tok" {
		refuse(w, 401, "0.0.10", "no token")
		return
	}
	if p.busy > 0 {
		p.busy--
		w.Header().Set("Retry-After", "1")
		refuse(w, 503, "", "queue is full")
		return
	}
	switch {
	case path == "document/sign/base64/":
		p.sign(w, r, false)
	case path == "document/sign/async/base64/":
		p.sign(w, r, true)
	case strings.HasPrefix(path, "operation/status/withExternalReference/"):
		p.status(w, strings.TrimPrefix(path, "operation/status/withExternalReference/"))
	case strings.HasPrefix(path, "operation/sign/detail/withExternalReference/"):
		p.detail(w, r, strings.TrimPrefix(path, "operation/sign/detail/withExternalReference/"))
	default:
		refuse(w, 404, "", "no such call")
	}
}

func refuse(w http.ResponseWriter, status int, code, cause string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorCode": code, "causeMessage": cause})
}

func (p *fakeProxy) sign(w http.ResponseWriter, r *http.Request, async bool) {
	var req struct {
		ExternalReference string
		Documents         []struct {
			DocumentRequest struct {
				ExternalReference, Name, ContentType string
				Base64Content                        []byte
			}
			SignatureInfo map[string]any
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		refuse(w, 400, "0.0.2", err.Error())
		return
	}
	if key := r.Header.Get("Idempotency-Key"); key != req.ExternalReference {
		p.t.Errorf("Idempotency-Key is %q, want %q", key, req.ExternalReference)
	}
	host, port := p.holder.hostPort()
	op := &fakeOperation{
		ID:        len(p.ops) + 1,
		Status:    "EXECUTED",
		Reference: req.ExternalReference,
		Created:   "2026-01-02T03:04:05.678Z",
		Host:      host,
		Port:      port,
	}
	for _, d := range req.Documents {
		doc := map[string]any{
			"externalReference": d.DocumentRequest.ExternalReference,
			"name":              d.DocumentRequest.Name,
			"info":              d.SignatureInfo,
		}
		if strings.Contains(string(d.DocumentRequest.Base64Content), "broken") {
			doc["signStatus"], doc["signError"] = "ERROR_SIGNING", "SIGN_OPERATION_INTERNAL_ERROR"
			doc["signErrorCode"], doc["signErrorCause"] = "2.2.3", "is damaged"
		} else {
			doc["signStatus"], doc["contentType"] = "SIGNED", d.DocumentRequest.ContentType
			signed := p.signed(doc, d.DocumentRequest.Base64Content)
			if other, ok := p.answer[d.DocumentRequest.Name]; ok {
				signed = other
			}
			doc["signedContent"] = base64.StdEncoding.EncodeToString([]byte(signed))
		}
		op.Documents = append(op.Documents, doc)
	}
	p.keep(op)
	switch {
	case async:
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(
			map[string]any{
				"id":                op.ID,
				"externalReference": op.Reference,
				"status":            "PENDING_EXECUTION",
				"host":              host,
				"port":              port,
			},
		)
	case p.syncSlow:
		_ = json.NewEncoder(w).Encode(map[string]any{"id": op.ID, "status": "PENDING_EXECUTION", "documentList": []any{}})
	default:
		_ = json.NewEncoder(w).Encode(op)
	}
}

// signed returns the signed form of a content, and adds what the answer says about it to doc.
func (p *fakeProxy) signed(doc map[string]any, content []byte) string {
	info := doc["info"].(map[string]any)
	kind, packaging, existing := info["signatureType"], info["packaging"], info["existing"]
	if kind == "PAdES" {
		return string(content) + signedBy
	}
	d := &signing.Document{}
	d.Name, d.ContentType = doc["name"].(string), doc["contentType"].(string)
	d.Signature.Type = signing.SignatureType(kind.(string))
	if packaging != nil {
		d.Signature.Packaging = signing.Packaging(packaging.(string))
	}
	if existing != nil {
		d.Signature.Existing = signing.Existing(existing.(string))
	}
	if name := signing.SignedName(d); name != d.Name && !p.silent {
		doc["signedName"] = name
	}
	if named := signing.SignedContentType(d); named != d.ContentType && !p.silent {
		doc["signedContentType"] = named
	}
	return string(signedAs(p.t, d.Signature, content))
}

func (p *fakeProxy) keep(op *fakeOperation) {
	if p.holder == p {
		p.ops[op.Reference] = op
		return
	}
	p.holder.mu.Lock()
	defer p.holder.mu.Unlock()
	p.holder.ops[op.Reference] = op
}

func (p *fakeProxy) status(w http.ResponseWriter, reference string) {
	list := []fakeOperation{}
	if op := p.ops[reference]; op != nil {
		short := *op
		short.Documents = nil
		if p.pending > 0 {
			p.pending--
			short.Status = "PENDING_EXECUTION"
		}
		list = append(list, short)
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (p *fakeProxy) detail(w http.ResponseWriter, r *http.Request, reference string) {
	op := p.ops[reference]
	if op == nil {
		refuse(w, 404, "", "not found")
		return
	}
	_ = json.NewEncoder(w).Encode(op)
}

// count returns how many calls had the given prefix.
func (p *fakeProxy) count(prefix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}
