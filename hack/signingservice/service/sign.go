package service

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// signRequest is a signatures/signHash request of either version.
type signRequest struct {
	CredentialID   string   `json:"credentialID"`
	SAD            string   `json:"SAD"`
	Hash           []string `json:"hash"`     // v1
	HashAlgo       string   `json:"hashAlgo"` // v1
	Hashes         []string `json:"hashes"`   // v2
	HashAlgorithm  string   `json:"hashAlgorithmOID"`
	SignAlgo       string   `json:"signAlgo"`
	SignAlgoParams string   `json:"signAlgoParams"`
	OperationMode  string   `json:"operationMode"`
}

// cscSigning serves signatures/signHash and signatures/signPolling.
type cscSigning struct {
	opts        *Options
	tokens      *tokens
	sads        *sads
	credentials credentials
	signer      *signer

	mu      sync.Mutex
	answers map[string]*asyncAnswer
}

func (g *cscSigning) routes(f *frontend) {
	f.handle("POST /csc/v1/signatures/signHash", "signatures/signHash", g.serveSignHash)
	f.handle("POST /csc/v2/signatures/signHash", "signatures/signHash", g.serveSignHash)
	f.handle("POST /csc/v2/signatures/signPolling", "signatures/signPolling", g.servePolling)
}

func (g *cscSigning) serveSignHash(x *exchange) answer {
	token, refusal := g.tokens.bearer(x)
	if refusal != nil {
		return *refusal
	}
	var req signRequest
	if err := json.Unmarshal(x.body, &req); err != nil {
		return refuse("invalid_request", "Malformed request")
	}
	version1 := strings.HasPrefix(x.URL.Path, "/csc/v1/")
	if version1 {
		req.Hashes, req.HashAlgorithm, req.OperationMode = req.Hash, req.HashAlgo, ""
	}
	c := g.credentials.find(req.CredentialID)
	if c == nil {
		return refuse("invalid_request", "Invalid parameter credentialID")
	}
	if g.opts.OperationModeNeeded && !version1 && req.OperationMode == "" {
		return refuse("invalid_request", "Missing (or invalid type) string parameter operationMode")
	}
	if req.OperationMode == "A" && !g.opts.Asynchronous ||
		req.OperationMode != "" && req.OperationMode != "A" && req.OperationMode != "S" {
		return refuse("invalid_request", "Invalid parameter operationMode")
	}
	a, digests, refusal := c.readHashes(req)
	if refusal != nil {
		return *refusal
	}
	if refusal := g.sads.use(x, req.SAD, c, digests); refusal != nil {
		return *refusal
	}
	values, err := g.signer.values(x, c, a, digests)
	if err != nil {
		return answer{status: http.StatusInternalServerError, body: object{{"error", "server_error"}}}
	}
	if req.OperationMode == "A" {
		return g.keepAnswer(token.client, values)
	}
	return answer{status: http.StatusOK, body: object{{"signatures", values}}}
}

// readHashes decodes and checks what is to be signed.
func (c *credential) readHashes(req signRequest) (a algorithm, digests [][]byte, refusal *answer) {
	no := func(text string) (algorithm, [][]byte, *answer) {
		r := refuse("invalid_request", text)
		return a, nil, &r
	}
	a, wrong := c.choose(req.SignAlgo, req.HashAlgorithm, req.SignAlgoParams)
	if wrong != "" {
		return no(wrong)
	}
	if len(req.Hashes) == 0 {
		return no("Empty hash array")
	}
	for _, h := range req.Hashes {
		digest, err := unbase64(h)
		if err != nil {
			return no("Invalid Base64 hash string parameter")
		}
		if len(digest) != a.hash.Size() {
			return no("Invalid digest value length")
		}
		digests = append(digests, digest)
	}
	return a, digests, nil
}

// asyncAnswer is an answer that waits to be fetched.
type asyncAnswer struct {
	client  string
	values  []string
	pending int
}

func (g *cscSigning) keepAnswer(client string, values []string) answer {
	id := random(18)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answers[id] = &asyncAnswer{client: client, values: values, pending: g.opts.PendingPolls}
	return answer{status: http.StatusOK, body: object{{"responseID", id}}}
}

func (g *cscSigning) servePolling(x *exchange) answer {
	token, refusal := g.tokens.bearer(x)
	if refusal != nil {
		return *refusal
	}
	var req struct {
		RequestID string `json:"requestID"`
	}
	_ = json.Unmarshal(x.body, &req)
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := g.answers[req.RequestID]
	if kept == nil || kept.client != token.client {
		return refuse("invalid_request", "Invalid parameter requestID")
	}
	if kept.pending > 0 {
		kept.pending--
		return answer{status: http.StatusAccepted, body: object{
			{"error", "accepted_request"},
			{
				"error_description",
				"The previous asynchronous request has been accepted for processing, but the processing has not yet been completed",
			},
		}}
	}
	return answer{status: http.StatusOK, body: object{{"signatures", kept.values}}}
}
